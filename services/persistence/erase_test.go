package persistence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	metricnoop "go.opentelemetry.io/otel/metric/noop"

	"github.com/theeye-dev/theeye/api/event"
)

func (f *fixture) eraser(store *Postgres) *Eraser {
	f.Helper()
	e, err := NewEraser(store, time.Now, slog.New(slog.DiscardHandler), metricnoop.Meter{})
	f.must(err)
	return e
}

// erase asks for an erasure and carries it out.
func (f *fixture) erase(application uuid.UUID) {
	f.Helper()
	_, err := f.store.requestErasure(f.Context(), target{application: application}, time.Now())
	f.must(err)
	f.finish(f.store)
}

// finish lets a replica carry out what is pending.
func (f *fixture) finish(store *Postgres) {
	f.Helper()
	_, err := f.eraser(store).round(f.Context())
	f.must(err)
	if n := f.count("SELECT count(*) FROM persistence.erasures WHERE finished_at IS NULL"); n != 0 {
		f.Fatalf("%d erasures are not finished", n)
	}
}

// later makes what follows received after the cut-off of an erasure that is asked for now.
func (f *fixture) later() { f.clocked(time.Now().Add(time.Minute)) }

// traces returns how many rows each table has of an application.
func (f *fixture) traces(application uuid.UUID) map[string]int {
	f.Helper()
	found := map[string]int{}
	for _, table := range []string{"events", "ledger", "duplicates", "sessions", "failures", "usage", "credential_usage", "types", "type_usage", "replays"} {
		if n := f.count("SELECT count(*) FROM persistence."+table+" WHERE application = $1", application); n > 0 {
			found[table] = n
		}
	}
	return found
}

// everyOutcome is a request with all that can be kept of an application.
func (f *fixture) everyOutcome(application uuid.UUID) event.Request {
	old := time.Now().AddDate(0, 0, -3)
	return f.request(application, item("a", "shared", ""), at(item("b", "shared", ""), old), item("c", "own", ""),
		item("a", "shared", ""), item("a", "other", ""), refused("{}", "field.missing"), event.Item{Original: []byte(`{"id":"x"`)})
}

// TestEraseLeavesNothing of the application, and all of its neighbour, with whom it shared a session.
func TestEraseLeavesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	hours := f.sequencer
	f.clocked(time.Now().Add(-30 * time.Hour))
	f.insert(f.request(shop, item("yesterday", "long", ""))) // counted in hours of its own
	f.sequencer = hours
	f.insert(f.everyOutcome(shop))
	neighbour := f.everyOutcome(blog)
	f.insert(neighbour)
	before := f.traces(blog)
	f.recounted("before")
	var many []event.Item
	for n := range 2*chunkRows + 10 {
		many = append(many, item(fmt.Sprint("many ", n), fmt.Sprint("s", n%7), ""))
	}
	f.insert(f.request(shop, many...))
	f.erase(shop)
	f.same("what is left", map[string]int{}, f.traces(shop))
	f.same("of the neighbour", before, f.traces(blog))
	f.recounted("afterwards")
	s, err := f.store.Session(t.Context(), Query{SessionID: "shared", Limit: 10})
	f.must(err)
	f.same("applications of the shared session", []uuid.UUID{blog}, s.Applications)
	f.same("its events", []string{"b", "a"}, idsOf(s.Events))
	if s, err = f.store.Session(t.Context(), Query{SessionID: "s1", Limit: 10}); err != nil || s != nil {
		t.Errorf("the session of the application alone is %+v, %v", s, err)
	}
	if u := f.usageAt(shop, time.Now()); u.LastEventAt != nil || len(u.Credentials) > 0 || u.Accepted24h != 0 {
		t.Errorf("usage %+v", u)
	}
}

// TestEraseDropsWhatComesLater: what was on the stream, and what is delivered again, of events and of refusals.
func TestEraseDropsWhatComesLater(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	known := f.everyOutcome(shop)
	f.insert(known)
	waiting := f.request(shop, item("w", "s", ""), item("c", "own", ""), refused("{}", "field.missing"), event.Item{Original: []byte(`{`)})
	f.erase(shop)
	f.same("what was counted before", Outcomes{Redelivered: 7}, f.insert(known))
	f.same("what was not, in two entries", Outcomes{Erased: 3, ErasedRefusal: 1, Redelivered: 4}, f.insert(waiting, waiting))
	f.same("and again, both", Outcomes{Redelivered: 11}, f.insert(known, waiting))
	f.same("what is left", map[string]int{}, f.traces(shop))
	f.later()
	f.same("the same ids, later", Outcomes{Stored: 3, Duplicate: 1, Conflict: 1, Refused: 1, Failed: 1}, f.insert(f.everyOutcome(shop)))
	f.same("a mixed batch", Outcomes{Stored: 2, Redelivered: 4}, f.insert(waiting, f.request(shop, item("w", "s", "")), f.request(blog, item("w", "s", ""))))
	f.recounted("in its second life")
}

