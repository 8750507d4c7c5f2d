// Package proc reads what Linux knows of All: their CPU time and their memory.
package proc

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of the kernel's times in /proc: USER_HZ, 100 a second on every architecture that Go runs on.
const tick = 10 * time.Millisecond

// Stat is what one line of /proc/PID/stat says that matters here.
type Stat struct {
	PID, Parent int
	CPU         time.Duration // user and system time of all its threads and of its children that have ended
}

// parseStat reads /proc/PID/stat. The second field is the program's name in parentheses and may hold anything, also
// blanks and parentheses: fields are counted from behind its last one.
func parseStat(line []byte) (Stat, error) {
	open, end := bytes.IndexByte(line, '('), bytes.LastIndexByte(line, ')')
	if open < 1 || end < open {
		return Stat{}, fmt.Errorf("no program name in %q", line)
	}
	// After the name: state, ppid, and as the 12th to 15th utime, stime, cutime, cstime (proc(5) counts two more).
	const parentField, firstTime, lastTime = 1, 11, 14
	fields := strings.Fields(string(line[end+1:]))
	if len(fields) <= lastTime {
		return Stat{}, fmt.Errorf("only %d fields after the name in %q", len(fields), line)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(line[:open])))
	if err != nil {
		return Stat{}, fmt.Errorf("read pid: %w", err)
	}
	stat := Stat{PID: pid}
	if stat.Parent, err = strconv.Atoi(fields[parentField]); err != nil {
		return Stat{}, fmt.Errorf("read parent's pid: %w", err)
	}
	for _, field := range fields[firstTime : lastTime+1] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return Stat{}, fmt.Errorf("read CPU time: %w", err)
		}
		stat.CPU += time.Duration(ticks) * tick
	}
	return stat, nil
}

// Size returns a size of /proc/PID/status, such as VmHWM, in bytes.
func Size(status []byte, name string) (int64, error) {
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

// Tree returns the process and all its descendants, by one pass over all processes.
func Tree(root int, all []Stat) []Stat {
	children := map[int][]Stat{}
	var tree []Stat
	for _, p := range all {
		children[p.Parent] = append(children[p.Parent], p)
		if p.PID == root {
			tree = append(tree, p)
		}
	}
	for i := 0; i < len(tree); i++ {
		tree = append(tree, children[tree[i].PID]...)
	}
	return tree
}

// All reads all processes; those that end meanwhile are left out.
func All() ([]Stat, error) {
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(paths) == 0 {
		return nil, fmt.Errorf("measuring needs Linux' /proc: %w", err)
	}
	var all []Stat
	for _, file := range paths {
		line, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		stat, err := parseStat(line)
		if err != nil {
			return nil, fmt.Errorf("parse %s: %w", file, err)
		}
		all = append(all, stat)
	}
	return all, nil
}

// Memory returns one size of a process in bytes: VmRSS is what it has now, VmHWM the most it had.
func Memory(pid int, name string) (int64, error) {
	status, err := os.ReadFile(path(pid, "status"))
	if err != nil {
		return 0, fmt.Errorf("read memory: %w", err)
	}
	return Size(status, name)
}

// ForgetPeak lets a process' VmHWM begin again at what it has now ("5" of proc(5)).
func ForgetPeak(pid int) error {
	if err := os.WriteFile(path(pid, "clear_refs"), []byte("5"), 0); err != nil {
		return fmt.Errorf("reset peak memory of process %d: %w", pid, err)
	}
	return nil
}

func path(pid int, file string) string { return filepath.Join("/proc", strconv.Itoa(pid), file) }

// CPUModel is the name of the machine's processor.
func CPUModel() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range bytes.Lines(info) {
		name, value, _ := strings.Cut(string(line), ":")
		if strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// Kernel is the release of the running kernel.
func Kernel() string {
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return strings.TrimSpace(string(release))
}

// TotalMemory is the machine's, in bytes; 0 when it is not to be had.
func TotalMemory() int64 {
	info, _ := os.ReadFile("/proc/meminfo")
	total, _ := Size(info, "MemTotal")
	return total
}

// CPU is the CPU time that a process and its descendants have used.
func CPU(pid int) (used time.Duration, err error) {
	all, err := All()
	if err != nil {
		return 0, err
	}
	tree := Tree(pid, all)
	if len(tree) == 0 {
		return 0, fmt.Errorf("process %d has ended", pid)
	}
	for _, p := range tree {
		used += p.CPU
	}
	return used, nil
}
