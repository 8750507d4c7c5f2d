package ingest_test

import (
	"bytes"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/registry"
)

var update = flag.Bool("update", false, "write the golden files")

// TestAppendedIsWhatWasSent reads back from the streams what one request was.
func TestAppendedIsWhatWasSent(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	a := d.register(nextUID(), registry.Policy{})
	sent := []string{
		`{ "id":"own", "session_id":"s","category":"c","name":"n" , "data":{"n":1.10,"t":"<é>\u00e9"}}`,
		`{"session_id":"s","category":"c","name":"n","timestamp":"` + time.Now().UTC().Add(-time.Hour).Format("2006-01-02 15:04:05.000123") + `"}`,
		`{"id":"bad","session_id":"s","category":"c","name":"n","data":{"a":"\u0000"}}`,
		"{\"session_id\":\"s\",\"category\":\"c\",\"name\":\"n\xff\"}",
		`17`,
	}
	before := time.Now().UTC().Truncate(time.Microsecond)
	got := d.post(a, "[ "+strings.Join(sent, "\n , ")+"]")
	if got.status != http.StatusAccepted || got.Accepted != 2 || got.Rejected != 3 {
		t.Fatalf("answered %s", got.body)
	}
	requests := d.appended(a.UID)
	if len(requests) != 1 {
		t.Fatalf("%d requests were appended", len(requests))
	}
	r := requests[0]
	if r.Application != a.UID || r.Credential != "1" || r.TraceID != [16]byte{} || r.ReceivedAt.Before(before) || r.ReceivedAt.After(time.Now()) {
		t.Errorf("request %+v", r)
	}
	if drift := sequenceTime(r.Sequence).Sub(r.ReceivedAt).Abs(); drift > time.Millisecond {
		t.Errorf("sequence %s is of %s, received at %s", r.Sequence, sequenceTime(r.Sequence), r.ReceivedAt)
	}
	nul := &event.Refusal{Code: "json.nul", Detail: got.Events[2].Detail, Pointer: "/data/a"}
	utf := &event.Refusal{Code: "json.utf8", Detail: got.Events[3].Detail, Pointer: "/name"}
	object := &event.Refusal{Code: "event.not_object", Detail: got.Events[4].Detail}
	stamp, err := event.ParseTimestamp(sent[1][strings.Index(sent[1], "timestamp")+12 : len(sent[1])-2])
	d.must(err)
	want := []event.Item{
		{Original: []byte(sent[0]), OccurredAt: r.ReceivedAt},
		{Original: []byte(sent[1]), OccurredAt: stamp}, // its id is its sequence
		{Original: []byte(sent[2]), Refusal: nul},
		{Original: []byte(sent[3]), Refusal: utf},
		{Original: []byte(sent[4]), Refusal: object, ID: event.Nth(r.Sequence, 4).String()},
	}
	if diff := cmp.Diff(want, r.Items); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
	var ids []string
	for _, v := range got.Events {
		ids = append(ids, v.ID)
	}
	if diff := cmp.Diff([]string{"own", event.Nth(r.Sequence, 1).String(), "", "", want[4].ID}, ids); diff != "" {
		t.Errorf("ids of the verdicts (-want +got):\n%s", diff)
	}
}

// sequenceTime is the time in a UUIDv7, in milliseconds.
func sequenceTime(q event.Sequence) time.Time { return time.Unix(q.Time().UnixTime()).UTC() }

func TestSequencesGrow(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	a := d.register(nextUID(), registry.Policy{})
	for n := range 20 {
		d.post(a, "["+with(fmt.Sprintf(`"id":"%d"`, 2*n))+","+with(fmt.Sprintf(`"id":"%d"`, 2*n+1))+"]")
	}
	seen := map[event.Sequence]bool{}
	for n, r := range d.appended(a.UID) { // sorted by sequence
		for i, item := range r.Items {
			if !strings.Contains(string(item.Original), fmt.Sprintf(`"id":"%d"`, 2*n+i)) {
				t.Fatalf("place %d has %s", 2*n+i, item.Original)
			}
			seen[event.Nth(r.Sequence, i)] = true
		}
	}
	if len(seen) != 40 {
		t.Errorf("%d different sequences of 40 events", len(seen))
	}
}

