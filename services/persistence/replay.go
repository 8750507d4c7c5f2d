package persistence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/check"
	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/postgres"
)

const (
	// replayRows is how many Failures one transaction replays: tens of milliseconds.
	replayRows = 100
	// replayPause is between two of them, of all replicas together: a thousand Failures a second at most, which is a small
	// part of what is stored.
	replayPause = 100 * time.Millisecond
	// replayIdle is how often a replica looks for replays that another one was asked for, or has left.
	replayIdle = 5 * time.Second
	// replaysKept is for how long an ended replay can be asked for.
	replaysKept = 30 * day
)

// rulebook has the rules by which an application's events are judged today; *keyring.Keyring does.
type rulebook interface {
	Ready() error
	Rules(application uuid.UUID) (*registry.Application, *check.Rules)
}

// Replayer sends Failures through the door once more: by the rules of today's policy, their age judged by when they were
// received. What passes is stored as it would have been then, under its id and sequence, so that it is stored once
// however often and by whomever it is replayed.
type Replayer struct {
	store *Postgres
	rules rulebook
	now   func() time.Time
	log   *slog.Logger
	nudge chan struct{} // a replay was asked for here
	// turn is taken by what replays: one at a time, so that replaying has one connection, and the memory of one check.
	turn chan struct{}
	// dryTurn is taken before by a dry run of one Failure: whoever may read asks for as many as they like, and one of them
	// at most stands before a replay.
	dryTurn chan struct{}
	rows    int           // replayRows
	pause   time.Duration // replayPause

	outcomes metric.Int64Counter
}

// NewReplayer registers theeye_replayed_total.
func NewReplayer(store *Postgres, rules rulebook, now func() time.Time, log *slog.Logger, meter metric.Meter) (*Replayer, error) {
	outcomes, err := meter.Int64Counter("theeye.replayed", metric.WithDescription("Failures that this replica replayed, by outcome; without dry runs."))
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	r := &Replayer{
		store: store, rules: rules, now: now, log: log, nudge: make(chan struct{}, 1), turn: make(chan struct{}, 1), dryTurn: make(chan struct{}, 1),
		rows: replayRows, pause: replayPause, outcomes: outcomes,
	}
	for _, o := range []Outcome{Stored, Duplicate, Conflict, Refused, Failed, Erased} {
		r.count(context.Background(), o, 0)
	}
	return r, nil
}

func (r *Replayer) count(ctx context.Context, o Outcome, n int64) {
	r.outcomes.Add(ctx, n, metric.WithAttributes(attribute.String("outcome", string(o))))
}

// takeTurn waits for what is replayed now.
func (r *Replayer) takeTurn(ctx context.Context) (end func(), err error) { return take(ctx, r.turn) }

// takeDryTurn does so for a dry run of one Failure, behind the others.
func (r *Replayer) takeDryTurn(ctx context.Context) (end func(), err error) {
	endDry, err := take(ctx, r.dryTurn)
	if err != nil {
		return nil, err
	}
	endTurn, err := r.takeTurn(ctx)
	if err != nil {
		endDry()
		return nil, err
	}
	return func() { endTurn(); endDry() }, nil
}

func take(ctx context.Context, turn chan struct{}) (end func(), err error) {
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, nil
	case <-ctx.Done():
		return nil, fault.Wrap(fault.CodeOverloaded, "too many failures wait to be replayed one by one; replay them by a filter", ctx.Err())
	}
}

// Run carries out replays, by whichever replica, until the context ends.
func (r *Replayer) Run(ctx context.Context) error {
	idle := time.NewTicker(replayIdle)
	defer idle.Stop()
	for ctx.Err() == nil {
		left, err := r.step(ctx)
		if err != nil && ctx.Err() == nil {
			r.log.WarnContext(ctx, "replaying interrupted", "error", err)
		}
		again := make(<-chan time.Time)
		if left && err == nil {
			again = time.After(r.pause)
		}
		select {
		case <-ctx.Done():
		case <-r.nudge:
		case <-idle.C:
		case <-again:
		}
	}
	return nil
}

// step does a chunk of the replay that has waited for the longest, and tells whether there was one.
func (r *Replayer) step(ctx context.Context) (left bool, err error) {
	job, err := r.store.nextReplay(ctx)
	if err != nil || job == nil {
		return false, err
	}
	end, err := r.takeTurn(ctx)
	if err != nil {
		return false, err
	}
	defer end()
	job.pause, job.now = r.pause, r.now()
	err = r.chunk(ctx, job)
	if err == nil || errors.Is(err, errElsewhere) {
		return true, nil
	}
	return true, fmt.Errorf("replay %s: %w", job.id, errors.Join(err, r.store.putBack(ctx, job)))
}

// chunk replays the next Failures of a job, the earliest first, or ends it.
func (r *Replayer) chunk(ctx context.Context, job *replayJob) error {
	found, err := r.store.candidates(ctx, job, r.rows)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return r.store.endReplay(ctx, job)
	}
	if err := r.judge(ctx, found); err != nil {
		return err
	}
	_, err = r.try(ctx, job, found)
	return err
}

// try replays Failures in one transaction, and when PostgreSQL refuses their data, each half alone. attempts has what
// became of those that were open.
func (r *Replayer) try(ctx context.Context, job *replayJob, found []*candidate) (attempts []*Attempt, err error) {
	attempts, err = r.store.replay(ctx, job, found)
	switch {
	case err == nil:
		for _, a := range attempts {
			if !job.dryRun {
				r.count(ctx, a.Outcome, 1)
			}
		}
		return attempts, nil
	case !postgres.IsDataError(err):
		return nil, err
	case len(found) > 1:
		half := len(found) / 2
		first, err := r.try(ctx, job, found[:half])
		if err != nil {
			return nil, err
		}
		second, err := r.try(ctx, job, found[half:])
		return append(first, second...), err
	case found[0].refusal != nil:
		return nil, err // not even what became of it: tried again, and logged
	}
	found[0].fail(event.CodeStore, postgres.Reason(err), "")
	return r.try(ctx, job, found)
}
