package persistence

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/metric"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/services/internal/fault"
)

const (
	// eraseWait is how long a request waits for its erasure: clients wait for that long without a thought.
	eraseWait = 5 * time.Second
	// erasePoll is how often what is awaited is looked at: one row by its key.
	erasePoll = 50 * time.Millisecond
	// eraseIdle is how often a replica looks for erasures that another one has begun and not ended.
	eraseIdle = 5 * time.Second
)

// Eraser erases what applications have sent, or what belongs to a session. Requests are rows of tables, so that any replica may carry them out,
// whatever becomes of the one that took them.
type Eraser struct {
	store *Postgres
	now   func() time.Time
	log   *slog.Logger
	nudge chan struct{} // a request was recorded here
	noted *ErasureLog   // outlives the database; nil: nothing does
	tail  *Tail         // forgets what is erased; nil: there is none

	untold map[target]event.Sequence // what the tail has forgotten of what is pending, up to where; Run's alone

	pending metric.Int64Gauge
	rows    metric.Int64Counter
}

// NewEraser registers theeye_erasures_pending and theeye_erased_rows_total. now is persistence's clock.
func NewEraser(store *Postgres, now func() time.Time, log *slog.Logger, meter metric.Meter) (*Eraser, error) {
	pending, err := meter.Int64Gauge("theeye.erasures.pending", metric.WithDescription("Applications and sessions that are being erased."))
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	rows, err := meter.Int64Counter("theeye.erased.rows", metric.WithDescription("Rows erased by this replica."))
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	pending.Record(context.Background(), 0)
	rows.Add(context.Background(), 0)
	return &Eraser{store: store, now: now, log: log, nudge: make(chan struct{}, 1), untold: map[target]event.Sequence{}, pending: pending, rows: rows}, nil
}

// Remember has every erasure written down in a log as well before it is answered.
func (e *Eraser) Remember(log *ErasureLog) { e.noted = log }

// Silence has the live tail of all replicas forget what is erased, before an erasure ends.
func (e *Eraser) Silence(tail *Tail) { e.tail = tail }

// Erase erases all that an application has sent until now. It waits for some seconds; from then on the erasure is
// Erasing and goes on by itself, and Erase may be called again to see how far it is.
//
// What was received before the call is erased, and what is sent after the answer is kept, although the clocks that say
// so differ: the cut-off is maxSkew after the call, and the answer comes no earlier than maxSkew after the cut-off.
// What is received between call and answer may go either way.
func (e *Eraser) Erase(ctx context.Context, application uuid.UUID) (Erasure, error) {
	return e.erase(ctx, target{application: application})
}

// EraseSession does the same with all that belongs to a session, of any application, and keeps nothing that tells its
// id to who does not know it.
func (e *Eraser) EraseSession(ctx context.Context, id string) (Erasure, error) {
	return e.erase(ctx, target{session: id})
}

// OfSession tells how far the erasure of a session is, or that it has ended, and asks for none: 404 where nobody ever did.
func (e *Eraser) OfSession(ctx context.Context, id string) (Erasure, error) {
	progress, _, err := e.store.erasureOf(ctx, target{session: id})
	if errors.Is(err, pgx.ErrNoRows) {
		err = fault.New(fault.CodeNotFound, "this session was never erased")
	}
	return progress, err
}

func (e *Eraser) erase(ctx context.Context, t target) (Erasure, error) {
	ctx, cancel := context.WithTimeout(ctx, eraseWait)
	defer cancel()
	began := e.now()
	cutOff, err := e.store.requestErasure(ctx, t, began)
	if err != nil {
		return Erasure{}, err
	}
	select {
	case e.nudge <- struct{}{}:
	default: // the worker was told already
	}
	if e.noted != nil {
		if err := e.noted.noteTarget(ctx, t, cutOff); err != nil {
			return Erasure{}, err
		}
	}
	return e.await(ctx, t, cutOff, began.Add(2*maxSkew))
}

// await returns when all up to a cut-off is gone and a moment has come; or when ctx ends, with how far it is then.
func (e *Eraser) await(ctx context.Context, t target, cutOff event.Sequence, moment time.Time) (Erasure, error) {
	poll := time.NewTicker(erasePoll)
	defer poll.Stop()
	for {
		// Beyond ctx: the wait is over then, and not the answer.
		progress, gone, err := e.store.erasureOf(context.WithoutCancel(ctx), t)
		if err != nil {
			return Erasure{}, err
		}
		if bytes.Compare(gone[:], cutOff[:]) >= 0 && !e.now().Before(moment) {
			progress.State = EraseEnded // up to here, though it may go on up to what another request came with
			return progress, nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			progress.State, progress.FinishedAt = Erasing, nil
			return progress, nil
		}
	}
}

// Run erases what is asked for, by whichever replica, until the context ends. What it leaves undone goes on elsewhere,
// or here after a restart.
func (e *Eraser) Run(ctx context.Context) error {
	idle := time.NewTicker(eraseIdle)
	defer idle.Stop()
	for ctx.Err() == nil {
		left, err := e.round(ctx)
		if err != nil && ctx.Err() == nil {
			e.log.WarnContext(ctx, "erasing interrupted", "error", err)
		}
		again := make(<-chan time.Time)
		if left && err == nil {
			again = time.After(erasePoll)
		}
		select {
		case <-ctx.Done():
		case <-e.nudge:
		case <-idle.C:
		case <-again:
		}
	}
	return nil
}

// round takes every pending erasure as far as it gets, and tells whether something is left that may go on at once.
func (e *Eraser) round(ctx context.Context) (left bool, err error) {
	pending, err := e.store.pendingErasures(ctx)
	if err != nil {
		return false, err
	}
	e.pending.Record(ctx, int64(len(pending)))
	errs := []error{e.silence(ctx, pending)}
	for i := range pending {
		err := e.carryOut(ctx, &pending[i])
		left = left || err == nil || errors.Is(err, errElsewhere) || errors.Is(err, errUnaware) || errors.Is(err, errTold)
		if err != nil && !errors.Is(err, errElsewhere) && !errors.Is(err, errUnaware) && !errors.Is(err, errDetached) && !errors.Is(err, errTold) {
			errs = append(errs, fmt.Errorf("erase %s: %w", pending[i].target, err))
		}
	}
	return left, errors.Join(errs...)
}

// silence has the tail forget what it was not yet told to forget: all of it at once, for the tail is read from its beginning.
func (e *Eraser) silence(ctx context.Context, pending []sweep) error {
	if e.tail == nil {
		return nil
	}
	untold := make(map[target]event.Sequence, len(pending))
	var told []sweep
	for _, s := range pending {
		if e.silent(&s) {
			untold[s.target] = s.cutOff
		} else {
			told = append(told, s)
		}
	}
	e.untold = untold
	if len(told) == 0 {
		return nil
	}
	salt, err := e.store.salt(ctx)
	if err == nil {
		err = e.tail.Erase(ctx, salt, told)
	}
	if errors.Is(err, errRewriting) {
		return nil // the next round
	}
	if err != nil {
		return err
	}
	for _, s := range told {
		untold[s.target] = s.cutOff
	}
	return nil
}

// silent tells whether nothing is told any more of what is erased.
func (e *Eraser) silent(s *sweep) bool {
	cutOff, ok := e.untold[s.target]
	return e.tail == nil || ok && bytes.Compare(cutOff[:], s.cutOff[:]) >= 0
}
