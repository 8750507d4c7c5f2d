package persistence

import (
	"fmt"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/api/event"
)

// ofType is an event of a type.
func ofType(id, session, category, name string) event.Item {
	return event.Item{Original: fmt.Appendf(nil, `{"id":%q,"session_id":%q,"category":%q,"name":%q}`, id, session, category, name)}
}

// TestCorrectionsOfTypesBeyondTheBound: what was counted under no type is taken back there, though its type has a place by now.
func TestCorrectionsOfTypesBeyondTheBound(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	log, now := applicationLog{}, time.Now()
	log.keep(shop, day)
	counters := func() []string {
		return f.lines(`
			SELECT outcome, category, name, sum(events)::bigint FROM persistence.type_usage
			WHERE name IN ('extra', '') GROUP BY 1, 2, 3 HAVING sum(events) <> 0 ORDER BY 1, 2, 3`)
	}
	f.clocked(now.Add(-80 * time.Hour))
	many := make([]event.Item, maxCountedTypes)
	for n := range many {
		many[n] = ofType(fmt.Sprint("old-", n), "old", "c", fmt.Sprint("n", n))
	}
	f.insert(f.request(shop, many...))
	f.clocked(now.Add(-time.Hour))
	f.insert(f.request(shop, ofType("x", "s", "c", "extra"), ofType("y", "t", "c", "extra")))
	failed := f.refuse(shop, event.Item{Original: ofType("z", "t", "c", "extra").Original, Refusal: &event.Refusal{Code: event.CodeSchemaMismatch, Detail: "no"}})
	f.same("beyond the bound", []string{"refused   1", "stored   2"}, counters())

	f.must(f.retention(f.store, log, &now).Round(t.Context()))
	f.same("types, when all of a chunk are forgotten", 0, f.count("SELECT count(*) FROM persistence.types"))
	_, err := f.store.requestErasure(t.Context(), target{session: "s"}, time.Now())
	f.must(err)
	f.finish(f.store)
	f.same("after an erasure", []string{"refused   1", "stored   1"}, counters())
	f.insert(f.request(shop, ofType("w", "u", "c", "extra")))
	f.same("one of the type, which has a place", []string{"refused   1", "stored   1", "stored c extra 1"}, counters())
	f.same("a replay", Stored, f.one(f.replayer(f.store, book{shop: {}}), failed[0], false).Outcome)
	f.same("after a replay", []string{"stored   1", "stored c extra 2"}, counters())
	f.same("negative", 0, f.count(`
		SELECT count(*) FROM (SELECT sum(events) AS n FROM persistence.type_usage GROUP BY application, hour, outcome, category, name) AS s WHERE n < 0`))
}

// TestErasureOfRepetitions leaves no id of a session's events among what was sent again: by a batch that has not ended when the
// erasure begins, and of an event that retention has taken.
func TestErasureOfRepetitions(t *testing.T) {
	t.Parallel()
	erase := func(f *fixture, meanwhile func()) {
		_, err := f.store.requestErasure(f.Context(), target{session: "s"}, time.Now())
		f.must(err)
		meanwhile()
		f.finish(f.store)
		f.same("ids", 0, f.count("SELECT count(*) FROM persistence.duplicates WHERE id IS NOT NULL"))
		f.same("sessions", 0, f.count("SELECT count(*) FROM persistence.duplicates WHERE session_id IS NOT NULL"))
	}
	t.Run("in flight", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		f.insert(f.request(shop, item("a", "s", "")))
		h := f.hold(f.replica("slow"), records(f.entry(f.request(shop, item("a", "s", "")))), true)
		erase(f, func() {
			if left, err := f.eraser(f.replica("eraser")).round(t.Context()); err != nil || !left {
				t.Errorf("while a batch is open that does not know: left %t, %v", left, err)
			}
			h.release()
			f.must(<-h.done)
		})
		f.recounted("afterwards")
	})
	t.Run("noted by the release before", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		f.insert(f.request(shop, item("a", "s", "")), f.request(shop, item("a", "s", "")))
		_, err := f.pool.Exec(t.Context(), "UPDATE persistence.duplicates SET session_id = NULL")
		f.must(err)
		erase(f, func() {})
		f.recounted("afterwards")
	})
	t.Run("its event is gone", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		now, log := time.Now(), applicationLog{}
		log.keep(shop, 2*day)
		f.clocked(now.Add(-3 * time.Hour))
		for range 2 {
			f.insert(f.request(shop, at(item("a", "s", ""), now.Add(-47*time.Hour))))
		}
		later := now.Add(2 * time.Hour)
		f.must(f.retention(f.store, log, &later).Round(t.Context()))
		f.same("events", 0, f.count("SELECT count(*) FROM persistence.events"))
		f.same("repetitions", 1, f.count("SELECT count(*) FROM persistence.duplicates WHERE id IS NOT NULL"))
		erase(f, func() {})
	})
}
