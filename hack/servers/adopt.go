package servers

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// ErrStarting is wrapped by the answer of a server that is alive and on its way: loading its data or recovering.
var ErrStarting = errors.New("still starting")

// RedisPID returns the process id of the Redis that works in a directory, or 0.
func RedisPID(dir string) int {
	pids := insideRedis(dir)
	for _, pid := range pids {
		if !slices.Contains(pids, parent(pid)) { // a child rewrites the log
			return pid
		}
	}
	return 0
}

// insideRedis knows that Debian's redis-server is a link to redis-check-rdb: one program that looks at its name.
func insideRedis(dir string) []int { return Inside(dir, "redis-server", "redis-check-rdb") }

// PostgresPID returns the process id of the PostgreSQL that works in a directory, or 0. Backends without their
// postmaster don't count.
func PostgresPID(dir string) int {
	pid, _ := pidFile(dir)
	if slices.Contains(Inside(dataDir(dir), "postgres"), pid) {
		return pid
	}
	return 0
}

// Executing returns the processes that run a program, by the path of its file. They count also when the file was
// replaced since.
func Executing(path string) []int {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		path = filepath.Join(dir, filepath.Base(path))
	}
	var pids []int
	for _, pid := range processes() {
		if found, err := Executable(pid); err == nil && found == path && Running(pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func processes() []int {
	entries, _ := os.ReadDir("/proc")
	var pids []int
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// parent returns the id of a process' parent, or 0.
func parent(pid int) int {
	fields := stat(pid)
	if len(fields) <= statParent {
		return 0
	}
	ppid, _ := strconv.Atoi(string(fields[statParent]))
	return ppid
}

// Fields of /proc/PID/stat, counted from the one behind the program's name; see proc(5).
const (
	statState  = 0
	statParent = 1
)

func stat(pid int) [][]byte {
	content, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	// pid (name) state …: the name may itself contain parentheses, so look behind the last one.
	_, after, _ := bytes.Cut(content[max(0, bytes.LastIndexByte(content, ')')):], []byte(" "))
	return bytes.Fields(after)
}
