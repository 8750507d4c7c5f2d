package proc

import (
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	t.Parallel()
	line := "4711 (a) name (x) S 12 4711 4711 0 -1 4194304 102 0 0 0 150 25 7 3 20 0 1 0 223600 3133440 397\n"
	got, err := parseStat([]byte(line))
	want := Stat{PID: 4711, Parent: 12, CPU: 1850 * time.Millisecond}
	if err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for _, bad := range []string{"", "1 name S 1", "1 (name) S 1 2 3", "x (name) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15"} {
		if _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	status := []byte("Name:\tingest\nVmPeak:\t  900 kB\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n")
	if got, err := Size(status, "VmHWM"); err != nil || got != 2<<20 {
		t.Errorf("got %d, %v", got, err)
	}
	if _, err := Size(status, "VmSwap"); err == nil {
		t.Error("a line that is not there was read")
	}
}

func TestTree(t *testing.T) {
	t.Parallel()
	all := []Stat{{PID: 9, Parent: 5}, {PID: 5, Parent: 2}, {PID: 2, Parent: 1}, {PID: 6, Parent: 2}, {PID: 7, Parent: 1}}
	pids := map[int]bool{}
	for _, p := range Tree(2, all) {
		pids[p.PID] = true
	}
	if len(pids) != 4 || !pids[2] || !pids[5] || !pids[6] || !pids[9] {
		t.Errorf("got %v", pids)
	}
	if got := Tree(8, all); len(got) != 0 {
		t.Errorf("a process that is not there has the tree %v", got)
	}
}
