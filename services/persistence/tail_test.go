package persistence

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/event"
)

// TestTailTellsWhatReadsShow: each outcome, with the event or the failure in the very form of the other routes.
func TestTailTellsWhatReadsShow(t *testing.T) {
	t.Parallel()
	a := newAudience(t)
	s := a.stream(a.url, adminToken, "", "")
	request := a.request(shop, item("a", "s", `"data":{"x":"<&>"},"timestamp":"2026-01-01T00:00:00Z"`), item("b", "s", ""),
		item("b", "s", ""), item("a", "t", ""), refused("{ }", "field.missing"), event.Item{Original: []byte(`{"id":"x"`)},
		event.Item{Original: []byte("\xff{"), Refusal: &event.Refusal{Code: "json.utf8", Detail: "why"}})
	a.insert(request)
	told := map[string][]Told{}
	for range len(request.Items) {
		e, ok := s.next()
		var one Told
		a.must(json.Unmarshal([]byte(e.data), &one))
		if !ok || e.kind != string(one.Outcome) {
			t.Fatalf("told %+v", e)
		}
		told[e.kind] = append(told[e.kind], one)
	}
	var events EventPage
	a.get(uuid.Nil, "/v1/events", &events)
	for i := range events.Events {
		if e := &events.Events[i]; e.StoredAt == "" {
			t.Errorf("%s was stored at no time", e.ID)
		} else {
			e.StoredAt = "" // PostgreSQL's clock, which nobody asks when it is told
		}
	}
	var shown []Event
	for _, one := range told["stored"] {
		shown = append(shown, *one.Event)
	}
	unordered := []cmp.Option{
		cmpopts.SortSlices(func(a, b Event) bool { return a.ID < b.ID }), cmpopts.IgnoreUnexported(Event{}, Failure{}),
		cmpopts.SortSlices(func(a, b Failure) bool { return a.ID.String() < b.ID.String() }), cmp.Transformer("json", func(m json.RawMessage) any {
			var v any
			_ = json.Unmarshal(m, &v)
			return v
		}),
	}
	if diff := cmp.Diff(events.Events, shown, unordered...); diff != "" {
		t.Errorf("stored (-read +told): %s", diff)
	}
	var failures FailurePage
	a.get(uuid.Nil, "/v1/failures", &failures)
	var failed []Failure
	for _, kind := range []string{"conflict", "failed", "refused"} {
		for _, one := range told[kind] {
			failed = append(failed, *one.Failure)
		}
	}
	if diff := cmp.Diff(failures.Failures, failed, unordered...); diff != "" {
		t.Errorf("failures (-read +told): %s", diff)
	}
	if len(told["duplicate"]) != 1 || told["duplicate"][0].Event.ID != "b" || len(told["conflict"]) != 1 || len(told["failed"]) != 1 || len(told["refused"]) != 2 {
		t.Errorf("told %v", told)
	}
}

// TestTailOmitsWhatIsLarge, and says so.
func TestTailOmitsWhatIsLarge(t *testing.T) {
	t.Parallel()
	a := newAudience(t)
	s := a.stream(a.url, adminToken, "", "")
	large := `"data":{"x":"` + strings.Repeat("x", tailText) + `"}`
	a.insert(a.request(shop, item("a", "s", large)), a.request(shop, item("a", "t", large)))
	for range 2 {
		e, _ := s.next()
		var one Told
		a.must(json.Unmarshal([]byte(e.data), &one))
		if !one.Omitted || len(e.data) > 1000 {
			t.Errorf("told %d bytes: %.300s", len(e.data), e.data)
		}
	}
}

// TestTailOfManyReplicas: two that store, two that serve, and a listener that goes from one to the other and misses nothing.
func TestTailOfManyReplicas(t *testing.T) {
	t.Parallel()
	a := newAudience(t)
	second := a.replica("second")
	a.announce(second, "second")
	other := a.another()
	all := a.stream(other.url, adminToken, "", "")
	var stores sync.WaitGroup
	const batches = 40
	for i, store := range []*Postgres{a.store, second} {
		var requests [][]*record
		for n := range batches {
			requests = append(requests, records(a.entry(a.request(shop, item(fmt.Sprint(i, ".", n), "s", "")))))
		}
		stores.Go(func() {
			for _, batch := range requests {
				if _, err := store.Insert(t.Context(), batch); err != nil {
					t.Error(err)
				}
			}
		})
	}
	var came []string
	base := []string{a.url, other.url}
	first, _ := all.next()
	place := first.id
	var one Told
	a.must(json.Unmarshal([]byte(first.data), &one))
	came = append(came, one.Event.ID)
	for n := 0; len(came) < 2*batches; n++ {
		s := a.stream(base[n%2], adminToken, "", place)
		for _, line := range s.told(min(7, 2*batches-len(came))) {
			came = append(came, strings.TrimPrefix(line, "stored "))
		}
		place = s.last
	}
	stores.Wait()
	var want []string
	for i := range 2 {
		for n := range batches {
			want = append(want, fmt.Sprint(i, ".", n))
		}
	}
	a.same("what came", sorted(want), sorted(came))
	rest := all.told(2*batches - 1)
	a.same("what came to one that stayed", len(came)-1, len(slices.Compact(sorted(rest))))
}

