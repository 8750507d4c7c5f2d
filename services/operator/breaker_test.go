package operator

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// newBreaker is a breaker by a clock that stands still.
func newBreaker() (*breaker, *clock) {
	c := &clock{now: time.Now()}
	return &breaker{now: c.Now}, c
}

// fails sends a request that gets no answer.
func fails(t *testing.T, b *breaker) {
	t.Helper()
	era, ok := b.admit()
	if !ok {
		t.Fatal("it is open")
	}
	b.conclude(era, silent)
}

// refuses checks that a breaker is open.
func refuses(t *testing.T, b *breaker) {
	t.Helper()
	if _, ok := b.admit(); ok {
		t.Fatal("it lets a request through")
	}
}

// Each silence of a probe doubles the pause, up to its bound; an answer begins anew.
func TestBreakerPauses(t *testing.T) {
	t.Parallel()
	b, c := newBreaker()
	for range 2 {
		for _, seconds := range []int{1, 2, 4, 8, 15, 15} {
			pause := time.Duration(seconds) * time.Second
			fails(t, b)
			refuses(t, b)
			c.advance(pause - 1)
			refuses(t, b)
			c.advance(1)
		}
		era, ok := b.admit()
		if !ok {
			t.Fatal("it does not probe")
		}
		refuses(t, b)
		b.conclude(era, answered)
	}
}

// Requests that hang together are one silence, and one that was sent before an answer says nothing of now.
func TestBreakerKnowsWhenARequestWasSent(t *testing.T) {
	t.Parallel()
	b, c := newBreaker()
	first, _ := b.admit()
	second, _ := b.admit()
	old, _ := b.admit()
	b.conclude(first, silent)
	b.conclude(second, silent)
	c.advance(firstBreak)
	probe, ok := b.admit()
	if !ok {
		t.Fatal("two that hung together made the pause longer")
	}
	b.conclude(probe, answered)
	b.conclude(old, silent)
	if _, ok := b.admit(); !ok {
		t.Fatal("it opened by a request that was older than an answer")
	}
}

// A late answer closes it, and the probe that still runs opens it no more.
func TestBreakerTakesALateAnswer(t *testing.T) {
	t.Parallel()
	b, c := newBreaker()
	late, _ := b.admit()
	fails(t, b)
	c.advance(firstBreak)
	probe, _ := b.admit()
	b.conclude(late, answered)
	b.conclude(probe, silent)
	if _, ok := b.admit(); !ok {
		t.Fatal("it is open although an answer came")
	}
}

// A probe whose caller goes leaves the place to another; a request whose caller goes changes nothing.
func TestBreakerWithoutVerdict(t *testing.T) {
	t.Parallel()
	b, c := newBreaker()
	gone, _ := b.admit()
	b.conclude(gone, undecided)
	fails(t, b)
	c.advance(firstBreak)
	probe, _ := b.admit()
	refuses(t, b)
	b.conclude(gone, undecided) // of a time before
	refuses(t, b)
	b.conclude(probe, undecided)
	if _, ok := b.admit(); !ok {
		t.Fatal("nobody probes any more")
	}
	refuses(t, b)
}

// Of all who ask at once after a pause one is let through, each time.
func TestBreakerLetsOneProbe(t *testing.T) {
	t.Parallel()
	b, c := newBreaker()
	fails(t, b)
	for round := range 20 {
		c.advance(lastBreak)
		var (
			through atomic.Int64
			asking  sync.WaitGroup
			era     atomic.Int64
		)
		for range 50 {
			asking.Go(func() {
				if e, ok := b.admit(); ok {
					through.Add(1)
					era.Store(int64(e))
				}
			})
		}
		asking.Wait()
		if n := through.Load(); n != 1 {
			t.Fatalf("round %d: %d requests probe", round, n)
		}
		b.conclude(int(era.Load()), silent)
	}
}
