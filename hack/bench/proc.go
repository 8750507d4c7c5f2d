package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of the kernel's times in /proc: USER_HZ, 100 a second on every architecture that Go runs on.
const tick = 10 * time.Millisecond

// procStat is what one line of /proc/PID/stat says that matters here.
type procStat struct {
	pid, parent int
	cpu         time.Duration // user and system time of all its threads and of its children that have ended
}

// parseStat reads /proc/PID/stat. The second field is the program's name in parentheses and may hold anything, also
// blanks and parentheses: fields are counted from behind its last one.
func parseStat(line []byte) (procStat, error) {
	open, end := bytes.IndexByte(line, '('), bytes.LastIndexByte(line, ')')
	if open < 1 || end < open {
		return procStat{}, fmt.Errorf("no program name in %q", line)
	}
	// After the name: state, ppid, and as the 12th to 15th utime, stime, cutime, cstime (proc(5) counts two more).
	const parentField, firstTime, lastTime = 1, 11, 14
	fields := strings.Fields(string(line[end+1:]))
	if len(fields) <= lastTime {
		return procStat{}, fmt.Errorf("only %d fields after the name in %q", len(fields), line)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(line[:open])))
	if err != nil {
		return procStat{}, fmt.Errorf("read pid: %w", err)
	}
	stat := procStat{pid: pid}
	if stat.parent, err = strconv.Atoi(fields[parentField]); err != nil {
		return procStat{}, fmt.Errorf("read parent's pid: %w", err)
	}
	for _, field := range fields[firstTime : lastTime+1] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return procStat{}, fmt.Errorf("read CPU time: %w", err)
		}
		stat.cpu += time.Duration(ticks) * tick
	}
	return stat, nil
}

// parseStatus returns a size of /proc/PID/status, such as VmHWM, in bytes.
func parseStatus(status []byte, name string) (int64, error) {
	for line := range bytes.Lines(status) {
		value, found := strings.CutPrefix(string(line), name+":")
		if !found {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", name, err)
		}
		return kib << 10, nil
	}
	return 0, fmt.Errorf("no %s in the process' status", name)
}

// treeOf returns the process and all its descendants, by one pass over all processes.
func treeOf(root int, all []procStat) []procStat {
	children := map[int][]procStat{}
	var tree []procStat
	for _, p := range all {
		children[p.parent] = append(children[p.parent], p)
		if p.pid == root {
			tree = append(tree, p)
		}
	}
	for i := 0; i < len(tree); i++ {
		tree = append(tree, children[tree[i].pid]...)
	}
	return tree
}

// processes reads all processes; those that end meanwhile are left out.
func processes() ([]procStat, error) {
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(paths) == 0 {
		return nil, fmt.Errorf("bench needs Linux' /proc: %w", err)
	}
	var all []procStat
	for _, path := range paths {
		line, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		stat, err := parseStat(line)
		if err != nil {
			return nil, fmt.Errorf("parse %s: %w", path, err)
		}
		all = append(all, stat)
	}
	return all, nil
}

// memoryOf returns one size of a process in bytes: VmRSS is what it has now, VmHWM the most it had.
func memoryOf(pid int, name string) (int64, error) {
	status, err := os.ReadFile(procPath(pid, "status"))
	if err != nil {
		return 0, fmt.Errorf("read memory: %w", err)
	}
	return parseStatus(status, name)
}

// forgetPeak lets a process' VmHWM begin again at what it has now ("5" of proc(5)).
func forgetPeak(pid int) error {
	if err := os.WriteFile(procPath(pid, "clear_refs"), []byte("5"), 0); err != nil {
		return fmt.Errorf("reset peak memory of process %d: %w", pid, err)
	}
	return nil
}

func procPath(pid int, file string) string { return filepath.Join("/proc", strconv.Itoa(pid), file) }
