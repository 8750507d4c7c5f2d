package persistence

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/services/internal/fault"
)

// The states of a Failure.
const (
	stateOpen      = "open"
	stateReplayed  = "replayed"
	stateDiscarded = "discarded"
)

// discarded is the outcome that a Failure has when nobody wants it.
const discarded Outcome = "discarded"

// Attempt is what became of one Failure that was replayed, or would become of it.
type Attempt struct {
	ID       event.Sequence `json:"id"`
	DryRun   bool           `json:"dry_run"`
	Outcome  Outcome        `json:"outcome"` // stored, duplicate, conflict, refused, failed or erased
	Code     string         `json:"code,omitempty"`
	Detail   string         `json:"detail,omitempty"`
	Pointers []string       `json:"pointers,omitempty"`
}

// refused says why an attempt has left its Failure open.
func (a *Attempt) refused(o Outcome, r *event.Refusal) {
	a.Outcome, a.Code, a.Detail = o, storable(string(r.Code)), storable(r.Detail)
	a.Pointers = pointersOf(storable(r.Pointer))
}

// closes tells whether an attempt closes its Failure: what it was is stored now, or was already.
func (a *Attempt) closes() bool { return a.Outcome == Stored || a.Outcome == Duplicate }

// errNoFailure is what is said of an unknown Failure and of another one's alike.
var errNoFailure = fault.New(fault.CodeNotFound, "there is no such failure, or none that you may see; failures go with the retention of their application")

// oneReplay asks for the replay of one Failure.
type oneReplay struct {
	failureQuestion
	dryRun bool
}

// raced is how often a Failure is looked at that others close in the very moment: then it is closed.
const raced = 3

// One replays one Failure. One that is replayed already answers what became of it then.
func (r *Replayer) One(ctx context.Context, q oneReplay) (*Attempt, error) {
	take := r.takeTurn
	if q.dryRun {
		take = r.takeDryTurn
	}
	end, err := take(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	for range raced {
		found, err := r.store.candidate(ctx, q.failureQuestion)
		if err != nil {
			return nil, err
		}
		if found == nil {
			return r.closed(ctx, q)
		}
		if err := r.judge(ctx, []*candidate{found}); err != nil {
			return nil, err
		}
		attempts, err := r.try(ctx, &replayJob{dryRun: q.dryRun, now: r.now()}, []*candidate{found})
		if err != nil {
			return nil, err
		}
		if len(attempts) == 1 {
			return attempts[0], nil
		}
	}
	return nil, fault.New(fault.CodeUnavailable, "others replay this failure at the same moment")
}

// closed answers for a Failure that is not open.
func (r *Replayer) closed(ctx context.Context, q oneReplay) (*Attempt, error) {
	f, err := r.store.Failure(ctx, q.failureQuestion)
	switch {
	case err != nil:
		return nil, err
	case f == nil || f.Attempt == nil:
		return nil, errNoFailure
	case f.State == stateDiscarded:
		return nil, fault.New(fault.CodeConflict, "the failure was discarded at "+f.Attempt.At+"; its original can be posted again")
	}
	return &Attempt{ID: f.ID, DryRun: q.dryRun, Outcome: f.Attempt.Outcome, Code: f.Attempt.Code, Detail: f.Attempt.Detail, Pointers: f.Attempt.Pointers}, nil
}

// Discard closes an open Failure that nobody wants. One that is discarded stays so.
func (r *Replayer) Discard(ctx context.Context, q failureQuestion) (struct{}, error) {
	changed, err := r.store.discard(ctx, q, r.now())
	if err != nil || changed {
		return struct{}{}, err
	}
	f, err := r.store.Failure(ctx, q)
	switch {
	case err != nil:
		return struct{}{}, err
	case f == nil:
		return struct{}{}, errNoFailure
	case f.State == stateReplayed:
		return struct{}{}, fault.New(fault.CodeConflict, "the failure was replayed: its event is stored")
	}
	return struct{}{}, nil
}

func (p *Postgres) discard(ctx context.Context, q failureQuestion, now time.Time) (changed bool, err error) {
	c := q.conditions()
	where := c.String()
	c.clauses = nil
	c.add("attempted_at = %s", now)
	c.add("attempt_outcome = %s", string(discarded))
	c.add("attempts = "+attemptsSQL("%s"), (&Attempt{Outcome: discarded}).attemptedAt(now))
	tag, err := p.pool.Exec(ctx, "UPDATE persistence.failures SET state = 'discarded', attempt_code = NULL, attempt_detail = NULL, attempt_pointer = NULL, "+
		strings.Join(c.clauses, ", ")+" WHERE state = 'open' AND "+where, c.args...)
	if err != nil {
		return false, fmt.Errorf("discard failure: %w", err)
	}
	return tag.RowsAffected() > 0, nil
}
