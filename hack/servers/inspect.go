package servers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Executable returns the path of the program that a process runs, or an error when there is no such process. A program
// whose file was replaced since keeps its old path.
func Executable(pid int) (string, error) {
	path, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "exe"))
	if err != nil {
		return "", fmt.Errorf("inspect process %d: %w", pid, err)
	}
	return strings.TrimSuffix(path, " (deleted)"), nil
}

// Running says whether a process exists and is more than a zombie.
func Running(pid int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return false
	}
	// pid (name) state …: the name may itself contain parentheses, so look behind the last one.
	_, after, found := bytes.Cut(stat[max(0, bytes.LastIndexByte(stat, ')')):], []byte(" "))
	return found && len(after) > 0 && after[0] != 'Z' && after[0] != 'X'
}

// Inside returns the processes of a program (the base name of its executable) that work in a directory. Both servers
// change to their data directory, and so do all children of theirs: this finds a server without trusting a pid file,
// and what a killed one left behind.
func Inside(dir, program string) []int {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil
	}
	var pids []int
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		cwd, err := os.Readlink(filepath.Join("/proc", entry.Name(), "cwd"))
		if err != nil || cwd != dir {
			continue
		}
		if path, err := Executable(pid); err == nil && filepath.Base(path) == program && Running(pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// End sends a signal to processes and waits until they are gone; those left when ctx ends are killed.
func End(ctx context.Context, signal syscall.Signal, pids ...int) error {
	for _, pid := range pids {
		_ = syscall.Kill(pid, signal) // gone already: what is wanted
	}
	left := func(context.Context) error {
		for _, pid := range pids {
			if Running(pid) {
				return fmt.Errorf("process %d is still there", pid)
			}
		}
		return nil
	}
	err := Await(ctx, nil, "", left)
	if err == nil || signal == syscall.SIGKILL {
		return err
	}
	killCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), killTimeout)
	defer cancel()
	return errors.Join(fmt.Errorf("processes %v did not stop within their time", pids), End(killCtx, syscall.SIGKILL, pids...))
}
