package main

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// copyRows is how many rows one COPY carries, about what persistence stores in one transaction.
const copyRows = 1000

// copyTable has the columns and the two indexes of TheEye's table of events (persistence/migrations), and nothing
// else: no partitions, no ledger of ids, no sessions and no counters. What makes TheEye exact is not in this ceiling.
const copyTable = `
CREATE SCHEMA bench;
CREATE TABLE bench.events (
	application uuid NOT NULL,
	id text NOT NULL,
	session_id text NOT NULL,
	category text NOT NULL,
	name text NOT NULL,
	data jsonb,
	occurred_at timestamptz NOT NULL,
	received_at timestamptz NOT NULL,
	sequence uuid NOT NULL,
	credential text NOT NULL,
	trace_id uuid
);
CREATE INDEX ON bench.events (session_id, occurred_at, sequence);
CREATE INDEX ON bench.events (application, occurred_at, sequence);`

// copyDrop removes it, so that the next target finds PostgreSQL as this one did.
const copyDrop = `DROP SCHEMA bench CASCADE`

var copyColumns = []string{
	"application", "id", "session_id", "category", "name", "data", "occurred_at", "received_at", "sequence",
	"credential", "trace_id",
}

// copyConfig tells the COPY generator what to do.
type copyConfig struct {
	PostgresURL string        `json:"postgres_url"`
	WarmUp      time.Duration `json:"warm_up"`
	Duration    time.Duration `json:"duration"`
	MaxEvents   int           `json:"max_events"`
}

// runCopy is the process of the COPY baseline: generator and client in one, for making a row is part of what storing
// it costs. It uses one connection.
func runCopy(l *link) error {
	var config copyConfig
	if err := l.in.Decode(&config); err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, config.PostgresURL)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close(ctx) //nolint:errcheck // all is committed
	if _, err := conn.Exec(ctx, copyTable); err != nil {
		return fmt.Errorf("make table: %w", err)
	}
	rows, err := newRowSource(time.Now())
	if err != nil {
		return err
	}
	warm, err := rows.copyFor(ctx, conn, config.WarmUp, config.MaxEvents)
	if err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	if err := l.awaitGo(warm.Events); err != nil {
		return err
	}
	measured, err := rows.copyFor(ctx, conn, config.Duration, config.MaxEvents)
	if err != nil {
		return err
	}
	if err := rows.verify(ctx, conn, warm.Events+measured.Events); err != nil {
		return err
	}
	return l.finish(measured)
}

// rowSource makes the rows that the workload's events become.
type rowSource struct {
	events      []wireEvent
	times       []time.Time
	application uuid.UUID
	made        uint64
	left        int // of the COPY in hand
	row         []any
	err         error
}

func newRowSource(now time.Time) (*rowSource, error) {
	events, err := newEvents(poolEvents, now)
	if err != nil {
		return nil, err
	}
	s := &rowSource{events: events, application: uuid.New(), row: make([]any, len(copyColumns))}
	for i := range events {
		at, err := time.Parse(time.RFC3339Nano, events[i].Timestamp)
		if err != nil {
			return nil, fmt.Errorf("read timestamp: %w", err)
		}
		s.times = append(s.times, at)
	}
	return s, nil
}

func (s *rowSource) copyFor(ctx context.Context, conn *pgx.Conn, duration time.Duration, maxEvents int) (outcome, error) {
	var h histogram
	begin := time.Now()
	for start := begin; start.Sub(begin) < duration; {
		if maxEvents > 0 && h.total*copyRows >= uint64(maxEvents) {
			break
		}
		s.left = copyRows
		if _, err := conn.CopyFrom(ctx, pgx.Identifier{"bench", "events"}, copyColumns, s); err != nil {
			return outcome{}, fmt.Errorf("copy: %w", err)
		}
		now := time.Now()
		h.record(now.Sub(start))
		start = now
	}
	return outcome{
		Requests: h.total, Events: h.total * copyRows, Elapsed: time.Since(begin),
		P50: h.quantile(0.5), P99: h.quantile(0.99),
	}, nil
}

func (s *rowSource) verify(ctx context.Context, conn *pgx.Conn, want uint64) error {
	var got uint64
	if err := conn.QueryRow(ctx, "SELECT count(*) FROM bench.events").Scan(&got); err != nil {
		return fmt.Errorf("count rows: %w", err)
	}
	if got != want {
		return fmt.Errorf("copied %d rows, the table has %d", want, got)
	}
	return nil
}

// Next prepares a row; with Values and Err it is pgx.CopyFromSource.
func (s *rowSource) Next() bool {
	if s.left == 0 || s.err != nil {
		return false
	}
	s.left--
	at := int(s.made % uint64(len(s.events)))
	e := &s.events[at]
	id, err := uuid.NewV7() // ordered by time, as TheEye's ids and sequences are
	s.err = err
	s.made++
	s.row = append(s.row[:0], s.application, id.String(), e.SessionID, e.Category, e.Name, []byte(e.Data), s.times[at],
		time.Now(), id, "1", nil)
	return err == nil
}

// Values is the row that Next prepared.
func (s *rowSource) Values() ([]any, error) { return s.row, nil }

// Err is what stopped Next early.
func (s *rowSource) Err() error { return s.err }