// TestTailTellsAgainWhatIsDeliveredAgain, for a replica may have died between its commit and its word.
func TestTailTellsAgainWhatIsDeliveredAgain(t *testing.T) {
	t.Parallel()
	a := newAudience(t)
	announce := a.store.Announce
	a.store.Announce = nil // it dies
	request := a.request(shop, item("a", "s", ""), item("a", "s", ""), item("a", "t", ""), refused("{}", "field.missing"))
	a.insert(request)
	a.store.Announce = announce
	s := a.stream(a.url, adminToken, "", "")
	a.same("delivered again", Outcomes{Redelivered: 4}, a.insert(request))
	a.same("told", []string{"conflict a", "duplicate a", "refused ", "stored a"}, sorted(prefixes(s.told(4))))
	a.erase(shop)
	a.insert(request)
	a.later()
	a.mark(shop, "after")
	a.same("told of what is erased", []string{"stored after"}, s.told(1))
}

// prefixes cuts made ids off: those of refused events are sequences.
func prefixes(told []string) []string {
	for i, line := range told {
		if kind, id, _ := strings.Cut(line, " "); len(id) > 30 {
			told[i] = kind + " "
		}
	}
	return told
}

// TestTailThatCannotBeWritten fails nothing, and tells afterwards how much is missing.
func TestTailThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	a := newAudience(t)
	a.mark(shop, "before")
	admin, own := a.stream(a.url, adminToken, "", ""), a.stream(a.url, a.keys[shop], "", "")
	a.must(a.redis.Do(t.Context(), "RENAME", TailKey, "saved").Err())
	a.must(a.redis.Set(t.Context(), TailKey, "in the way", 0).Err())
	a.same("stored", Outcomes{Stored: 3}, a.insert(a.request(shop, item("x", "s", ""), item("y", "s", ""), item("z", "s", ""))))
	a.same("while it rests", Outcomes{Stored: 1}, a.insert(a.request(blog, item("x", "s", ""))))
	a.must(a.redis.Do(t.Context(), "RENAME", "saved", TailKey).Err())
	a.announcer.mu.Lock()
	a.announcer.resting = time.Time{}
	a.announcer.mu.Unlock()
	a.mark(shop, "after")
	a.same("told", []string{`missed {"reason":"lost","count":4}`, "stored after"}, admin.told(2))
	a.same("told who may read one application", []string{`missed {"reason":"lost"}`, "stored after"}, own.told(2))
}

// TestTailTellsOfTheFirstThatIsLost: listeners are told what a writer lost before it wrote anything at all, by replicas that
// have followed, and by those that come later; and nobody is told anything of a writer of which nothing is missing.
func TestTailTellsOfTheFirstThatIsLost(t *testing.T) {
	t.Parallel()
	a := newAudience(t)
	s := a.stream(a.url, adminToken, "", "")
	a.must(a.redis.Set(t.Context(), TailKey, "in the way", 0).Err())
	a.same("stored", Outcomes{Stored: 3}, a.insert(a.request(shop, item("x", "s", ""), item("y", "s", ""), item("z", "s", ""))))
	a.must(a.redis.Del(t.Context(), TailKey).Err())
	a.announcer.mu.Lock()
	a.announcer.resting = time.Time{}
	a.announcer.mu.Unlock()
	a.mark(shop, "after")
	want := []string{`missed {"reason":"lost","count":3}`, "stored after"}
	a.same("told", want, s.told(2))
	a.announce(a.store, "second") // which has lost nothing
	a.mark(shop, "of another")
	a.same("told of another writer", []string{"stored of another"}, s.told(1))
	late := a.another()
	a.same("remembered by who comes later", append(want, "stored of another"), a.stream(late.url, adminToken, "", a.sealed(placeAt(time.Now().Add(-seenFor)))).told(3))

	a.must(a.redis.XTrimMaxLen(t.Context(), TailKey, 0).Err())
	a.store.Announce = a.announcer.Announce
	a.mark(shop, "more")
	a.same("told", []string{"stored more"}, s.told(1))
	third := a.another()
	messages := 0
	a.awaitTail(third.tail, "what is left was read", func() bool { messages = len(third.tail.messages); return messages > 0 })
	a.same("messages of a writer whose first entries are trimmed", 1, messages)
}

