package persistence

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/event"
)

// aged fills days with events of an application, the oldest n days ago.
func (f *fixture) aged(application uuid.UUID, now time.Time, days, each int) {
	f.Helper()
	for d := range days {
		items := make([]event.Item, each)
		for n := range items {
			items[n] = at(item(fmt.Sprint(d, ".", n), fmt.Sprint("s", n%7), ""), now.Truncate(day).Add(-time.Duration(d)*day+time.Duration(n)*time.Second))
		}
		f.insert(f.request(application, items...))
	}
}

// writer stores events of today, and now and then of an old day, until it is stopped; slowest is its longest insert.
type writer struct {
	stop    context.CancelFunc
	done    chan struct{}
	slowest time.Duration
	stored  int64
	err     error
}

func (f *fixture) write(store *Postgres, application uuid.UUID, late time.Time) *writer {
	ctx, cancel := context.WithCancel(f.Context())
	w := &writer{stop: cancel, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		for n := 0; ctx.Err() == nil && w.err == nil; n++ {
			items := []event.Item{item(fmt.Sprint("w", n), fmt.Sprint("s", n%7), "")}
			if n%5 == 0 {
				items = append(items, at(item(fmt.Sprint("late", n), fmt.Sprint("s", n%7), ""), late))
			}
			batch := records(f.entry(f.request(application, items...)))
			begin := time.Now()
			outcomes, err := store.Insert(f.Context(), batch)
			w.slowest, w.err, w.stored = max(w.slowest, time.Since(begin)), err, w.stored+outcomes[Stored]
		}
	}()
	return w
}

func (w *writer) end(f *fixture) {
	f.Helper()
	w.stop()
	<-w.done
	f.must(w.err)
}

// stalled is longer than a chunk of retention may make a batch wait, on a busy machine too.
const stalled = 5 * time.Second

// TestRetentionBesideWriters drops and trims while batches are stored: into the days that go, too, and into sessions that
// reach into them.
func TestRetentionBesideWriters(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	now := time.Now().UTC()
	log := applicationLog{}
	log.keep(shop, 8*day)
	log.keep(blog, 15*day)
	f.aged(shop, now, 20, 150)
	f.aged(blog, now, 17, 50)
	r := f.retention(f.store, log, &now)
	w := f.write(f.replica("writer"), shop, now.Add(-18*day))
	now = now.Add(settling + time.Minute)
	f.must(r.Round(t.Context()))
	w.end(f)
	if w.slowest > stalled || w.stored == 0 {
		t.Errorf("the slowest of %d events' batches took %s", w.stored, w.slowest)
	}
	now = now.Add(2 * settling)
	f.must(r.Round(t.Context())) // what came late
	f.consistent("afterwards")
	f.same("due", 0, f.count("SELECT count(*) FROM persistence.events WHERE occurred_at < CASE application WHEN $1 THEN $2::timestamptz ELSE $3 END",
		shop, keeping{kept: 8 * day}.before(now), keeping{kept: 15 * day}.before(now)))
}

// TestRetentionBehindALongRead gives way, to the writers behind it as well, and is done when the read has ended.
func TestRetentionBehindALongRead(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	now := time.Now().UTC()
	log := applicationLog{}
	log.keep(shop, 8*day)
	f.aged(shop, now, 11, 5)
	read, err := f.pool.Begin(t.Context())
	f.must(err)
	defer func() { _ = read.Rollback(context.WithoutCancel(t.Context())) }()
	_, err = read.Exec(t.Context(), "SELECT count(*) FROM persistence.events")
	f.must(err)
	w := f.write(f.replica("writer"), blog, now)
	before := f.partitionNames()
	oldest := now.Truncate(day).Add(-10 * day)
	err = f.store.detach(t.Context(), oldest, detachPatience, func([]uuid.UUID) bool { return true })
	if !errors.Is(err, errBusy) {
		t.Errorf("detaching what is read: %v", err)
	}
	w.end(f)
	if w.slowest > stalled || w.stored == 0 {
		t.Errorf("the slowest of %d events' batches took %s", w.stored, w.slowest)
	}
	f.same("partitions", before, f.partitionNames())
	f.consistent("meanwhile")
	f.must(read.Rollback(t.Context()))
	f.must(f.retention(f.store, log, &now).Round(t.Context()))
	f.same("the oldest that is left", partitionName(keeping{kept: 8 * day}.before(now)), f.partitionNames()[0])
	f.consistent("afterwards")
}

// TestRetentionChecksADayAgain when nobody can add to it any more.
func TestRetentionChecksADayAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	old := time.Now().UTC().Truncate(day).Add(-10 * day)
	f.insert(f.request(shop, at(item("a", "s", ""), old)))
	err := f.store.detach(t.Context(), old, detachPatience, func(applications []uuid.UUID) bool {
		f.same("whose", []uuid.UUID{shop}, applications)
		return false
	})
	if !errors.Is(err, errOthers) {
		t.Errorf("detaching what is to stay: %v", err)
	}
	f.same("events", []string{"a"}, f.ids(shop))
	f.consistent("afterwards")
}

