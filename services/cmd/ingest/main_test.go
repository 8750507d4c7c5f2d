package main

import (
	"strings"
	"testing"
)

func TestWrongFlagsAreRefused(t *testing.T) {
	t.Parallel()
	for flag, want := range map[string]string{
		"--redis-replicas=-1": "--redis-replicas must be between 0 and 5",
		"--redis-replicas=6":  "--redis-replicas must be between 0 and 5",
		"--redis-replicas=5":  "",
	} {
		_, err := parse([]string{"--redis-url=redis://127.0.0.1:1", flag})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", flag, err, want)
		}
	}
}
