package persistence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/services/internal/postgres"
	"github.com/theeye-dev/theeye/services/internal/stream"
)

func TestEveryRecordEndsOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	early := time.Now().Add(-time.Hour)
	first := f.request(shop,
		at(item("x", "s1", `"data":{"a":1}`), early),
		item("x", "s1", `"data":{"a":1.0}`),   // a duplicate inside the batch
		item("x", "s1", `"data":{"a":2}`),     // a conflict inside the batch
		at(item("y", "s1", ""), early.Add(1)), // another event
		refused(`{"id":"z"}`, "field.missing"),
	)
	foreign := f.request(blog, item("x", "s1", `"data":{"a":3}`)) // an id is its application's
	f.same("first batch", Outcomes{Stored: 3, Duplicate: 1, Conflict: 1, Refused: 1}, f.insert(first, foreign))
	second := f.request(shop,
		item("x", "s1", `"data":{"a":1}`), // a duplicate across batches
		item("y", "s2", ""),               // a conflict across batches
		item("z", "s2", ""),               // the id of a refused event is free
	)
	second.Credential = "2"
	f.same("second batch", Outcomes{Stored: 1, Duplicate: 1, Conflict: 1}, f.insert(second))
	before := f.tables()
	f.same("redelivered", Outcomes{Redelivered: 9}, f.insert(first, foreign, second))
	f.same("redelivered in parts", Outcomes{Redelivered: 5}, f.insert(first))
	f.same("tables after redelivery", before, f.tables())
	third := f.request(shop, item("new", "s1", ""))
	f.same("twice in one batch", Outcomes{Stored: 1, Redelivered: 1}, f.insert(third, third))

	f.same("usage of shop", Outcomes{Stored: 4, Duplicate: 2, Conflict: 2, Refused: 1}, f.usage(shop))
	f.same("usage of blog", Outcomes{Stored: 1}, f.usage(blog))
	f.same("sessions", []string{"s1 3 true true", "s1 1 true true", "s2 1 true true"}, f.lines(`
		SELECT session_id, events,
		    first_at = (SELECT min(occurred_at) FROM persistence.events e WHERE e.session_id = s.session_id AND e.application = s.application),
		    last_at = (SELECT max(occurred_at) FROM persistence.events e WHERE e.session_id = s.session_id AND e.application = s.application)
		FROM persistence.sessions s ORDER BY session_id, application`))
	f.same("last use of credentials", []string{"true 1", "true 2"}, f.lines(`
		SELECT last_used_at = CASE credential WHEN '2' THEN $2::timestamptz ELSE $3 END, credential
		FROM persistence.credential_usage WHERE application = $1 ORDER BY credential`, shop, second.ReceivedAt, third.ReceivedAt))
	f.same("events", []string{
		`new {} 1`, `x {"a": 1} 1`, `y {} 1`, `z {} 2`,
	}, f.lines(`SELECT id, coalesce(data, '{}')::text, credential FROM persistence.events WHERE application = $1 ORDER BY id`, shop))
	f.same("failures", []string{
		"id.conflict persistence open x /id " + string(first.Items[2].Original),
		"field.missing ingest open z /data " + `{"id":"z"}`,
		"id.conflict persistence open y /id " + string(second.Items[1].Original),
	}, f.lines(`SELECT code, stage, state, event_id, pointers[1], convert_from(original, 'UTF8') FROM persistence.failures ORDER BY sequence`))
}

func TestIDsThatDifferOnlyForPeople(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := f.request(shop, item("a", "s", ""), item("A", "s", ""), item("a ", "s", ""), item("é", "s", ""), item("e\u0301", "s", ""))
	f.same("outcomes", Outcomes{Stored: 5}, f.insert(r))
}

// TestContentIsWhatTheClientSent: server defaults, sent_at and the form of the JSON are no content; the timestamp is.
func TestContentIsWhatTheClientSent(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	now := time.Now().UTC()
	stamp := `"timestamp":"` + now.Format(time.RFC3339Nano) + `"`
	f.insert(f.request(shop, item("x", "s", `"data":{"a":1,"b":"é"}`), at(item("t", "s", stamp), now)))
	f.same("again", Outcomes{Duplicate: 3}, f.insert(f.request(shop,
		item("x", "s", `"data" : { "b":"\u00e9", "a":1.00 }`),
		item("x", "s", `"sent_at":"2024-01-02T03:04:05Z","data":{"a":1,"b":"é"}`),
		at(item("t", "s", stamp), now.Add(time.Second)), // its time may be corrected differently
	)))
	f.same("other", Outcomes{Conflict: 5}, f.insert(f.request(shop,
		item("x", "s", ""), item("x", "s", `"data":{"a":1}`), item("x", "s2", `"data":{"a":1,"b":"é"}`),
		at(item("x", "s", `"data":{"a":1,"b":"é"},`+stamp), now), item("t", "s", ""),
	)))
}

