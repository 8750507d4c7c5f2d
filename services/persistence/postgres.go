package persistence

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/semaphore"

	"github.com/theeye-dev/theeye/services/internal/postgres"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema is the PostgreSQL schema that this service owns.
const Schema = "persistence"

const (
	// insertAttempts at one transaction before its error is reported: deadlocks and missing partitions pass at once.
	insertAttempts = 3
	// maxInsertTime bounds one transaction beyond its statements' time-outs, so that a dead connection is given up.
	maxInsertTime = 30 * time.Second
)

// Postgres keeps events in PostgreSQL.
type Postgres struct {
	pool   *pgxpool.Pool
	writer string // names this replica's counter rows
	log    *slog.Logger
	days   days
	held   *semaphore.Weighted // bytes of answers that are read, or on their way

	patience time.Duration // how long a page looks into rows before it ends where it is

	// Announce is told what was committed, each record with its outcome; nil: nobody listens. What it takes, storing takes.
	Announce func(context.Context, []*record)
}

// NewPostgres returns the store of one replica.
func NewPostgres(pool *pgxpool.Pool, writer string, log *slog.Logger) *Postgres {
	return &Postgres{pool: pool, writer: writer, log: log, held: semaphore.NewWeighted(heldBytes), patience: lookPatience}
}

// Migrate brings the schema up to date.
func (p *Postgres) Migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("open migrations: %w", err)
	}
	return postgres.Migrate(ctx, p.pool, Schema, files)
}

// Insert writes records in one transaction, making the partitions they need. Deadlocks, serialization failures, and
// partitions dropped or ids erased meanwhile are tried again.
func (p *Postgres) Insert(ctx context.Context, records []*record) (Outcomes, error) {
	ctx, cancel := context.WithTimeout(ctx, maxInsertTime)
	defer cancel()
	for attempt := 1; ; attempt++ {
		outcomes, done, err := p.tryInsert(ctx, records)
		if err == nil && p.Announce != nil {
			p.Announce(ctx, done)
		}
		if err == nil || attempt == insertAttempts || !passing(err) {
			return outcomes, err
		}
		p.days.forget()
	}
}

// passing tells whether the same transaction may well succeed at once: 40P01 deadlock, 40001 serialization, 23514 no
// partition, or a ledger row that is being erased.
func passing(err error) bool {
	if errors.Is(err, errVanished) {
		return true
	}
	switch sqlState(err) {
	case deadlockDetected, "40001", "23514":
		return true
	}
	return false
}

// What PostgreSQL answers where others are at work, or a question takes too long: SQLSTATE.
const (
	deadlockDetected = "40P01"
	undefinedTable   = "42P01"
	lockNotAvailable = "55P03"
	queryCanceled    = "57014"
)

// sqlState is that of an error that PostgreSQL has answered; else "".
func sqlState(err error) string {
	if answer := (*pgconn.PgError)(nil); errors.As(err, &answer) {
		return answer.Code
	}
	return ""
}

func (p *Postgres) tryInsert(ctx context.Context, records []*record) (outcomes Outcomes, done []*record, err error) {
	if err := p.days.ensure(ctx, p.pool, daysOf(records)); err != nil {
		return nil, nil, err
	}
	err = p.inBatch(ctx, scopeOf(records), func(tx querier, known past) (*pgx.Batch, error) {
		w := &write{tx: tx, past: known, writer: p.writer, tally: newTally(), outcomes: Outcomes{}}
		last, err := w.all(ctx, records)
		outcomes, done = w.outcomes, w.done
		return last, err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("insert batch: %w", err)
	}
	return outcomes, done, nil
}
