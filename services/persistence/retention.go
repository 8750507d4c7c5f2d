package persistence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/theeye-dev/theeye/api/registry"
)

const (
	// retentionLock is the advisory lock of every step of retention: one replica at a time, and a crash frees it.
	retentionLock = 0x7468656579650006
	// roundChunks ends a round after about a minute of work, so that a retention that was made longer is heeded.
	roundChunks = 2000
)

// Retention deletes what applications have asked to be kept no longer.
type Retention struct {
	Store *Postgres
	// Records returns the newest record of each application, as keyring.Records does.
	Records func(ctx context.Context) (map[uuid.UUID]*registry.Application, error)
	Now     func() time.Time
	Log     *slog.Logger
	// ReportOnly: nothing is deleted, and Due tells what would be.
	ReportOnly bool

	rows    metric.Int64Counter
	days    metric.Int64Counter
	overdue metric.Float64Gauge

	// Of the round that runs: how many chunks it may still do, for how long the oldest of what it had to leave has been
	// due, and the credentials that live.
	chunks int
	late   time.Duration
	living map[uuid.UUID][]string
}

// errLater ends a round that has done its share: what is left comes with the next one, at once.
var errLater = errors.New("enough for one round")

// Register registers theeye_retention_rows_total, theeye_retention_days_total and theeye_retention_overdue_seconds.
func (r *Retention) Register(meter metric.Meter) (err error) {
	var errs [3]error
	r.rows, errs[0] = meter.Int64Counter("theeye.retention.rows", metric.WithDescription("Rows whose retention had passed and that this replica deleted, by kind; of repetitions it deleted the ids."))
	r.days, errs[1] = meter.Int64Counter("theeye.retention.days", metric.WithDescription("Days whose partition this replica dropped."))
	r.overdue, errs[2] = meter.Float64Gauge("theeye.retention.overdue", metric.WithUnit("s"),
		metric.WithDescription("For how long the oldest of what is due and not deleted has been due."))
	if err := errors.Join(errs[:]...); err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	for _, kind := range []string{"events", "failures", "usage", "types", "repetitions", "credentials"} {
		r.count(context.Background(), kind, 0)
	}
	r.days.Add(context.Background(), 0)
	r.overdue.Record(context.Background(), 0)
	return nil
}

func (r *Retention) count(ctx context.Context, kind string, rows int64) {
	r.rows.Add(ctx, rows, metric.WithAttributes(attribute.String("kind", kind)))
}

// Run keeps to the retentions until the context ends; a chunk in hand is rolled back then.
func (r *Retention) Run(ctx context.Context) error {
	ticker := time.NewTicker(housekeeping)
	defer ticker.Stop()
	for ctx.Err() == nil {
		err := r.Round(ctx)
		if errors.Is(err, errLater) {
			continue
		}
		if err != nil && ctx.Err() == nil {
			r.Log.WarnContext(ctx, "retention interrupted", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
	return nil
}

// Round does what is due, or a share of it. It begins with what the application log says now: without that nothing is
// deleted.
func (r *Retention) Round(ctx context.Context) error {
	known, err := r.known(ctx)
	if err != nil || r.ReportOnly {
		return err
	}
	r.chunks, r.late = roundChunks, 0
	defer func() { r.overdue.Record(ctx, r.late.Seconds()) }()
	var errs []error
	for _, step := range []func(context.Context, keepings) error{r.expired, r.events, r.rest} {
		err := step(ctx, known)
		if errors.Is(err, errElsewhere) {
			r.late = 0 // it is told there
			return nil
		}
		if ends(ctx, err) {
			return err
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// ends tells whether a round is over with an error; another one is its step's alone.
func ends(ctx context.Context, err error) bool {
	return errors.Is(err, errElsewhere) || errors.Is(err, errLater) || ctx.Err() != nil
}

// known returns how long each application's events are kept.
func (r *Retention) known(ctx context.Context) (keepings, error) {
	records, err := r.Records(ctx)
	if err != nil {
		return nil, err
	}
	r.living = map[uuid.UUID][]string{}
	for uid, a := range records {
		for i := 0; a != nil && i < len(a.Credentials); i++ {
			r.living[uid] = append(r.living[uid], a.Credentials[i].ID)
		}
	}
	return r.Store.noteRetentions(ctx, records)
}

// alone runs a transaction while no other replica runs one of retention.
func (p *Postgres) alone(ctx context.Context, begin string, f func(pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, p.pool, pgx.TxOptions{BeginQuery: begin}, func(tx pgx.Tx) error {
		var mine bool
		if err := tx.QueryRow(ctx, "SELECT pg_try_advisory_xact_lock($1)", int64(retentionLock)).Scan(&mine); err != nil {
			return err
		}
		if !mine {
			return errElsewhere
		}
		return f(tx)
	})
}

// until repeats a step, a transaction each time, until it finds nothing more. There is a bound to how many a round has.
func (r *Retention) until(ctx context.Context, step func(context.Context, pgx.Tx) (deleted, error)) error {
	for {
		if r.chunks == 0 {
			return errLater
		}
		var gone deleted
		err := r.Store.alone(ctx, beginSweep, func(tx pgx.Tx) (err error) {
			gone, err = step(ctx, tx)
			return err
		})
		if err != nil || len(gone) == 0 {
			return err
		}
		r.chunks--
		for kind, rows := range gone {
			r.count(ctx, kind, rows)
		}
	}
}

// deleted counts rows by kind; there is nothing that is 0.
type deleted map[string]int64

func (d deleted) note(kind string, rows int64) {
	if rows > 0 {
		d[kind] += rows
	}
}

// eventsDeleted is a step's answer that knows only events.
func eventsDeleted(rows int64, err error) (deleted, error) {
	gone := deleted{}
	gone.note("events", rows)
	return gone, err
}
