package persistence

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

// exporter streams events, page by page: between two pages nothing is held in PostgreSQL, and in memory one page at most.
type exporter struct {
	read  func(context.Context, Query) (EventPage, error)
	turns chan struct{}
	held  *semaphore.Weighted
	now   func() time.Time
}

// exportPage is a page, and gives back its memory.
type exportPage struct {
	EventPage
	done context.CancelFunc
}

// page waits for memory, and for its turn. A page may be short, or have nothing at all.
func (e *exporter) page(ctx context.Context, q Query) (page exportPage, err error) {
	if err := e.held.Acquire(ctx, exportPageBytes); err != nil {
		return exportPage{done: func() {}}, fault.Wrap(fault.CodeUnavailable, "too many exports are on their way", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	page.done = sync.OnceFunc(func() {
		cancel()
		e.held.Release(exportPageBytes)
	})
	if page.EventPage, err = e.turn(holdingFree(ctx, exportPageBytes), q); err != nil {
		page.done()
	}
	return page, err
}

func (e *exporter) turn(ctx context.Context, q Query) (EventPage, error) {
	select {
	case e.turns <- struct{}{}:
	case <-ctx.Done():
		return EventPage{}, fault.Wrap(fault.CodeUnavailable, "too many exports are running", ctx.Err())
	}
	defer func() { <-e.turns }()
	return e.read(ctx, q)
}

// next reads the page behind one. How many rows are asked for follows from how many had room: PostgreSQL sends them all.
func (x *export) next(ctx context.Context, page *EventPage) (exportPage, error) {
	const fewest = 10
	q := x.Query
	if err := q.goOn(page.NextCursor); err != nil {
		return exportPage{done: func() {}}, err
	}
	if _, err := x.again(ctx, q.scope()); err != nil { // a right that was taken away meanwhile
		return exportPage{done: func() {}}, err
	}
	q.Limit = min(maxLimit, 2*len(page.Events)+fewest)
	return x.page(ctx, q)
}
