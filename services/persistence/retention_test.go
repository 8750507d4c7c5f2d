package persistence

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/registry"
)

// Whatever the retention and the clock: nothing goes before its time, nor stays for more than a day and an hour longer.
func TestKeepingBounds(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(random.Int64N(int64(1000 * day))))
		k := keeping{kept: 1 + time.Duration(random.Int64N(int64(30*day)))}
		before := k.before(now)
		if due := now.Add(-k.kept); before.After(due) || before.Before(due.Add(-day-settling)) {
			t.Fatalf("kept for %s at %s: gone before %s", k.kept, now, before)
		}
		if k.kept < wholeDays && !before.Equal(now.Add(-k.kept)) {
			t.Fatalf("kept for %s at %s: gone before %s", k.kept, now, before)
		}
		start := now.Truncate(day).Add(-time.Duration(random.IntN(40)) * day)
		if k.whole(now, start) && before.Before(start.Add(day)) {
			t.Fatalf("kept for %s at %s: %s goes whole, and yet events only before %s", k.kept, now, start, before)
		}
	}
	if k := (keeping{}); !k.before(time.Now()).IsZero() || k.whole(time.Now(), time.Time{}) {
		t.Error("what is kept for ever goes")
	}
}

// TestRetention follows two neighbours of different retention through the days.
func TestRetention(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	noon := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	now := noon
	log := applicationLog{}
	log.keep(shop, 10*day)
	log.keep(blog, 20*day)
	r := f.retention(f.store, log, &now)
	f.clocked(noon)
	for _, a := range []uuid.UUID{shop, blog} {
		f.insert(f.request(a, at(item("a", "shared", ""), noon.Add(-day)), item("b", "shared", ""), item("b", "shared", ""), refused("{}", "field.missing")))
	}
	for _, step := range []struct {
		after      time.Duration
		shop, blog []string
		partitions int
		failures   int
	}{
		{9 * day, []string{"a", "b"}, []string{"a", "b"}, 2, 2},
		{10*day - 13*time.Hour, []string{"a", "b"}, []string{"a", "b"}, 2, 2}, // a's day ended ten days ago, and not yet an hour more
		{10*day - 11*time.Hour, []string{"b"}, []string{"a", "b"}, 2, 2},      // trimmed: its neighbour keeps the day
		{10*day + time.Minute, []string{"b"}, []string{"a", "b"}, 2, 1},       // failures to the moment
		{11 * day, []string{}, []string{"a", "b"}, 2, 1},
		{20*day - 11*time.Hour, []string{}, []string{"b"}, 1, 1}, // dropped
		{21 * day, []string{}, []string{}, 0, 0},
	} {
		now = noon.Add(step.after)
		f.must(r.Round(t.Context()))
		when := "after " + step.after.String()
		f.same(when+": shop", step.shop, f.ids(shop))
		f.same(when+": blog", step.blog, f.ids(blog))
		f.same(when+": partitions", step.partitions, len(f.partitionNames()))
		f.same(when+": failures", step.failures, f.count("SELECT count(*) FROM persistence.failures"))
		f.consistent(when)
	}
	f.same("counted until then", Outcomes{Stored: 2, Duplicate: 1, Refused: 1}, f.usage(blog))
	f.same("nor is the other forgotten", 1, f.count("SELECT count(*) FROM persistence.credential_usage WHERE application = $1", blog))
	now = noon.Add(20*day + countedFor + time.Hour)
	f.must(r.Round(t.Context()))
	f.same("what is left", map[string]int{}, f.traces(blog))
	f.same("bare sequences", 2, f.count("SELECT count(*) FROM persistence.duplicates WHERE id IS NULL")) // for a week: keep() takes them
	f.same("an id is free again", Outcomes{Stored: 1}, f.insert(f.request(blog, item("a", "shared", `"data":{"other":1}`))))
}

// TestRetentionOfWhomNobodyKnows: applications without a retention, without a record, and with one that can't be read.
func TestRetentionOfWhomNobodyKnows(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	now := time.Now()
	log := applicationLog{}
	log.keep(shop, 0)
	gone := uuid.New()
	log.keep(gone, 8*day)
	r := f.retention(f.store, log, &now)
	f.must(r.Round(t.Context()))
	for _, a := range []uuid.UUID{shop, blog, gone} {
		f.insert(f.request(a, item("a", "s", "")))
	}
	f.insert(f.request(uuid.Nil, refused("x", "store.undecodable")))
	now = now.Add(1000 * day)
	log[gone] = nil // its record may say that it is to be kept for longer
	f.must(r.Round(t.Context()))
	for _, a := range []uuid.UUID{shop, blog, gone} {
		f.same("kept", []string{"a"}, f.ids(a))
	}
	f.same("what is nobody's", 0, f.count("SELECT count(*) FROM persistence.failures"))
	delete(log, gone) // forgotten by the log: its last retention holds
	f.must(f.retention(f.replica("other"), log, &now).Round(t.Context()))
	f.same("gone", []string{}, f.ids(gone))
	f.same("kept", []string{"a"}, f.ids(shop))
	f.consistent("afterwards")
}

