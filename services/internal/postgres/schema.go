package postgres

import (
	"context"
	"log/slog"
	"time"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

// migratePause is how long a failed migration waits: PostgreSQL may still be starting.
const migratePause = 500 * time.Millisecond

// Schema migrates when PostgreSQL can be reached, and lets those wait who need the tables.
type Schema struct {
	migrate func(context.Context) error
	log     *slog.Logger
	ready   chan struct{}
}

// NewSchema returns a Schema, which is not ready before Run has migrated.
func NewSchema(migrate func(context.Context) error, log *slog.Logger) *Schema {
	return &Schema{migrate: migrate, log: log, ready: make(chan struct{})}
}

// Ready answers nil once the schema is up to date; else a fault of kind Unavailable.
func (s *Schema) Ready() error {
	select {
	case <-s.ready:
		return nil
	default:
		return fault.New(fault.CodeStarting, "the database schema is not up to date yet")
	}
}

// Run migrates, trying until it works, and then waits for the context's end.
func (s *Schema) Run(ctx context.Context) error {
	for failing := false; ; failing = true {
		err := s.migrate(ctx)
		if err == nil {
			s.log.InfoContext(ctx, "schema is up to date")
			close(s.ready)
			<-ctx.Done()
			return nil
		}
		if !failing && ctx.Err() == nil {
			s.log.WarnContext(ctx, "schema cannot be migrated yet", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(migratePause):
		}
	}
}

// Then makes an actor's function wait for the schema.
func (s *Schema) Then(f func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		select {
		case <-s.ready:
			return f(ctx)
		case <-ctx.Done():
			return nil
		}
	}
}
