package persistence

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// place is where a message stands on the tail: an entry of the stream, and a line of it, from 1 on. Line 0 is before them:
// there stands what was lost before the entry, and where heartbeats say that somebody has been.
type place struct {
	ms, n uint64
	line  int
}

func (p place) String() string { return fmt.Sprintf("%s.%d", p.entry(), p.line) }

// entry is the id of the entry.
func (p place) entry() string { return fmt.Sprintf("%d-%d", p.ms, p.n) }

// previous is the greatest id that an entry before this one may have.
func (p place) previous() string {
	if p.n > 0 {
		return place{ms: p.ms, n: p.n - 1}.entry()
	}
	return place{ms: max(p.ms, 1) - 1, n: math.MaxUint64}.entry()
}

func (p place) before(other place) bool {
	if p.ms != other.ms {
		return p.ms < other.ms
	}
	if p.n != other.n {
		return p.n < other.n
	}
	return p.line < other.line
}

// inSameEntry tells whether two places are of one entry.
func (p place) inSameEntry(other place) bool { return p.ms == other.ms && p.n == other.n }

// heartbeat tells whether a place is one that a heartbeat may have given by now, whose replica's clock is another one.
func (p place) heartbeat(now time.Time) bool {
	return p.n == 0 && p.line == 0 && p.ms <= placeAt(now.Add(-seenFor/2)).ms
}

// placeAt is before every entry that is added from a time on.
func placeAt(t time.Time) place { return place{ms: uint64(max(0, t.UnixMilli()))} }

// parsePlace reads what String wrote.
func parsePlace(text string) (p place, ok bool) {
	id, line, ok1 := strings.Cut(text, ".")
	ms, n, ok2 := strings.Cut(id, "-")
	var errs [3]error
	p.ms, errs[0] = strconv.ParseUint(ms, 10, 64)
	p.n, errs[1] = strconv.ParseUint(n, 10, 64)
	p.line, errs[2] = strconv.Atoi(line)
	return p, ok1 && ok2 && errors.Join(errs[:]...) == nil && p.line >= 0
}
