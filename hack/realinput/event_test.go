package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/api/event"
)

const index = `[{"name":"push","description":"d","examples":[{"ref":"<a>","repository":{"full_name":"o/r"}}, {"n": 1.0}]},
	{"name":"issues","examples":[{"action":"opened","repository":{"full_name":"o/r"}}]}]`

func TestPayloadsBecomeEvents(t *testing.T) {
	t.Parallel()
	payloads, err := readIndex("api", []byte(index))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	events, err := newEvents("run", payloads, at)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range events {
		got = append(got, fmt.Sprint(e.ID, " ", e.SessionID, " ", e.Category, " ", e.Name, " ", e.Timestamp[17:]))
	}
	want := []string{
		"run/api/push/0 o/r push none 00.000000Z", "run/api/push/1 none push none 00.001000Z",
		"run/api/issues/0 o/r issues opened 00.002000Z",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q, want %q", got, want)
	}
	text, err := encode(events[1])
	if err != nil || !strings.Contains(string(text), `"data":{"n": 1.0}`) {
		t.Errorf("data lost its form: %s, %v", text, err)
	}
}

func TestBodiesKeepTheLimits(t *testing.T) {
	t.Parallel()
	large := json.RawMessage(`{"text":"` + strings.Repeat("x", 900<<10) + `"}`)
	events := make([]sent, 10)
	for i := range events {
		events[i] = sent{ID: fmt.Sprint(i), Data: large}
	}
	for size, want := range map[int]int{1: 10, 3: 4, 100: 3} {
		bodies, err := bodiesOf(events, size)
		if err != nil || len(bodies) != want {
			t.Errorf("%d bodies of up to %d events, want %d; %v", len(bodies), size, want, err)
		}
		total := 0
		for _, b := range bodies {
			total += b.events
			if len(b.text) > event.MaxRequestBytes || !json.Valid(b.text) || (b.text[0] == '[') != (size > 1) {
				t.Errorf("a body of %d bytes and %d events", len(b.text), b.events)
			}
		}
		if total != len(events) {
			t.Errorf("%d events packed", total)
		}
	}
}
