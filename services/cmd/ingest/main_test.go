package main

import (
	"strings"
	"testing"
)

func TestWrongFlagsAreRefused(t *testing.T) {
	t.Parallel()
	for flag, want := range map[string]string{
		"--redis-replicas=-1":     "--redis-replicas must be between 0 and 5",
		"--redis-replicas=6":      "--redis-replicas must be between 0 and 5",
		"--redis-replicas=one":    "redis-replicas",
		"--partitions=0":          "--partitions must be at least 1",
		"--max-backlog=-1":        "--max-backlog must be at least 0",
		"--redis-durability=lax":  "want strict, relaxed or assumed",
		"--public-rate=-1":        "--public-rate must be between",
		"--redis-url=":            "--redis-url is required",
		"--request-memory=1":      "--request-memory must be at least",
		"--max-redis-memory=101":  "--max-redis-memory between 0 and 100",
		"--redis-replicas=1 more": "redis-replicas",
	} {
		if _, err := parse([]string{"--redis-url=redis://127.0.0.1:6379", flag}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", flag, err, want)
		}
	}
	if c, err := parse([]string{"--redis-url=redis://127.0.0.1:6379?addr=127.0.0.1:6380", "--redis-replicas=1"}); err != nil || c.replicas != 1 {
		t.Errorf("%d replicas, %v", c.replicas, err)
	}
}