// TestTailIsBounded in Redis and in memory, and tells who comes late, or reads too slowly.
func TestTailIsBounded(t *testing.T) {
	t.Parallel()
	a := newAudience(t)
	a.tail.mu.Lock()
	a.tail.limit = 20 * (messageOverhead + 400)
	a.tail.mu.Unlock()
	a.mark(shop, "first")
	a.awaitTail(a.tail, "the first was read", func() bool { return len(a.tail.messages) == 1 })
	queue := func() (messages []message, first int64) {
		a.tail.mu.Lock()
		defer a.tail.mu.Unlock()
		return slices.Clone(a.tail.messages), a.tail.first
	}
	one, _ := queue()
	place, slow := one[0].place, a.listen(nil)
	a.insert(a.request(shop, manyItems("m", 100)...))
	a.awaitTail(a.tail, "all were read", func() bool { return a.tail.first+int64(len(a.tail.messages)) == 101 })
	messages, first := queue()
	kept := len(messages)
	if kept < 10 || kept > 40 {
		t.Errorf("%d of 100 messages are kept", kept)
	}
	if got := slow.take(&choice{}); got.missed != first-1 || len(got.messages) != kept || got.unknown {
		t.Errorf("slow: missed %d of %d, got %d", got.missed, first-1, len(got.messages))
	}
	if got := a.listen(&place).take(&choice{}); !got.unknown || len(got.messages) != kept {
		t.Errorf("came back late: %+v", got)
	}
	newest := messages[kept-3].place
	if got := a.listen(&newest).take(&choice{}); got.unknown || got.missed != 0 || len(got.messages) != 2 {
		t.Errorf("came back in time: %+v", got)
	}
}

// TestTailForgets after an hour, in Redis and in memory, also when nothing comes any more.
func TestTailForgets(t *testing.T) {
	t.Parallel()
	a := newAudience(t)
	a.mark(shop, "old")
	a.awaitTail(a.tail, "it was read", func() bool { return len(a.tail.messages) == 1 })
	later := a.newTail()
	later.now = func() time.Time { return time.Now().Add(tailAge + time.Second) }
	a.follow(later)
	if n := a.redis.XLen(t.Context(), TailKey).Val(); n != 0 {
		t.Errorf("%d entries are left", n)
	}
	later.add(news{messages: []message{{place: placeAt(time.Now()), told: []byte("{}")}}, fresh: time.Now(), all: true})
	later.mu.Lock()
	defer later.mu.Unlock()
	if len(later.messages) != 0 || later.bytes != 0 {
		t.Errorf("%d messages of %d bytes are kept", len(later.messages), later.bytes)
	}
}

func parsed(t *testing.T, text string) place {
	t.Helper()
	p, ok := parsePlace(text)
	if !ok || p.String() != text {
		t.Fatalf("%q is read as %v, %t", text, p, ok)
	}
	return p
}

// TestPlaces are read as they are written, and nothing else is.
func TestPlaces(t *testing.T) {
	t.Parallel()
	order := []string{"0-0.0", "1-0.5", "1-2.0", "1-10.0", "9-0.0", "10-0.0", "10-0.1", "18446744073709551615-18446744073709551615.2147483647"}
	for i := 1; i < len(order); i++ {
		if a, b := parsed(t, order[i-1]), parsed(t, order[i]); !a.before(b) || b.before(a) || a.before(a) {
			t.Errorf("%s and %s", a, b)
		}
	}
	for _, text := range []string{"", "1", "1-1", "1.1", "-1-1.1", "1-1.-1", "1-1.1.1", "a-1.1", "1-1.a", "18446744073709551616-0.0", " 1-1.1"} {
		if p, ok := parsePlace(text); ok {
			t.Errorf("%q is read as %v", text, p)
		}
	}
}

// TestAnnouncerTrims by bytes, whatever the size of entries.
func TestAnnouncerTrims(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, each, calls int }{
		"large": {tailEntryBytes - 1000, 1, 3 * tailBytes / tailEntryBytes},
		"small": {1, 1000, 25},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAudience(t)
			line, err := (&tailed{traits: traits{Application: shop, Outcome: Stored}, told: fmt.Appendf(nil, "%q", strings.Repeat("x", c.text))}).line()
			a.must(err)
			n := 0
			for range c.calls {
				var entries []tailEntry
				for range c.each {
					entries = append(entries, tailEntry{before: int64(n), lines: append(line, '\n')})
					n++
				}
				for err := a.announcer.append(t.Context(), entries); err != nil; err = a.announcer.append(t.Context(), entries) {
					t.Log(err) // a busy machine
				}
			}
			if used, entries := a.redis.MemoryUsage(t.Context(), TailKey, 0).Val(), a.redis.XLen(t.Context(), TailKey).Val(); used > 2*tailBytes ||
				entries > tailEntries+100 || entries < min(int64(n), tailBytes/tailEntryBytes)/2 {
				t.Errorf("%d entries in %d bytes are left of %d", entries, used, n)
			}
			last := a.redis.XRevRangeN(t.Context(), TailKey, "+", "-", 1).Val()[0].ID + ".1"
			a.awaitTail(a.tail, "the last was read", func() bool {
				n := len(a.tail.messages)
				return n > 0 && a.tail.messages[n-1].String() == last
			})
			a.tail.mu.Lock()
			defer a.tail.mu.Unlock()
			if a.tail.bytes > tailBytes || a.tail.bytes < min(tailBytes/2, n*messageOverhead/2) {
				t.Errorf("%d bytes in memory", a.tail.bytes)
			}
		})
	}
}
