package check_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/check"
)

func TestEvent(t *testing.T) {
	t.Parallel()
	received := time.Date(2026, 5, 4, 3, 2, 1, 5000, time.UTC)
	duration := func(d time.Duration) *registry.Duration { r := registry.Duration(d); return &r }
	short := registry.Policy{Timestamps: &registry.Timestamps{MaxFuture: duration(0), MaxAge: duration(time.Minute)}}
	kept := registry.Policy{Retention: duration(time.Hour)}
	const none = event.Code("")
	for name, c := range map[string]struct {
		policy registry.Policy
		offset time.Duration // of the timestamp from its receipt
		code   event.Code
		says   string
	}{
		"now":                        {registry.Policy{}, 0, none, ""},
		"as old as may be":           {registry.Policy{}, -registry.DefaultMaxAge, none, ""},
		"a microsecond older":        {registry.Policy{}, -registry.DefaultMaxAge - time.Microsecond, event.CodeTooOld, "allows 168h0m0s"},
		"as far ahead as may be":     {registry.Policy{}, registry.DefaultMaxFuture, none, ""},
		"a microsecond further":      {registry.Policy{}, registry.DefaultMaxFuture + time.Microsecond, event.CodeInFuture, "allows 5m0s"},
		"own maxAge":                 {short, -time.Minute, none, ""},
		"beyond own maxAge":          {short, -time.Minute - time.Second, event.CodeTooOld, "1m1s before its receipt; the application allows 1m0s"},
		"no future at all":           {short, time.Microsecond, event.CodeInFuture, "allows 0s"},
		"older than it is kept":      {kept, -time.Hour - time.Second, event.CodeTooOld, "allows 1h0m0s"},
		"further than a Duration":    {registry.Policy{}, -290 * 8766 * time.Hour, event.CodeTooOld, "before its receipt"},
		"future beyond any Duration": {registry.Policy{}, 290 * 8766 * time.Hour, event.CodeInFuture, "after its receipt"},
	} {
		e := event.Event{Timestamp: received.Add(c.offset)}
		occurred, refusal := check.Event(&e, &c.policy, received)
		if !occurred.Equal(e.Timestamp) {
			t.Errorf("%s: occurred at %s", name, occurred)
		}
		if c.code == none {
			if refusal != nil {
				t.Errorf("%s: refused: %+v", name, refusal)
			}
			continue
		}
		if refusal == nil || refusal.Code != c.code || refusal.Pointer != "/timestamp" || !strings.Contains(refusal.Detail, c.says) {
			t.Errorf("%s: got %+v", name, refusal)
		}
	}
}

func TestEventAtTheEndsOfTime(t *testing.T) {
	t.Parallel()
	received := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	for text, want := range map[string]event.Code{
		"0001-01-01T00:00:01Z":        event.CodeTooOld,
		"9999-12-31T23:59:59.999999Z": event.CodeInFuture,
	} {
		at, err := event.ParseTimestamp(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, refusal := check.Event(&event.Event{Timestamp: at}, &registry.Policy{}, received); refusal == nil || refusal.Code != want {
			t.Errorf("%s: got %+v", text, refusal)
		}
	}
}

func TestEventWithoutTimestamp(t *testing.T) {
	t.Parallel()
	received := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	occurred, refusal := check.Event(&event.Event{}, &registry.Policy{}, received)
	if diff := cmp.Diff(received, occurred); diff != "" || refusal != nil {
		t.Errorf("refusal %+v, occurred (-want +got):\n%s", refusal, diff)
	}
}