// TestRetentionKeepsUsesOfLivingCredentials, however long ago they were.
func TestRetentionKeepsUsesOfLivingCredentials(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	log, now := applicationLog{}, time.Now()
	log.keep(shop, 8*day)
	log[shop].Credentials = []registry.Credential{{ID: "1"}}
	for _, credential := range []string{"1", "2"} {
		request := f.request(shop, item(credential, "s", ""))
		request.Credential = credential
		f.insert(request)
	}
	now = now.Add(100 * day)
	f.must(f.retention(f.store, log, &now).Round(t.Context()))
	f.same("left", []string{"1"}, f.lines("SELECT credential FROM persistence.credential_usage"))
}

// known is an event that was stored, by what decides over it.
type known struct {
	application        uuid.UUID
	id                 string
	occurred, received time.Time
}

// TestRetentionByModel lets time pass in leaps, while applications of all kinds send events of all ages, late ones too, and
// holds each event against the promise.
func TestRetentionByModel(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	random := rand.New(rand.NewPCG(7, 11))
	now := time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC)
	log, kept := applicationLog{}, map[uuid.UUID]time.Duration{}
	for i, d := range []time.Duration{30 * time.Minute, 36 * time.Hour, 7 * day, 8*day + 5*time.Hour, 12 * day, 0} {
		uid := uuid.UUID{0xaa, byte(i), 6: 0x40, 8: 0x80}
		kept[uid] = d
		log.keep(uid, d)
	}
	applications := slices.SortedFunc(func(yield func(uuid.UUID) bool) {
		for a := range kept {
			if !yield(a) {
				return
			}
		}
	}, byBytes)
	r := f.retention(f.store, log, &now)
	var sent []known
	for step := range 40 {
		f.clocked(now)
		var requests []event.Request
		for _, a := range applications {
			oldest := 14 * day
			if d := kept[a]; d != 0 {
				oldest = d
			}
			var items []event.Item
			for n := range 3 {
				occurred := now.Add(-time.Duration(random.Int64N(int64(oldest))))
				id := fmt.Sprint(step, ".", n)
				items = append(items, at(item(id, fmt.Sprint("s", random.IntN(10)), ""), occurred))
				sent = append(sent, known{a, id, items[n].OccurredAt, now})
			}
			requests = append(requests, f.request(a, items...))
		}
		f.insert(requests...)
		now = now.Add(time.Duration(random.Int64N(int64(30 * time.Hour))))
		f.must(r.Round(t.Context()))
		sent = f.promised(sent, kept, now)
		f.consistent(fmt.Sprint("step ", step))
		if t.Failed() {
			return
		}
	}
	if n := len(f.partitionNames()); n < 14 || n > 40 { // one application keeps its days for ever, and many are older
		t.Errorf("%d partitions are left", n)
	}
}

// promised holds what was sent against what is there, and returns what is left.
func (f *fixture) promised(sent []known, kept map[uuid.UUID]time.Duration, now time.Time) (left []known) {
	f.Helper()
	there := map[string]bool{}
	for _, line := range f.lines("SELECT application::text, id FROM persistence.events") {
		there[line] = true
	}
	for _, e := range sent {
		d, has := kept[e.application], there[e.application.String()+" "+e.id]
		latest := e.occurred.Add(d)
		if d >= wholeDays {
			latest = latest.Add(day + settling)
		}
		switch {
		case (d == 0 || !e.occurred.Before(now.Add(-d)) || e.received.After(now.Add(-settling))) && !has:
			f.Errorf("at %s: %+v, to be kept for %s, is gone", now, e, d)
		case d != 0 && latest.Before(now) && e.received.Before(now.Add(-settling-time.Millisecond)) && has:
			f.Errorf("at %s: %+v, to be kept for %s, is still there", now, e, d)
		}
		if has {
			left = append(left, e)
		}
	}
	return left
}
