package main

import (
	"encoding/json"
	"testing"
	"time"
)

func TestEventsHaveTheirSize(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	bodies, err := newBodies(1, now)
	if err != nil {
		t.Fatal(err)
	}
	if len(bodies) != poolEvents {
		t.Errorf("%d bodies", len(bodies))
	}
	seen := map[string]bool{}
	for _, body := range bodies {
		var e wireEvent
		if err := json.Unmarshal(body, &e); err != nil || len(body) != eventBytes {
			t.Fatalf("%d bytes, %v: %s", len(body), err, body)
		}
		at, err := time.Parse(time.RFC3339Nano, e.Timestamp)
		if err != nil || at.After(now) || now.Sub(at) > time.Minute {
			t.Fatalf("timestamp %s, %v", e.Timestamp, err)
		}
		seen[e.SessionID] = true
	}
	if len(seen) < sessions*9/10 {
		t.Errorf("only %d sessions", len(seen))
	}
}

func TestBatchesAreArrays(t *testing.T) {
	t.Parallel()
	bodies, err := newBodies(100, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range bodies {
		var events []wireEvent
		if err := json.Unmarshal(body, &events); err != nil || len(events) != 100 {
			t.Fatalf("%d events, %v", len(events), err)
		}
	}
}