// TestRedeliveryChangesNothing hands everything over that can travel on a stream, again and again.
func TestRedeliveryChangesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var items []event.Item
	for n := range 300 {
		switch n % 10 {
		case 3:
			items = append(items, refused(fmt.Sprintf(`{"n":%d}`, n), "field.missing"))
		case 5:
			items = append(items, item(fmt.Sprint(n-1), "other", "")) // a conflict
		case 7:
			items = append(items, item(fmt.Sprint(n-1), fmt.Sprint(n%4), "")) // a duplicate or a conflict
		default:
			items = append(items, item(fmt.Sprint(n), fmt.Sprint(n%4), ""))
		}
	}
	poison := item("", "s", "")
	poison.Original, poison.ID = []byte(`{"session_id":"s","category":"c","name":"n"}`), "a\x00b"
	items[42] = poison
	entries := []stream.Entry{
		f.entry(f.request(shop, items[:100]...), f.request(blog, items[100:150]...)),
		{Stream: event.StreamKey(1), ID: "1700000000001-0", Batch: []byte("\x0a\xffgarbage")},
		f.entry(f.request(shop, items[150:]...)),
		{Stream: event.StreamKey(1), ID: "1700000000002-0"},
	}
	f.storeEntries(entries...)
	before := f.tables()
	f.storeEntries(entries...)
	f.same("after the same once more", before, f.tables())
	f.storeEntries(entries[2])
	f.storeEntries(entries[1])
	f.storeEntries(entries[0], entries[3])
	f.same("after the same in another order", before, f.tables())
	if total := f.count("SELECT (SELECT count(*) FROM persistence.events) + (SELECT count(*) FROM persistence.duplicates) + (SELECT count(*) FROM persistence.failures)"); total != 302 {
		t.Errorf("%d of 300 records and 2 entries are accounted for", total)
	}
}

// TestConcurrentStores has replicas store the same ids at the same time, in other orders, as redeliveries and as repeats.
func TestConcurrentStores(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const replicas, rounds, ids = 4, 15, 40
	stores := make([]*Postgres, replicas)
	for i := range stores {
		stores[i] = f.replica(fmt.Sprint("replica-", i))
	}
	var mu sync.Mutex
	total := Outcomes{}
	for round := range rounds {
		var shared []event.Request
		for n := range ids {
			shared = append(shared, f.request(shop, item(fmt.Sprintf("%d.%d", round, n), fmt.Sprint("s", n%5), "")))
		}
		var wg sync.WaitGroup
		for i, store := range stores {
			random := rand.New(rand.NewPCG(uint64(round), uint64(i)))
			requests := append([]event.Request(nil), shared...) // redeliveries of one another
			for n := range ids / 2 {
				requests = append(requests, f.request(shop, item(fmt.Sprintf("%d.%d", round, n), fmt.Sprint("s", n%5), "")),
					f.request(shop, refused("{}", "field.missing")))
			}
			random.Shuffle(len(requests), func(a, b int) { requests[a], requests[b] = requests[b], requests[a] })
			batch := records(f.entry(requests...))
			wg.Go(func() {
				outcomes, err := store.Insert(t.Context(), batch)
				if err != nil {
					t.Errorf("round %d replica %d: %v", round, i, err)
				}
				mu.Lock()
				defer mu.Unlock()
				for o, n := range outcomes {
					total[o] += n
				}
			})
		}
		wg.Wait()
	}
	if deadlocks := f.count("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"); deadlocks > 0 {
		t.Errorf("%d deadlocks", deadlocks)
	}
	// A repeat may be stored before the shared request of its id. Then that one is the duplicate, once: the sums are the same.
	const stored = rounds * ids
	f.same("outcomes", Outcomes{
		Stored: stored, Duplicate: rounds * replicas * ids / 2, Refused: rounds * replicas * ids / 2, Redelivered: (replicas - 1) * stored,
	}, total)
	if n := f.count("SELECT count(*) FROM persistence.events"); n != stored {
		t.Errorf("%d events, want %d", n, stored)
	}
	if n := f.count("SELECT sum(events)::int FROM persistence.sessions"); n != stored {
		t.Errorf("sessions count %d events, want %d", n, stored)
	}
	delete(total, Redelivered)
	f.same("usage", total, f.usage(shop))
}

