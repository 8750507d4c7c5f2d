package operator

import (
	"sync"
	"time"
)

const (
	// firstBreak is how long a service that did not answer is left alone: a restart takes about as long.
	firstBreak = time.Second
	// lastBreak is what that grows to; who is back is found again within it.
	lastBreak = 15 * time.Second
)

// outcome is what a request tells of the service that it was sent to.
type outcome int

const (
	answered  outcome = iota // in whatever way: who refuses is there
	silent                   // no answer came
	undecided                // whoever asked has gone: nothing is known
)

// breaker keeps requests from a service that does not answer, each of which would keep a worker from everything else.
// After a silence it is open, for longer each time; then one request probes while all others still fail at once.
type breaker struct {
	now func() time.Time

	mu    sync.Mutex
	era   int           // ends whenever the breaker opens or closes
	pause time.Duration // of this era; 0: closed
	until time.Time     // the end of the pause
	probe int           // the era plus one in which a request probes; 0: none does
}

// admit tells whether a request may be sent, and in which era. Who sends one has to conclude it.
func (b *breaker) admit() (era int, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pause > 0 {
		if b.probe == b.era+1 || b.now().Before(b.until) {
			return 0, false
		}
		b.probe = b.era + 1
	}
	return b.era, true
}

// conclude says what became of a request of an era. Any answer closes the breaker; a silence opens it only when the
// request was sent in this era: of many that hang together only the first counts.
func (b *breaker) conclude(era int, o outcome) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case o == answered && b.pause > 0:
		b.era, b.pause = b.era+1, 0
	case o == silent && era == b.era:
		b.era, b.pause = b.era+1, min(max(2*b.pause, firstBreak), lastBreak)
		b.until = b.now().Add(b.pause)
	case o == undecided && b.probe == era+1:
		b.probe = 0
	}
}
