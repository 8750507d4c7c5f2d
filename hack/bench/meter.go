package main

import (
	"fmt"
	"time"

	"github.com/theeye-dev/theeye/hack/bench/proc"
)

// role is a process that works for a target, under the name that the report gives it.
type role struct {
	name string
	pid  int
}

// Names of the roles that are not a service of TheEye.
const (
	roleApp      = "app"
	roleRedis    = "redis"
	rolePostgres = "postgres"
)

// meter reads what a target's processes use.
type meter []role

// cpu returns the CPU time that each role has used since its start, its children's included.
func (m meter) cpu() (map[string]time.Duration, error) {
	all, err := proc.All()
	if err != nil {
		return nil, err
	}
	used := map[string]time.Duration{}
	for _, r := range m {
		tree := proc.Tree(r.pid, all)
		if len(tree) == 0 {
			return nil, fmt.Errorf("%s (process %d) has ended", r.name, r.pid)
		}
		for _, p := range tree {
			used[r.name] += p.CPU
		}
	}
	return used, nil
}

// forgetPeaks lets peaks begin again.
func (m meter) forgetPeaks() error {
	return m.eachProcess(func(_ string, pid int) error { return proc.ForgetPeak(pid) })
}

// peaks returns the most memory, in bytes, that each role had since forgetPeaks: for a role of several processes that
// of the largest, since PostgreSQL's processes share most of theirs.
func (m meter) peaks() (map[string]int64, error) {
	peaks := map[string]int64{}
	err := m.eachProcess(func(name string, pid int) error {
		bytes, err := proc.Memory(pid, "VmHWM")
		peaks[name] = max(peaks[name], bytes)
		return err
	})
	return peaks, err
}

// eachProcess calls do for every process of every role. Only the failure of a role's first process counts: its
// children come and go.
func (m meter) eachProcess(do func(name string, pid int) error) error {
	all, err := proc.All()
	if err != nil {
		return err
	}
	for _, r := range m {
		for _, p := range proc.Tree(r.pid, all) {
			if err := do(r.name, p.PID); err != nil && p.PID == r.pid {
				return err
			}
		}
	}
	return nil
}