// TestPoisonIsFoundAlone hides events that PostgreSQL refuses among a hundred.
func TestPoisonIsFoundAlone(t *testing.T) {
	t.Parallel()
	for name, places := range map[string][]int{
		"first": {0}, "middle": {57}, "last": {99}, "neighbours": {41, 42}, "several": {0, 3, 50, 51, 98, 99},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			items := make([]event.Item, 100)
			for n := range items {
				items[n] = item(fmt.Sprintf("%03d", n), "s", "")
			}
			var originals []string
			for _, n := range places { // the door gives no such ids; it takes an entry that did not pass it
				items[n] = event.Item{Original: fmt.Appendf(nil, ` {"session_id":"s", "category":"c","name":"n","data":{"n":%d}}`, n), ID: fmt.Sprintf("%03d\x00", n)}
				originals = append(originals, string(items[n].Original))
			}
			f.storeEntries(f.entry(f.request(shop, items...)))
			f.same("usage", Outcomes{Stored: int64(100 - len(places)), Failed: int64(len(places))}, f.usage(shop))
			if n := f.count("SELECT count(*) FROM persistence.events"); n != 100-len(places) {
				t.Errorf("%d events are stored", n)
			}
			f.same("originals", originals, f.lines("SELECT convert_from(original, 'UTF8') FROM persistence.failures WHERE code = 'store.refused' AND stage = 'persistence' AND state = 'open' ORDER BY sequence"))
			for _, detail := range f.lines("SELECT detail FROM persistence.failures") {
				if !strings.Contains(detail, "22021") || strings.Contains(detail, "session_id") {
					t.Errorf("detail %q", detail)
				}
			}
		})
	}
}

// TestDataThatJSONBRefuses passes the checks before by writing records past them.
func TestDataThatJSONBRefuses(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	items := make([]event.Item, 100)
	for n := range items {
		items[n] = item(fmt.Sprintf("%03d", n), "s", `"data":{"a":"b"}`)
	}
	batch := records(f.entry(f.request(shop, items...)))
	batch[57].data = []byte(`{"a":"\u0000"}`)
	batch[58].data = []byte(`{"a":`)
	f.must(f.service.settle(t.Context(), batch))
	f.same("failures", []string{
		"057 store.refused PostgreSQL refused it: unsupported Unicode escape sequence (SQLSTATE 22P05)",
		"058 store.refused PostgreSQL refused it: invalid input syntax for type json (SQLSTATE 22P02)",
	}, f.lines("SELECT event_id, code, detail FROM persistence.failures ORDER BY sequence"))
	f.same("usage", Outcomes{Stored: 98, Failed: 2}, f.usage(shop))
}

// TestWhatCannotBeReadBack: accepted items that are no events, and entries that are no batches.
func TestWhatCannotBeReadBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	nul := `{"id":"nul","session_id":"s","category":"c","name":"n","data":{"a":"\u0000"}}`
	garbage := stream.Entry{Stream: event.StreamKey(0), ID: "1700000000123-4", Batch: []byte("\xffgarbage\x00")}
	foreign := stream.Entry{Stream: event.StreamKey(1), ID: "1700000000123-5"}
	f.storeEntries(
		f.entry(f.request(shop, item("a", "s", ""), event.Item{Original: []byte(nul)}, event.Item{Original: []byte(`{"id":"x"`)}, event.Item{Original: []byte(`{"id":"y"}`)}, item("b", "s", ""))),
		garbage, foreign,
		f.entry(f.request(shop, item("c", "s", ""), item("d", "s", `"of_a_newer_release":1`))),
	)
	f.same("events", []string{"a", "b", "c", "d"}, f.lines("SELECT id FROM persistence.events ORDER BY id"))
	f.same("failures", []string{
		fmt.Sprint(garbage.Batch, " ", "2023-11-14"), fmt.Sprint([]byte(""), " ", "2023-11-14"),
	}, sorted(f.lines("SELECT original, to_char(received_at, 'YYYY-MM-DD') FROM persistence.failures WHERE application IS NULL AND code = 'store.undecodable'")))
	f.same("failures of shop", []string{nul, `{"id":"x"`, `{"id":"y"}`},
		f.lines("SELECT convert_from(original, 'UTF8') FROM persistence.failures WHERE application = $1 AND code = 'store.undecodable' AND stage = 'persistence' ORDER BY sequence", shop))
	f.same("usage", Outcomes{Stored: 4, Failed: 3}, f.usage(shop))
}