// TestOnlyTooLargeEventsAreCut: what is refused for its size is kept in part, everything else whole.
func TestOnlyTooLargeEventsAreCut(t *testing.T) {
	t.Parallel()
	const kept = 64 << 10
	d := newDoor(t)
	for name, text := range map[string]string{
		"plain":      strings.Repeat("x", kept),
		"long runes": strings.Repeat("😀", kept/4),
		"no UTF-8":   strings.Repeat("\xff", kept),
	} {
		t.Run(name, func(t *testing.T) {
			body := with(`"colour":"` + text + `"`)
			a := d.register(nextUID(), registry.Policy{Limits: &registry.Limits{MaxEventBytes: 1000}})
			if got := d.post(a, body); got.status != http.StatusRequestEntityTooLarge {
				t.Fatalf("answered %d %s", got.status, got.body)
			}
			item := d.appended(a.UID)[0].Items[0]
			if !item.Truncated || len(item.Original) > kept || len(item.Original) < kept-3 || !strings.HasPrefix(body, string(item.Original)) {
				t.Errorf("%d bytes are kept, truncated is %v", len(item.Original), item.Truncated)
			}
			if utf8.ValidString(body) != utf8.Valid(item.Original) {
				t.Errorf("a rune was cut: %q", item.Original[len(item.Original)-8:])
			}
			b := d.register(nextUID(), registry.Policy{})
			if got := d.post(b, body); got.status != http.StatusUnprocessableEntity {
				t.Fatalf("answered %d %s", got.status, got.body)
			}
			if item := d.appended(b.UID)[0].Items[0]; item.Truncated || string(item.Original) != body {
				t.Errorf("of an event within its limit %d of %d bytes are kept", len(item.Original), len(body))
			}
		})
	}
	a := d.register(nextUID(), registry.Policy{Limits: &registry.Limits{MaxEventBytes: 1000}})
	d.post(a, with(`"colour":"`+strings.Repeat("x", kept-len(with(`"colour":""`)))+`"`))
	if item := d.appended(a.UID)[0].Items[0]; item.Truncated || len(item.Original) != kept {
		t.Errorf("of an event of 64 KiB %d bytes are kept, truncated is %v", len(item.Original), item.Truncated)
	}
}

func TestIdempotencyKeyGivesStableIDs(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	a, b := d.register(nextUID(), registry.Policy{}), d.register(nextUID(), registry.Policy{})
	body := "[" + good + "," + with(`"id":"own"`) + "," + good + "]"
	ids := func(a application, key string) (ids []string) {
		t.Helper()
		header := []string{"Idempotency-Key", key}
		if key == "" {
			header = nil
		}
		got := d.post(a, body, header...)
		if got.status != http.StatusAccepted || got.Accepted != 3 {
			t.Fatalf("answered %d %s", got.status, got.body)
		}
		for _, v := range got.Events {
			ids = append(ids, v.ID)
		}
		return ids
	}
	first := ids(a, "k1")
	if diff := cmp.Diff(first, ids(a, "k1")); diff != "" {
		t.Errorf("the same key gave other ids:\n%s", diff)
	}
	for i, want := range []string{
		uuid.NewSHA1(a.UID, []byte("k1\x000")).String(), "own", uuid.NewSHA1(a.UID, []byte("k1\x002")).String(),
	} {
		if first[i] != want {
			t.Errorf("id %d is %s, want %s: a client that repeats over an upgrade must get the same", i, first[i], want)
		}
	}
	for name, other := range map[string][]string{"another key": ids(a, "k2"), "another application": ids(b, "k1"), "no key": ids(a, "")} {
		if other[0] == first[0] || other[2] == first[2] || other[1] != "own" {
			t.Errorf("%s: %v beside %v", name, other, first)
		}
	}
	if again := ids(a, ""); again[0] == ids(a, "")[0] {
		t.Error("without a key an id came again")
	}
	for i, r := range d.appended(a.UID)[:2] {
		if r.Items[0].ID != first[0] || r.Items[1].ID != "" || r.Items[2].ID != first[2] {
			t.Errorf("request %d: items %+v", i, r.Items)
		}
	}
}

// TestGolden compares whole answers, byte by byte.
func TestGolden(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	a := d.register(uuid.MustParse("6f0f8f9e-3a5c-4a53-9d2b-1f8b6f0f8f9e"), registry.Policy{Limits: &registry.Limits{MaxEventBytes: 200}})
	suspended := d.register(nextUID(), registry.Policy{Suspended: true})
	own := func(id string) string { return with(`"id":"` + id + `"`) }
	for name, c := range map[string]struct {
		body   string
		key    string
		header []string
	}{
		"accepted":      {body: own("a")},
		"mixed":         {body: "[" + own(`<\"é\\😀>`) + "," + unknown + "," + own("b") + "," + padded(201) + "," + good + "]", header: []string{"Idempotency-Key", "golden"}},
		"strict":        {body: "[" + own("a") + "," + with(`"id":"b","a/b":1`) + "]", header: []string{"Prefer", "handling=strict"}},
		"rejected":      {body: "[" + with(`"id":"a","data":[]`) + ",null]", header: []string{"Idempotency-Key", "golden"}},
		"large":         {body: padded(201)},
		"malformed":     {body: "[" + good + ",\n{]"},
		"media":         {body: good, header: []string{"Content-Type", "text/csv"}},
		"unauthorized":  {body: good, key: "eye_wrong"},
		"suspended":     {body: good, key: suspended.key},
		"no_idempotent": {body: good, header: []string{"Idempotency-Key", strings.Repeat("k", 256)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := &door{T: t, client: d.client, url: d.url}
			key := a.key
			if c.key != "" {
				key = c.key
			}
			got := d.send(http.MethodPost, "/v1/events", strings.NewReader(c.body), append([]string{"Authorization", "Bearer " + key}, c.header...)...)
			var whole bytes.Buffer
			fmt.Fprintf(&whole, "%d\n", got.status)
			var names []string
			for name := range got.header {
				if name != "Date" && name != "Content-Length" {
					names = append(names, name)
				}
			}
			slices.Sort(names)
			for _, name := range names {
				for _, value := range got.header[name] {
					fmt.Fprintf(&whole, "%s: %s\n", name, value)
				}
			}
			fmt.Fprintf(&whole, "\n%s", got.body)
			golden(t, name, whole.Bytes())
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got); -update writes it:\n%s", path, diff)
	}
}
