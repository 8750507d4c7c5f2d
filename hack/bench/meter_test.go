package main

import (
	"os"
	"testing"
	"time"
)

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
