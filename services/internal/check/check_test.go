package check_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/check"
)

// judge begins a request by a policy.
func judge(policy *registry.Policy) *check.Judge {
	var j check.Judge
	j.Begin(check.Of(policy, nil), nil, nil)
	return &j
}

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
		j := judge(&c.policy)
		occurred, refusal := j.Event(&e, received, received)
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
	j := judge(&registry.Policy{})
	for text, want := range map[string]event.Code{
		"0001-01-01T00:00:01Z":        event.CodeTooOld,
		"9999-12-31T23:59:59.999999Z": event.CodeInFuture,
	} {
		at, err := event.ParseTimestamp(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, refusal := j.Event(&event.Event{Timestamp: at}, received, received); refusal == nil || refusal.Code != want {
			t.Errorf("%s: got %+v", text, refusal)
		}
	}
}

func TestEventWithoutTimestamp(t *testing.T) {
	t.Parallel()
	received := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	j := judge(&registry.Policy{})
	occurred, refusal := j.Event(&event.Event{}, received, received)
	if diff := cmp.Diff(received, occurred); diff != "" || refusal != nil {
		t.Errorf("refusal %+v, occurred (-want +got):\n%s", refusal, diff)
	}
}

func TestSchemaUnavailable(t *testing.T) {
	t.Parallel()
	received := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	j := judge(&registry.Policy{EventTypes: []registry.EventType{
		{Category: "page", Name: "view", Schema: registry.Schema(`{}`)},
		{Category: "page", Name: "leave", SchemaUnavailable: true},
		{Category: "cart", Name: "view", SchemaUnavailable: true},
	}})
	for name, tt := range map[string]struct {
		event event.Event
		code  event.Code
	}{
		"of a good schema":       {event.Event{Category: "page", Name: "view"}, ""},
		"of an unavailable one":  {event.Event{Category: "page", Name: "leave"}, event.CodeSchemaUnavailable},
		"of the other":           {event.Event{Category: "cart", Name: "view"}, event.CodeSchemaUnavailable},
		"of an undeclared type":  {event.Event{Category: "cart", Name: "leave"}, ""},
		"of names run together":  {event.Event{Category: "page leave", Name: ""}, ""},
		"too old in the bargain": {event.Event{Category: "page", Name: "leave", Timestamp: received.AddDate(-1, 0, 0)}, event.CodeTooOld},
		"with a timestamp":       {event.Event{Category: "page", Name: "leave", Timestamp: received.Add(-time.Hour)}, event.CodeSchemaUnavailable},
	} {
		occurred, refusal := j.Event(&tt.event, received, received)
		switch {
		case tt.code == "" && refusal != nil, tt.code != "" && (refusal == nil || refusal.Code != tt.code):
			t.Errorf("%s: refusal is %+v, want %q", name, refusal, tt.code)
		case tt.code == event.CodeSchemaUnavailable && (!strings.Contains(refusal.Detail, tt.event.Type()) || !strings.Contains(refusal.Detail, "no earlier one was good")):
			t.Errorf("%s: %s", name, refusal.Detail)
		}
		if want := tt.event.Timestamp; !want.IsZero() && !occurred.Equal(want) || want.IsZero() && !occurred.Equal(received) {
			t.Errorf("%s: occurred at %s", name, occurred)
		}
	}
}

func TestUnknownTypes(t *testing.T) {
	t.Parallel()
	received := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	declared := []registry.EventType{
		{Category: "page", Name: "view", Schema: registry.Schema(`{}`)},
		{Category: "page", Name: "leave"},
		{Category: "cart", Name: "view", SchemaUnavailable: true},
	}
	const none = event.Code("")
	for name, tt := range map[string]struct {
		policy         registry.Policy
		category, name string
		code           event.Code
	}{
		"accepted by default":          {registry.Policy{EventTypes: declared}, "page", "click", none},
		"accepted":                     {registry.Policy{EventTypes: declared, UnknownEvents: registry.AcceptUnknown}, "page", "click", none},
		"undeclared":                   {registry.Policy{EventTypes: declared, UnknownEvents: registry.RejectUnknown}, "page", "click", event.CodeTypeUnknown},
		"of another case":              {registry.Policy{EventTypes: declared, UnknownEvents: registry.RejectUnknown}, "Page", "view", event.CodeTypeUnknown},
		"of names run together":        {registry.Policy{EventTypes: declared, UnknownEvents: registry.RejectUnknown}, "page view", "", event.CodeTypeUnknown},
		"declared":                     {registry.Policy{EventTypes: declared, UnknownEvents: registry.RejectUnknown}, "page", "view", none},
		"declared without a schema":    {registry.Policy{EventTypes: declared, UnknownEvents: registry.RejectUnknown}, "page", "leave", none},
		"declared with a faulty one":   {registry.Policy{EventTypes: declared, UnknownEvents: registry.RejectUnknown}, "cart", "view", event.CodeSchemaUnavailable},
		"where no type is declared":    {registry.Policy{UnknownEvents: registry.RejectUnknown}, "page", "view", event.CodeTypeUnknown},
		"where none is, and none need": {registry.Policy{UnknownEvents: registry.AcceptUnknown}, "page", "view", none},
	} {
		e := event.Event{Category: tt.category, Name: tt.name}
		_, refusal := judge(&tt.policy).Event(&e, received, received)
		switch {
		case tt.code == none && refusal != nil, tt.code != none && (refusal == nil || refusal.Code != tt.code):
			t.Errorf("%s: refusal is %+v, want %q", name, refusal, tt.code)
		case tt.code == event.CodeTypeUnknown && !strings.Contains(refusal.Detail, e.Type()):
			t.Errorf("%s: %s", name, refusal.Detail)
		}
	}
}

// BenchmarkEvent judges a request of one event, by policies with as many types as there may be.
func BenchmarkEvent(b *testing.B) {
	received := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	e := event.Event{Category: "page interaction", Name: "pageview", Timestamp: received}
	types := func(unavailable int) registry.Policy {
		var p registry.Policy
		for i := range registry.MaxEventTypes {
			p.EventTypes = append(p.EventTypes, registry.EventType{
				Category: "page interaction", Name: fmt.Sprintf("type %03d", i), SchemaUnavailable: i < unavailable,
				Schema: registry.Schema(view),
			})
		}
		return p
	}
	for name, policy := range map[string]registry.Policy{
		"no types": {}, "128 types": types(0), "1 unavailable": types(1), "128 unavailable": types(registry.MaxEventTypes),
	} {
		for _, size := range []int{1, 100} {
			b.Run(fmt.Sprintf("%s/batch=%d", name, size), func(b *testing.B) {
				b.ReportAllocs()
				j := judge(&policy)
				for b.Loop() {
					for range size {
						if _, refusal := j.Event(&e, received, received); refusal != nil {
							b.Fatal(refusal)
						}
					}
				}
			})
		}
	}
}
