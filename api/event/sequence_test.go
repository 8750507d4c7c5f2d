package event_test

import (
	"bytes"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/event"
)

func after(t *testing.T, a, b event.Sequence) {
	t.Helper()
	if bytes.Compare(a[:], b[:]) >= 0 {
		t.Fatalf("%s is not before %s", a, b)
	}
}

func TestSequenceForm(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 4, 5, 6, 7, 891_500_123, time.FixedZone("x", 3600))
	s := event.NewSequencer(func() time.Time { return now })
	q, received := s.Next(1)
	if q.Version() != 7 || q.Variant() != uuid.RFC4122 {
		t.Errorf("%s has version %d, variant %s", q, q.Version(), q.Variant())
	}
	if sec, nsec := q.Time().UnixTime(); !time.Unix(sec, nsec).Equal(now.Truncate(time.Millisecond)) {
		t.Errorf("%s tells %v", q, time.Unix(sec, nsec))
	}
	if got := int(q[6]&0x0f)<<8 | int(q[7]); got != 500_123<<12/1_000_000 {
		t.Errorf("the part of the millisecond is %d/4096", got)
	}
	if want := now.UTC().Truncate(time.Microsecond); received != want {
		t.Errorf("received at %v, want %v", received, want)
	}
}

func TestSequenceOrder(t *testing.T) {
	t.Parallel()
	clock := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := event.NewSequencer(func() time.Time { return clock })
	var last event.Sequence
	for _, step := range []time.Duration{
		0, time.Nanosecond, 244 * time.Nanosecond, time.Microsecond, 999 * time.Microsecond, time.Hour,
		-time.Hour, -time.Nanosecond, 0, time.Millisecond, 2 * time.Hour, // the clock steps back and catches up
	} {
		clock = clock.Add(step)
		for _, n := range []int{1, 5000, 2} {
			first, received := s.Next(n)
			after(t, last, first)
			for i := 1; i < n; i++ {
				after(t, event.Nth(first, i-1), event.Nth(first, i))
			}
			last = event.Nth(first, n-1)
			if want := clock.Truncate(time.Microsecond); received != want {
				t.Fatalf("received at %v, the clock says %v", received, want)
			}
		}
	}
}

func TestSequenceNth(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := event.NewSequencer(func() time.Time { return now })
	first, _ := s.Next(3)
	next, _ := s.Next(1)
	if event.Nth(first, 0) != first || event.Nth(first, 3) != next {
		t.Errorf("reservation %s of 3 is followed by %s", first, next)
	}
	if q := event.Nth(first, event.MaxEvents); q.Version() != 7 || q.Variant() != uuid.RFC4122 {
		t.Errorf("%s has version %d, variant %s", q, q.Version(), q.Variant())
	}
}

// A clock that stands still long enough to exhaust the counter borrows from the future and stays unique.
func TestSequenceCounterOverflow(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := event.NewSequencer(func() time.Time { return now })
	const most = 1 << 29
	last := event.Sequence{}
	for range 5 {
		first, _ := s.Next(most)
		after(t, last, first)
		last = event.Nth(first, most-1)
		after(t, first, last)
		if last.Version() != 7 || last.Variant() != uuid.RFC4122 {
			t.Fatalf("%s has version %d, variant %s", last, last.Version(), last.Variant())
		}
	}
}

func TestSequenceConcurrent(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var tick int64
	s := event.NewSequencer(func() time.Time { // a clock that jitters back and forth
		mu.Lock()
		defer mu.Unlock()
		tick++
		return time.UnixMicro(1_700_000_000_000_000 + tick%7*100)
	})
	const workers, rounds, n = 8, 200, 3
	got := make([][]event.Sequence, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for range rounds {
				first, _ := s.Next(n)
				for i := range n {
					got[w] = append(got[w], event.Nth(first, i))
				}
			}
		})
	}
	wg.Wait()
	seen := map[event.Sequence]bool{}
	for _, own := range got {
		if !slices.IsSortedFunc(own, func(a, b event.Sequence) int { return bytes.Compare(a[:], b[:]) }) {
			t.Error("one caller's sequences are not in order")
		}
		for _, q := range own {
			seen[q] = true
		}
	}
	if len(seen) != workers*rounds*n {
		t.Errorf("%d different sequences of %d", len(seen), workers*rounds*n)
	}
}

func TestSequencersOfReplicasDiffer(t *testing.T) {
	t.Parallel()
	now := time.Now()
	clock := func() time.Time { return now }
	one, _ := event.NewSequencer(clock).Next(1)
	other, _ := event.NewSequencer(clock).Next(1)
	if one == other || !bytes.Equal(one[:12], other[:12]) {
		t.Errorf("two replicas at one moment: %s and %s", one, other)
	}
}

// Numbers leave no gap, whoever takes them, and each replica has its own.
func TestSequencerNumbers(t *testing.T) {
	t.Parallel()
	s, other := event.NewSequencer(time.Now), event.NewSequencer(time.Now)
	const workers, rounds = 8, 200
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for range rounds {
				s.Number(w + 1)
			}
		})
	}
	wg.Wait()
	if got := s.Number(1); got != rounds*workers*(workers+1)/2+1 {
		t.Errorf("the next number is %d", got)
	}
	if got := other.Number(3); got != 1 {
		t.Errorf("another replica begins with %d", got)
	}
	first, _ := s.Next(2)
	second, _ := other.Next(1)
	if event.Replica(first) != event.Replica(event.Nth(first, 1)) || event.Replica(first) == event.Replica(second) {
		t.Errorf("replicas of %s and %s", first, second)
	}
}
