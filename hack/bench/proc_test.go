package main

import (
	"os"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	t.Parallel()
	line := "4711 (a) name (x) S 12 4711 4711 0 -1 4194304 102 0 0 0 150 25 7 3 20 0 1 0 223600 3133440 397\n"
	got, err := parseStat([]byte(line))
	want := procStat{pid: 4711, parent: 12, cpu: 1850 * time.Millisecond}
	if err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for _, bad := range []string{"", "1 name S 1", "1 (name) S 1 2 3", "x (name) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15"} {
		if _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestParseStatus(t *testing.T) {
	t.Parallel()
	status := []byte("Name:\tingest\nVmPeak:\t  900 kB\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n")
	if got, err := parseStatus(status, "VmHWM"); err != nil || got != 2<<20 {
		t.Errorf("got %d, %v", got, err)
	}
	if _, err := parseStatus(status, "VmSwap"); err == nil {
		t.Error("a line that is not there was read")
	}
}

func TestTreeOf(t *testing.T) {
	t.Parallel()
	all := []procStat{{pid: 9, parent: 5}, {pid: 5, parent: 2}, {pid: 2, parent: 1}, {pid: 6, parent: 2}, {pid: 7, parent: 1}}
	pids := map[int]bool{}
	for _, p := range treeOf(2, all) {
		pids[p.pid] = true
	}
	if len(pids) != 4 || !pids[2] || !pids[5] || !pids[6] || !pids[9] {
		t.Errorf("got %v", pids)
	}
	if got := treeOf(8, all); len(got) != 0 {
		t.Errorf("a process that is not there has the tree %v", got)
	}
}

func TestOwnAccount(t *testing.T) {
	t.Parallel()
	m := meter{{name: "self", pid: os.Getpid()}}
	before, err := m.cpu()
	if err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); time.Since(start) < 100*time.Millisecond; { //nolint:revive // burns CPU time on purpose
	}
	after, err := m.cpu()
	if err != nil {
		t.Fatal(err)
	}
	if used := after["self"] - before["self"]; used < 20*time.Millisecond || used > 10*time.Second {
		t.Errorf("100 ms of work are accounted as %v", used)
	}
	peaks, err := m.peaks()
	if err != nil || peaks["self"] < 1<<20 {
		t.Errorf("peak memory %v, %v", peaks, err)
	}
}
