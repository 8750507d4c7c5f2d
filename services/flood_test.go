package services_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/hack/bench/flood/attack"
	"github.com/theeye-dev/theeye/hack/bench/proc"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// containerMemory is what the chart gives a pod of ingest.
const containerMemory = 256 << 20

// TestFlood is the short form of make bench-flood: while hostile clients do what they can, the memory of ingest stays
// below its container's, what a good one posts is stored once, and of theirs nothing. Times are for the long form.
func TestFlood(t *testing.T) {
	s := newSystem(t, "")
	door := testenv.Start(t, testenv.Options{Name: "ingest", Plain: true, Env: []string{
		"THEEYE_REDIS_URL=" + s.redis.URL(), "THEEYE_REQUEST_MEMORY=64", "THEEYE_MAX_CONNECTIONS=300",
	}})
	s.ingest.Stop()
	s.ingest = door
	good, hostile := s.register("good", registry.Policy{}), s.register("hostile", attack.Policy())
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	unanswered := map[string]bool{}
	for _, kind := range []string{
		"bad JSON", "gzip bombs", "zstd bombs", "10 MB bodies", "4 MB of short values", "binary CloudEvents", "deep nesting",
		"costly checks", "wrong keys",
	} {
		unanswered[kind] = true
	}
	answered := make(chan struct{}) // of each kind one
	told := func(kind, outcome string) {
		if outcome != "unfinished" && outcome != "broken" && unanswered[kind] {
			if delete(unanswered, kind); len(unanswered) == 0 {
				close(answered)
			}
		}
	}
	flooded := make(chan attack.Tally, 1)
	go func() {
		flooded <- attack.Run(ctx, attack.Plan{
			Address: strings.TrimPrefix(door.URL, "http://"), Key: hostile.key, Seed: 5, PerSecond: 5, Idle: 1000, Slow: 50, Told: told,
		})
	}()
	events := 0
	for enough := false; !enough || events < 100; events++ {
		body := fmt.Sprintf(`{"id":"good-%d","session_id":"s","category":"c","name":"n","data":{"n":%d}}`, events, events)
		if _, err := s.insist(t.Context(), good, body); err != nil {
			t.Fatal(err)
		}
		select {
		case <-answered:
			enough = true
		default:
		}
	}
	stop()
	tally := <-flooded
	t.Log(tally)
	for kind, outcomes := range tally {
		for outcome, n := range outcomes {
			if outcome == "202" || strings.HasPrefix(outcome, "5") && outcome != "503" {
				t.Errorf("%s: %d answered %s", kind, n, outcome)
			}
		}
	}
	if closed := tally["idle connections"]["closed by the door, or not taken"]; closed < 500 {
		t.Errorf("of 1,000 idle connections %d were closed", closed)
	}
	peak, err := proc.Memory(door.PID(), "VmHWM")
	if err != nil || peak > containerMemory {
		t.Errorf("ingest had %d MiB, %v", peak>>20, err)
	}
	t.Logf("ingest had %d MiB at most", peak>>20)
	s.awaitEvents(good, url.Values{}, events)
	if found, err := s.events(hostile, url.Values{}); err != nil || len(found) > 0 {
		t.Errorf("of the flood %d events were stored, %v", len(found), err)
	}
}
