package persistence

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/api/event"
)

// partitionNames lists the tables attached to events.
func (f *fixture) partitionNames() []string {
	f.Helper()
	return f.lines("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'persistence.events'::regclass ORDER BY 1")
}

func partitionName(t time.Time) string { return "persistence.events_" + t.UTC().Format("20060102") }

func TestPartitionsAreMadeOnDemand(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.must(f.store.EnsureIndexes(t.Context()))
	now := time.Now().UTC()
	days := []time.Time{now.AddDate(0, 0, -200), now, now.AddDate(0, 0, 1)}
	var items []event.Item
	for n, d := range days {
		items = append(items, at(item(fmt.Sprint(n), "s", ""), d))
	}
	midnight := now.Truncate(day)
	items = append(items, at(item("first of today", "s", ""), midnight), at(item("last of yesterday", "s", ""), midnight.Add(-time.Microsecond)))
	f.same("outcomes", Outcomes{Stored: 5}, f.insert(f.request(shop, items...)))
	f.same("partitions", []string{partitionName(days[0]), partitionName(now.AddDate(0, 0, -1)), partitionName(now), partitionName(days[2])}, f.partitionNames())
	f.same("places", []string{
		"0 " + partitionName(days[0]), "1 " + partitionName(now), "2 " + partitionName(days[2]),
		"first of today " + partitionName(now), "last of yesterday " + partitionName(now.AddDate(0, 0, -1)),
	}, f.lines("SELECT id, tableoid::regclass::text FROM persistence.events ORDER BY id"))
	f.same("indexes of a partition", []string{"3"}, f.lines("SELECT count(*) FROM pg_index WHERE indrelid = $1::text::regclass", partitionName(now)))
	// What was refused needs no partition, however odd its time.
	f.same("a refused one", Outcomes{Refused: 1}, f.insert(f.request(shop, at(refused("{}", "timestamp.too_old"), now.AddDate(-50, 0, 0)))))
	if n := len(f.partitionNames()); n != 4 {
		t.Errorf("%d partitions", n)
	}
}

func TestDroppedPartitionIsMadeAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	old := time.Now().UTC().AddDate(0, 0, -30)
	f.insert(f.request(shop, at(item("before", "s", ""), old)))
	_, err := f.pool.Exec(t.Context(), "DROP TABLE "+partitionName(old))
	f.must(err)
	f.same("outcomes", Outcomes{Stored: 2}, f.insert(f.request(shop, at(item("after", "s", ""), old), item("today", "s", ""))))
	f.same("events", []string{"after", "today"}, f.lines("SELECT id FROM persistence.events ORDER BY id"))
}

// TestDetachedPartitionIsAttachedAgain: as after a retention that ended between its two steps.
func TestDetachedPartitionIsAttachedAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	old := time.Now().UTC().AddDate(0, 0, -30)
	f.insert(f.request(shop, at(item("before", "s", ""), old)))
	_, err := f.pool.Exec(t.Context(), "ALTER TABLE persistence.events DETACH PARTITION "+partitionName(old))
	f.must(err)
	f.same("outcomes", Outcomes{Stored: 1}, f.insert(f.request(shop, at(item("after", "s", ""), old))))
	f.same("events", []string{"after", "before"}, f.lines("SELECT id FROM persistence.events ORDER BY id"))
}

func TestPartitionsAreMadeOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const replicas, count = 4, 12
	start := time.Now().UTC().AddDate(0, 0, -100)
	var wg sync.WaitGroup
	for i := range replicas {
		store := f.replica(fmt.Sprint(i))
		var items []event.Item
		for n := range count {
			d := n
			if i%2 == 1 {
				d = count - 1 - n
			}
			items = append(items, at(item(fmt.Sprint(i, ".", n), fmt.Sprint("s", i), ""), start.AddDate(0, 0, d)))
		}
		batch := records(f.entry(f.request(shop, items...)))
		wg.Go(func() {
			if outcomes, err := store.Insert(t.Context(), batch); err != nil || outcomes[Stored] != count {
				t.Errorf("replica %d: %v, %v", i, outcomes, err)
			}
		})
	}
	wg.Wait()
	if n := len(f.partitionNames()); n != count {
		t.Errorf("%d partitions, want %d", n, count)
	}
}

func TestKeep(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	now := time.Date(2031, time.February, 28, 23, 59, 59, 0, time.UTC)
	f.insert(f.request(shop, item("x", "s", "")))
	repeat := f.request(shop, item("x", "s", ""), item("x", "s", ""))
	f.insert(repeat)
	_, err := f.pool.Exec(t.Context(), "UPDATE persistence.duplicates SET received_at = $1 WHERE sequence = $2", now.AddDate(0, 0, -8), event.Nth(repeat.Sequence, 0))
	f.must(err)
	_, err = f.pool.Exec(t.Context(), "UPDATE persistence.duplicates SET received_at = $1 WHERE sequence = $2", now.AddDate(0, 0, -6), event.Nth(repeat.Sequence, 1))
	f.must(err)
	for range 2 {
		f.must(f.store.keep(t.Context(), now))
	}
	f.same("partitions", []string{
		partitionName(time.Now()), "persistence.events_20310227", "persistence.events_20310228", "persistence.events_20310301", "persistence.events_20310302",
	}, f.partitionNames())
	f.same("duplicates", []string{event.Nth(repeat.Sequence, 1).String()}, f.lines("SELECT sequence::text FROM persistence.duplicates"))
}
