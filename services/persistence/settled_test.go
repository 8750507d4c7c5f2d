package persistence

import (
	"context"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/api/event"
)

// TestSettledIsNotSettledAnew delivers again what was a conflict or a repetition when it came first, after the event that has its
// id is gone: it stays what it was, and is counted once.
func TestSettledIsNotSettledAnew(t *testing.T) {
	t.Parallel()
	for name, gone := range map[string]func(*fixture){
		"erased": func(f *fixture) {
			_, err := f.store.requestErasure(f.Context(), target{session: "s1"}, time.Now())
			f.must(err)
			f.finish(f.store)
		},
		"by its age": func(f *fixture) {
			now := time.Now().Add(2 * settling)
			log := applicationLog{}
			log.keep(shop, 3*day)
			f.must(f.retention(f.store, log, &now).Round(f.Context()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			old := time.Now().AddDate(0, 0, -10)
			first := f.request(shop, at(item("a", "s1", ""), old), at(item("b", "s1", ""), old))
			f.later()
			again := f.request(shop, at(item("b", "s1", ""), old), at(item("a", "s2", ""), old))
			f.same("the first", Outcomes{Stored: 2}, f.insert(first))
			f.same("what comes then", Outcomes{Duplicate: 1, Conflict: 1}, f.insert(again))
			gone(f)
			counted := f.usage(shop)
			for range 2 {
				f.same("delivered again", Outcomes{Redelivered: 2}, f.insert(again))
			}
			f.same("events", 0, f.count("SELECT count(*) FROM persistence.events"))
			f.same("usage", counted, f.usage(shop))
			// The id can be used again, and that changes nothing of what was.
			f.later()
			f.same("a new one of the id", Outcomes{Stored: 1}, f.insert(f.request(shop, item("a", "s2", ""))))
			counted[Stored]++
			f.same("delivered once more", Outcomes{Redelivered: 2}, f.insert(again))
			f.same("usage after all", counted, f.usage(shop))
		})
	}
}

// TestWhatSettledIsTold: of a redelivered conflict listeners hear what they were, or were not, told before.
func TestWhatSettledIsTold(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.insert(f.request(shop, item("a", "s1", "")))
	again := f.request(shop, item("a", "s2", ""))
	f.insert(again)
	_, err := f.store.requestErasure(t.Context(), target{session: "s1"}, time.Now())
	f.must(err)
	f.finish(f.store)
	var told []*record
	f.store.Announce = func(_ context.Context, done []*record) { told = done }
	f.insert(again)
	if len(told) != 1 || told[0].outcome != Conflict || told[0].refusal == nil || told[0].refusal.Code != event.CodeConflict || told[0].refusal.Pointer != "/id" {
		t.Errorf("told %+v", told)
	}
}
