package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The short form of what runs for longer by hand: services with the race detector, and every violation fails. What it
// prints says how to replay a seed and where its files are.
func TestThreeSeedsLoseAndDuplicateNothing(t *testing.T) {
	if err := run(t.Context(), []string{"-race", "-seeds", "1-3", "-duration", "20s"}); err != nil {
		t.Fatal(err)
	}
}

// On a Redis Cluster, with what only that can do.
func TestAClusterLosesAndDuplicatesNothing(t *testing.T) {
	faults := "kill-master,move-slot,rename-consumer,kill-ingest,kill-at-before-commit"
	if err := run(t.Context(), []string{"-cluster", "-seeds", "1", "-duration", "20s", "-faults", faults}); err != nil {
		t.Fatal(err)
	}
}

func TestSeeds(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]uint64{
		"7": {7}, "1-3": {1, 2, 3}, "5,1-2": {5, 1, 2}, "": nil, "3-1": nil, "-1": nil, "a": nil, "1-": nil,
	} {
		got, err := parseSeeds(text)
		if (err != nil) != (want == nil) {
			t.Errorf("%q: %v", text, err)
		}
		if diff := cmp.Diff(want, got); want != nil && diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}

func TestWrongArgumentsAreRefused(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"-duration=1ms":   "-duration must be",
		"-ingest=1":       "must be at least 2",
		"-persistence=0":  "must be at least 2",
		"-clients=0":      "-clients must be",
		"-faults=flood":   `there is no fault "flood"`,
		"-seeds=x":        "neither a number nor a range",
		"seed":            `unexpected argument "seed"`,
		"-bugs=butterfly": `there is no bug "butterfly"`,
		"-failover=hope":  `there is no setting "hope"`,
		"-cluster=x":      "invalid boolean",
	} {
		if err := run(t.Context(), []string{args}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
}
