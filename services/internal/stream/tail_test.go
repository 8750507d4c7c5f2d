package stream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/api/event"
)

// anchor is a store's account of the streams.
type anchor struct {
	store string
	marks map[string]string
	busy  bool // another replica moves marks
	lost  bool // nothing is committed
}

func (a *anchor) Anchor(_ context.Context, settle Settle) (map[string]string, error) {
	if a.busy {
		return nil, nil
	}
	moved, err := settle(a.store, maps.Clone(a.marks))
	if err != nil || a.lost {
		return nil, errors.Join(err, errors.New("not committed"))
	}
	maps.Copy(a.marks, moved)
	return moved, nil
}

// tailed returns a Keeper with a tail, and a stream with a group.
func (f *fixture) tailed(tail time.Duration, bytes int64) (*Keeper, *anchor, *meter) {
	f.Helper()
	k, m := f.keeper(1)
	a := &anchor{store: "a", marks: map[string]string{}}
	if err := k.Hold(Tail{For: tail, Bytes: bytes, Anchor: a}, m.provider.Meter("")); err != nil {
		f.Fatal(err)
	}
	f.group(event.PersistenceGroup)
	return k, a, m
}

// stored has n entries added, read and acknowledged.
func (f *fixture) stored(n int) (ids []string) {
	f.Helper()
	for range n {
		f.add(stream0, "*", "x")
	}
	ids = f.read(event.PersistenceGroup, int64(n))
	f.ack(event.PersistenceGroup, ids...)
	return ids
}

func (f *fixture) left(want ...string) {
	f.Helper()
	if got := f.ids(stream0); strings.Join(got, " ") != strings.Join(want, " ") {
		f.Errorf("%v are left, want %v", got, want)
	}
}

func TestTailIsKeptForItsTime(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	k, _, _ := f.tailed(time.Hour, 1<<30)
	ago := func(d time.Duration) string { return fmt.Sprint(time.Now().Add(-d).UnixMilli()) }
	f.add(stream0, ago(2*time.Hour), "old")
	f.add(stream0, ago(time.Hour+time.Second), "old, too")
	young := f.add(stream0, ago(time.Minute), "young")
	f.ack(event.PersistenceGroup, f.read(event.PersistenceGroup, 3)...)
	got := f.keep(k)
	f.left(young)
	if got != (Backlog{Length: 1}) {
		t.Errorf("backlog %+v: what is stored waits for nobody", got)
	}
}

// What is not acknowledged stays whatever its age, and so does what is not committed beyond doubt.
func TestTailTrimsOnlyBelowTheMark(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	k, a, _ := f.tailed(time.Nanosecond, 1<<30)
	first := f.stored(2)
	f.add(stream0, "*", "x")
	third := f.read(event.PersistenceGroup, 1)
	a.busy = true
	if got := f.keep(k); got.Pending != 1 || got.Length != 3 {
		t.Errorf("backlog %+v while another replica moves the marks", got)
	}
	a.busy, a.lost = false, true
	if err := k.Keep(t.Context()); err == nil {
		t.Error("nobody tells that the marks could not be moved")
	}
	f.left(first[0], first[1], third[0])
	a.lost = false
	f.keep(k) // the store does not say what is remembered: it is given once more what it may lack
	f.left(first[0], first[1], third[0])
	again := f.read(event.PersistenceGroup, 10)
	if strings.Join(again, " ") != strings.Join(append(first, third...), " ") {
		t.Errorf("%v came again", again)
	}
	f.ack(event.PersistenceGroup, again[:2]...)
	f.keep(k)
	f.left(third...)
}

func TestTailStaysWithinItsBytes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const budget = 64 << 10
	k, _, _ := f.tailed(time.Hour, budget)
	for i := range 400 { // over half an hour
		f.add(stream0, fmt.Sprint(time.Now().Add(time.Duration(i-400)*4*time.Second).UnixMilli()), strings.Repeat("x", 1024))
	}
	f.ack(event.PersistenceGroup, f.read(event.PersistenceGroup, 400)...)
	rounds := 0
	for ; f.client.MemoryUsage(t.Context(), stream0).Val() > budget; rounds++ {
		if f.keep(k); rounds > 20 {
			t.Fatalf("%d bytes after %d rounds", f.client.MemoryUsage(t.Context(), stream0).Val(), rounds)
		}
	}
	if left := len(f.ids(stream0)); left < 20 || rounds == 0 {
		t.Errorf("%d of 400 are left after %d rounds: more would fit", left, rounds)
	}
	f.keep(k)
	for i := range 100 { // what waits is not the tail's, and leaves it no room
		f.add(stream0, "*", strings.Repeat("y", 2048)+fmt.Sprint(i))
	}
	for range 20 {
		f.keep(k)
	}
	if left := len(f.ids(stream0)); left != 100 {
		t.Errorf("%d are left, want the 100 that nobody has read", left)
	}
}

// A store that is another one, or says less than before, is given everything from its mark on; whatever lies before it
// has.
func TestStreamsAreDeliveredAgainFromTheStoresMark(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	k, a, m := f.tailed(time.Hour, 1<<30)
	first := f.stored(2)
	f.keep(k)
	backup := maps.Clone(a.marks)
	f.await("another millisecond", func() bool { return fmt.Sprint(time.Now().UnixMilli()) > strings.Split(first[1], "-")[0] })
	second := f.stored(3)
	f.keep(k)
	f.keep(k)
	if again := f.read(event.PersistenceGroup, 10); len(again) != 0 {
		t.Fatalf("%v came again although nothing has happened", again)
	}

	a.marks = backup // as it was, under the same name: a dump that was read into it
	f.keep(k)
	again := f.read(event.PersistenceGroup, 10)
	if len(again) < 3 || strings.Join(again[len(again)-3:], " ") != strings.Join(second, " ") {
		t.Errorf("%v came again, want at least %v", again, second)
	}
	f.ack(event.PersistenceGroup, again...)
	f.keep(k)

	a.store, a.marks = "b", map[string]string{} // an empty one
	f.keep(k)
	if again = f.read(event.PersistenceGroup, 10); len(again) != 5 {
		t.Errorf("%v came again, want all 5", again)
	}
	if got := f.keep(k); got.Pending != 5 || got.OldestAge <= 0 {
		t.Errorf("backlog %+v while 5 are delivered again", got)
	}
	f.left(append(first, second...)...)
	if got := m.value("theeye.stream.rewinds"); got != 2 {
		t.Errorf("%v rewinds are counted, want 2", got)
	}
}

// Of the entries that are delivered again none is trimmed before it is acknowledged once more, also when a later one is
// pending since before.
func TestWhatIsDeliveredAgainIsNeededAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	k, a, _ := f.tailed(time.Nanosecond, 1<<30)
	f.keep(k)
	a.busy = true
	first := f.stored(3)
	f.add(stream0, "*", "x")
	last := f.read(event.PersistenceGroup, 1)
	a.busy, a.store = false, "b"
	f.keep(k)
	f.left(append(first, last...)...)
	if a.marks[stream0] != first[0] {
		t.Errorf("the mark is %s, want %s", a.marks[stream0], first[0])
	}
	again := f.read(event.PersistenceGroup, 10)
	if strings.Join(again, " ") != strings.Join(append(first, last...), " ") {
		t.Errorf("%v came again", again)
	}
	f.ack(event.PersistenceGroup, again...)
	f.keep(k)
	f.left()
}
