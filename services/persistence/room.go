package persistence

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

const (
	// maxPageBytes ends a page early, as it is answered: a thousand of the largest events would be gigabytes. One row alone may
	// be larger: of an event of 1 MiB that has nothing but numbers like 1e308, PostgreSQL writes 52 MiB.
	maxPageBytes = 8 << 20
	// exportPageBytes is the same for a page of an export, in which nobody sees it: a thousand usual events.
	exportPageBytes = 512 << 10
	// heldBytes is what all answers of a replica together may have that are read, or written to clients that are slow to take
	// them. An answer is in memory up to three times: its rows, and its JSON in a buffer that doubles. That is a third of
	// what persistence keeps itself below.
	heldBytes = 48 << 20
	// freeBytes are not asked for: what is small is answered whatever others read.
	freeBytes = 64 << 10
)

var errCrowded = fault.New(fault.CodeUnavailable, "too many large answers are on their way to other clients at this moment")

// hold is the memory that the answer to a request has, until the request's context ends: net/http ends it when the answer
// is written. The zero value has what costs nobody anything.
type hold struct {
	mu    sync.Mutex
	free  int
	taken int64
	from  *semaphore.Weighted
	ended bool
}

type holdKey struct{}

// holding gives a request a hold, unless it has one.
func holding(ctx context.Context) context.Context {
	if _, ok := ctx.Value(holdKey{}).(*hold); ok {
		return ctx
	}
	return holdingFree(ctx, freeBytes)
}

func holdingFree(ctx context.Context, free int) context.Context {
	h := &hold{free: free}
	context.AfterFunc(ctx, h.release)
	return context.WithValue(ctx, holdKey{}, h)
}

// take tells whether there is memory for some bytes more. It never waits: who asks has a connection to PostgreSQL.
func (h *hold) take(from *semaphore.Weighted, bytes int) bool {
	if h == nil { // what TheEye asks itself, in chunks, one after the other
		return true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if bytes <= h.free {
		h.free -= bytes
		return true
	}
	more := min(int64(bytes-h.free), heldBytes-h.taken) // whoever has everything gets the largest row, too
	if h.ended || !from.TryAcquire(more) {
		return false
	}
	h.free, h.from, h.taken = 0, from, h.taken+more
	return true
}

func (h *hold) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended = true; h.taken > 0 {
		h.from.Release(h.taken)
	}
}

// room is what is left of a page.
type room struct {
	hold  *hold
	from  *semaphore.Weighted
	bytes int
	rows  int
}

// room is that of a page of at most some bytes, for the request that a context is of.
func (p *Postgres) room(ctx context.Context, bytes int) *room {
	h, _ := ctx.Value(holdKey{}).(*hold)
	return &room{hold: h, from: p.held, bytes: bytes}
}

// has tells whether a row of so many bytes is in the page. The first one is, however large, for a page must go on; where not
// even that can be had now it is an error.
func (r *room) has(bytes int) (bool, error) {
	first := r.rows == 0
	if !first && bytes > r.bytes {
		return false, nil
	}
	if !r.hold.take(r.from, bytes) {
		if first {
			return false, errCrowded
		}
		return false, nil
	}
	r.rows++
	r.bytes -= bytes
	return true, nil
}