// TestEraseWhileIDsAreUsedAgain: an id is free as soon as its erasure was asked for.
func TestEraseWhileIDsAreUsedAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	old := f.everyOutcome(shop)
	f.insert(old)
	_, err := f.store.requestErasure(t.Context(), target{application: shop}, time.Now())
	f.must(err)
	f.same("what was stored and is not swept yet", Outcomes{Redelivered: 7}, f.insert(old))
	f.later()
	f.same("the same ids", Outcomes{Stored: 3, Duplicate: 1, Conflict: 1, Refused: 1, Failed: 1}, f.insert(f.everyOutcome(shop)))
	f.same("the first ones again", Outcomes{Redelivered: 7}, f.insert(old))
	f.recounted("while it waits")
	f.finish(f.store)
	f.recounted("afterwards")
	f.same("events", []string{"a", "b", "c"}, f.lines("SELECT id FROM persistence.events ORDER BY id"))
	f.same("ledger", []string{"a", "b", "c"}, f.lines("SELECT l.id FROM persistence.ledger l JOIN persistence.events e USING (application, id, sequence) ORDER BY l.id"))
	f.same("the first ones once more", Outcomes{Redelivered: 7}, f.insert(old))
}

// TestEraseOfAClockAhead: what was stored with an ingest's fast clock is erased, too, within bounds.
func TestEraseOfAClockAhead(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	now := time.Now()
	for n, ahead := range []time.Duration{time.Minute, time.Hour} {
		f.clocked(now.Add(ahead))
		application := []uuid.UUID{shop, blog}[n]
		f.insert(f.request(application, item("a", "s", "")))
		cutOff, err := f.store.requestErasure(t.Context(), target{application: application}, now)
		f.must(err)
		if want := now.Add(min(ahead, maxAhead) + maxSkew); !want.Truncate(time.Millisecond).Equal(endOf(cutOff).Add(-time.Millisecond)) {
			t.Errorf("%s ahead the cut-off is before %s, want %s", ahead, endOf(cutOff), want)
		}
	}
	f.finish(f.store)
	f.same("events", []string{blog.String()}, f.lines("SELECT application::text FROM persistence.events"))
}

func TestCutOff(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, time.May, 4, 12, 30, 0, 123_999_999, time.UTC)
	cutOff := cutOffAt(now)
	for shift, covered := range map[time.Duration]bool{0: true, -time.Hour: true, 1: false, time.Hour: false} {
		q, _ := event.NewSequencer(func() time.Time { return now.Add(shift) }).Next(1)
		if got := (erasures{applications: map[uuid.UUID]erasure{shop: {cutOff: cutOff}}}).covers(&record{application: shop, sequence: q}); got != covered {
			t.Errorf("%s later: covered %t", shift, got)
		}
	}
	if want := now.Truncate(time.Millisecond).Add(time.Millisecond); !endOf(cutOff).Equal(want) {
		t.Errorf("the cut-off ends at %s, want %s", endOf(cutOff), want)
	}
}

// TestEraseGoesOnAfterACrash ends a replica within its second chunk: what is counted is right in between, and another
// replica does the rest.
func TestEraseGoesOnAfterACrash(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var items []event.Item
	for n := range 3 * chunkRows {
		items = append(items, item(fmt.Sprint(n), fmt.Sprint("s", n%11), ""))
	}
	f.insert(f.request(shop, items...))
	cutOff, err := f.store.requestErasure(t.Context(), target{application: shop}, time.Now())
	f.must(err)
	dying := &sweep{store: f.replica("dying"), target: target{application: shop}, cutOff: cutOff}
	f.must(dying.transaction(t.Context(), func(tx pgx.Tx) (int64, error) { return dying.events(t.Context(), tx, time.Now()) }))
	err = dying.transaction(t.Context(), func(tx pgx.Tx) (int64, error) {
		if n, err := dying.events(t.Context(), tx, time.Now()); n != chunkRows || err != nil {
			t.Errorf("%d rows, %v", n, err)
		}
		_, elsewhere := f.eraser(f.store).store.pendingErasures(t.Context())
		f.must(elsewhere)
		if err := f.eraser(f.store).carryOut(t.Context(), &sweep{store: f.store, target: target{application: shop}, cutOff: cutOff}); !errors.Is(err, errElsewhere) {
			t.Errorf("while another replica is at it: %v", err)
		}
		return 0, tx.Conn().Close(context.WithoutCancel(t.Context())) // as the process ends
	})
	if err == nil {
		t.Fatal("the dying replica did not notice")
	}
	if n := f.count("SELECT count(*) FROM persistence.events"); n != 2*chunkRows {
		t.Errorf("%d events are left in between", n)
	}
	f.recounted("in between")
	progress, gone, err := f.store.erasureOf(t.Context(), target{application: shop})
	if err != nil || progress.State != Erasing || gone != (event.Sequence{}) || progress.ErasedRows != chunkRows {
		t.Errorf("progress %+v up to %v, %v", progress, gone, err)
	}
	f.finish(f.replica("next"))
	f.same("what is left", map[string]int{}, f.traces(shop))
}

// TestTwoEntriesOfOneRequest in one batch, as a producer makes them that got no answer: every record counts once.
func TestTwoEntriesOfOneRequest(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := f.everyOutcome(shop)
	f.same("outcomes", Outcomes{Stored: 3, Duplicate: 1, Conflict: 1, Refused: 1, Failed: 1, Redelivered: 7}, f.insert(r, r))
	f.recounted("afterwards")
}