// TestRefusalsOfAnyBytesAreKept: nothing in a Failure may keep it from being stored.
func TestRefusalsOfAnyBytesAreKept(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	original := []byte("{\"a\":\"\xff\x00\xfe\"}")
	odd := event.Item{Original: original, ID: "i\x00\xff", Truncated: true, Refusal: &event.Refusal{
		Code: "co\x00de\xff", Detail: "de\x00tail\xff", Pointer: "/poin\x00ter\xff",
	}}
	r := f.request(shop, odd, refused("", "field.missing"))
	r.Credential, r.TraceID = "cre\x00dential\xff", [16]byte{1, 2, 3}
	f.storeEntries(f.entry(r))
	f.same("failures", []string{
		fmt.Sprint(original, " true co\uFFFDde\uFFFD de\uFFFDtail\uFFFD /poin\uFFFDter\uFFFD i\uFFFD\uFFFD cre\uFFFDdential\uFFFD 01020300-0000-0000-0000-000000000000"),
		fmt.Sprint([]byte{}, " false field.missing why /data  cre\uFFFDdential\uFFFD 01020300-0000-0000-0000-000000000000"),
	}, f.lines("SELECT original, truncated, code, detail, pointers[1], event_id, credential, trace_id::text FROM persistence.failures ORDER BY sequence"))
	f.same("usage", Outcomes{Refused: 2}, f.usage(shop))
}

// failing is a store that refuses every record, as nothing real does.
type failing struct{ calls int }

func (s *failing) Insert(context.Context, []*record) (Outcomes, error) {
	s.calls++
	return nil, errors.New("connection refused")
}

func TestOutageIsNobodysFault(t *testing.T) {
	t.Parallel()
	pool, err := postgres.Open(t.Context(), postgres.Options{URL: "postgres://theeye:secret@127.0.0.1:1/theeye?sslmode=disable", MaxConns: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	f := &fixture{TB: t, sequencer: event.NewSequencer(time.Now)}
	entry := f.entry(f.request(shop, item("a", "s", ""), item("b", "s", "")))
	err = serviceOn(t, NewPostgres(pool, "first", slog.New(slog.DiscardHandler))).Store(t.Context(), []stream.Entry{entry})
	if err == nil || postgres.IsDataError(err) || strings.Contains(err.Error(), "secret") {
		t.Errorf("without a server: %v", err)
	}
	counting := &failing{}
	if err := serviceOn(t, counting).Store(t.Context(), []stream.Entry{entry}); err == nil || counting.calls != 1 {
		t.Errorf("%d attempts, error %v: an outage is not looked for in the events", counting.calls, err)
	}
}

// TestTransactionsAreBounded: a large delivery is written in several.
func TestTransactionsAreBounded(t *testing.T) {
	t.Parallel()
	f := &fixture{TB: t, sequencer: event.NewSequencer(time.Now)}
	sizes := sizing{}
	many := make([]event.Item, 2*maxRecords+1)
	for n := range many {
		many[n] = item(fmt.Sprint(n), "s", "")
	}
	large := make([]event.Item, 5)
	for n := range large {
		large[n] = item(fmt.Sprint(n), "s", `"data":{"a":"`+strings.Repeat("x", maxBytes/2)+`"}`)
	}
	f.must(serviceOn(t, &sizes).Store(t.Context(), []stream.Entry{f.entry(f.request(shop, many...)), f.entry(f.request(shop, large...))}))
	f.same("sizes", sizing{maxRecords, maxRecords, 2, 1, 1, 1, 1}, sizes)
}

// sizing notes how many records come at once.
type sizing []int

func (s *sizing) Insert(_ context.Context, batch []*record) (Outcomes, error) {
	*s = append(*s, len(batch))
	return Outcomes{}, nil
}
