package persistence

import (
	"context"
	"time"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

// askPause is how long an export waits before it asks again what it may: a fraction of what an answer is late by.
const askPause = 100 * time.Millisecond

// exporter streams events, page by page: between two pages nothing is held in PostgreSQL, and in memory one page at most.
type exporter struct {
	read  func(context.Context, Query) (EventPage, error)
	turns chan struct{}
	seats *seats
	now   func() time.Time
}

// exportPage is a page, and gives back its memory.
type exportPage struct {
	EventPage
	done context.CancelFunc
}

// page waits for its turn. A page may be short, or have nothing at all. Its memory is the export's own, of which there are
// few; only for a row that is larger it needs some of what all answers share.
func (e *exporter) page(ctx context.Context, q Query) (page exportPage, err error) {
	ctx, page.done = context.WithCancel(ctx)
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

// next reads the page behind a cursor. How many rows are asked for follows from how many had room: PostgreSQL sends them all.
func (x *export) next(ctx context.Context, cursor string, rows int) (exportPage, error) {
	const fewest = 10
	q := x.Query
	if err := q.goOn(cursor); err != nil {
		return exportPage{}, err
	}
	err := insist(ctx, func() error { _, err := x.again(ctx, q.scope()); return err }) // a right that was taken away meanwhile
	if err != nil {
		return exportPage{}, err
	}
	q.Limit = min(maxLimit, 2*rows+fewest)
	return x.page(ctx, q)
}

// insist asks until there is an answer: a right that nobody can look up in this moment is neither there nor taken away. It
// waits no longer than an export may be silent.
func insist(ctx context.Context, ask func() error) error {
	silence := time.NewTimer(exportSilence)
	defer silence.Stop()
	for {
		err := ask()
		if fault.KindOf(err) != fault.Unavailable {
			return err
		}
		select {
		case <-time.After(askPause):
		case <-silence.C:
			return err
		case <-ctx.Done():
			return err
		}
	}
}