// TestRetentionIsTakenOver stops in the middle of a day, as a crash would; another replica goes on from there, and a late
// event has a partition meanwhile.
func TestRetentionIsTakenOver(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	now := time.Now().UTC()
	log := applicationLog{}
	log.keep(shop, 8*day)
	old := now.Truncate(day).Add(-10 * day)
	for b := range 5 {
		items := make([]event.Item, chunkRows/2)
		for n := range items {
			items[n] = at(item(fmt.Sprint(b, ".", n), fmt.Sprint("s", n%7), ""), old.Add(time.Duration(n)*time.Second))
		}
		f.insert(f.request(shop, items...))
	}
	first := f.retention(f.store, log, &now)
	known, err := first.known(t.Context())
	f.must(err)
	first.chunks = 1
	if err := first.events(t.Context(), known); !errors.Is(err, errLater) {
		t.Fatalf("one chunk: %v", err)
	}
	f.same("out of sight", 0, f.count("SELECT count(*) FROM persistence.events"))
	f.same("ids that are left", 3*chunkRows/2, f.count("SELECT count(*) FROM persistence.ledger"))
	f.same("late", Outcomes{Stored: 1}, f.insert(f.request(shop, at(item("late", "s0", ""), old))))
	f.same("what retention has done already", Outcomes{Stored: 1}, f.insert(f.request(shop, at(item("0.0", "s0", ""), now))))
	f.must(f.retention(f.replica("second"), log, &now).Round(t.Context()))
	f.consistent("afterwards")
	f.same("events", []string{"0.0"}, f.ids(shop))
}

// TestErasuresWaitForDetachedDays: what is in them is out of sight, and may belong to who is erased; and what comes after
// an erasure is not taken for it.
func TestErasuresWaitForDetachedDays(t *testing.T) {
	t.Parallel()
	for name, erased := range map[string]target{"an application": {application: shop}, "a session": {session: "s"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			now := time.Now().UTC()
			log := applicationLog{}
			log.keep(shop, 8*day)
			old := now.Truncate(day).Add(-10 * day)
			f.insert(f.request(shop, at(item("a", "s", ""), old), at(item("b", "s", ""), old), item("c", "s", "")))
			f.must(f.store.detach(t.Context(), old, detachPatience, func([]uuid.UUID) bool { return true }))
			_, err := f.store.requestErasure(t.Context(), erased, now)
			f.must(err)
			_, err = f.eraser(f.store).round(t.Context())
			f.must(err)
			pending := "SELECT count(*) FROM " + erased.table() + " WHERE finished_at IS NULL"
			f.same("pending", 1, f.count(pending))
			f.same("events", []string{}, f.ids(shop))
			f.later()
			f.insert(f.request(shop, item("d", "s", "")))
			f.must(f.retention(f.replica("other"), log, &now).Round(t.Context()))
			f.finish(f.store)
			f.same("pending", 0, f.count(pending))
			f.same("events", []string{"d"}, f.ids(shop))
			f.consistent("afterwards")
		})
	}
}

// TestRetentionByManyAtOnce: one does it, and the others leave it to him.
func TestRetentionByManyAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	now := time.Now().UTC()
	log := applicationLog{}
	log.keep(shop, 8*day)
	log.keep(blog, 12*day)
	f.aged(shop, now, 14, 20)
	f.aged(blog, now, 14, 20)
	now = now.Add(2 * settling)
	var wg sync.WaitGroup
	for n := range 3 {
		r := f.retention(f.replica(fmt.Sprint(n)), log, &now)
		wg.Go(func() {
			if err := r.Round(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	f.must(f.retention(f.store, log, &now).Round(t.Context())) // what was left to one that had seen too little
	f.consistent("afterwards")
	f.same("of shop", 0, f.count("SELECT count(*) FROM persistence.events WHERE application = $1 AND occurred_at < $2", shop, keeping{kept: 8 * day}.before(now)))
}

// TestRetentionFindsADayTaken by another replica, after it had seen it: there is nothing to do, and nothing to tell.
func TestRetentionFindsADayTaken(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	now := time.Now().UTC()
	log := applicationLog{}
	log.keep(shop, 8*day)
	old := now.Truncate(day).Add(-10 * day)
	r := f.retention(f.store, log, &now)
	known, err := r.known(t.Context())
	f.must(err)
	for what, err := range map[string]error{
		"looking into it": r.day(t.Context(), known, now, old),
		"detaching it":    f.store.detach(t.Context(), old, detachPatience, func([]uuid.UUID) bool { return true }),
	} {
		if !errors.Is(err, errTaken) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestRetentionStops at once when it is told to, and leaves nothing half done that another could not go on with.
func TestRetentionStops(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	now := time.Now().UTC()
	log := applicationLog{}
	log.keep(shop, 8*day)
	f.aged(shop, now, 14, 20)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f.must(f.retention(f.store, log, &now).Run(ctx))
	f.consistent("afterwards")
	r := f.retention(f.store, log, &now)
	r.ReportOnly = true
	before := f.tables()
	f.must(r.Round(t.Context()))
	f.same("reported only", before, f.tables())
}
