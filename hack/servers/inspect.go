package servers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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
	fields := stat(pid)
	return len(fields) > 0 && !bytes.ContainsAny(fields[statState], "ZX")
}

// Inside returns the processes of some programs (base names of executables) that work in a directory. Both servers
// change to their data directory, and so do all children of theirs: this finds a server without trusting a pid file,
// and what a killed one left behind.
func Inside(dir string, programs ...string) []int {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil
	}
	var pids []int
	for _, pid := range processes() {
		cwd, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "cwd"))
		if err != nil || cwd != dir {
			continue
		}
		if path, err := Executable(pid); err == nil && slices.Contains(programs, filepath.Base(path)) && Running(pid) {
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
