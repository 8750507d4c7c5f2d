package world

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/theeye-dev/theeye/hack/chaos/checker"
)

// Database opens a connection to PostgreSQL past all links; its application_name, chaos, tells it from the services'.
func (w *World) Database(ctx context.Context) (*pgx.Conn, error) {
	conn, err := pgx.Connect(ctx, w.Postgres.URL()+"&application_name=chaos")
	if err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	return conn, nil
}

// Client is the one Redis past all links.
func (w *World) Client() *redis.Client { return w.single }

// Stored reads all that is stored.
func (w *World) Stored(ctx context.Context) (s checker.Store, err error) {
	conn, err := w.Database(ctx)
	if err != nil {
		return s, err
	}
	defer conn.Close(ctx) //nolint:errcheck // only read
	if s.Events, err = events(ctx, conn); err != nil {
		return s, fmt.Errorf("read events: %w", err)
	}
	applications := map[string]bool{}
	for _, e := range s.Events {
		applications[e.Application] = true
	}
	if s.Shown, err = w.shown(ctx, applications); err != nil {
		return s, fmt.Errorf("read events as shown: %w", err)
	}
	if s.Failures, err = failures(ctx, conn); err != nil {
		return s, fmt.Errorf("read failures: %w", err)
	}
	if s.Sessions, err = counts(ctx, conn, "SELECT session_id, sum(events)::bigint FROM persistence.sessions GROUP BY 1"); err != nil {
		return s, fmt.Errorf("read sessions: %w", err)
	}
	s.Duplicates, err = counts(ctx, conn, "SELECT application::text, count(*) FROM persistence.duplicates GROUP BY 1")
	if err != nil {
		return s, fmt.Errorf("read duplicates: %w", err)
	}
	s.Usage, err = usage(ctx, conn)
	return s, err
}

func events(ctx context.Context, conn *pgx.Conn) ([]checker.Event, error) {
	rows, err := conn.Query(ctx, `
		SELECT application::text, id, session_id, category, name, coalesce(data::text, ''), occurred_at, sequence::text
		FROM persistence.events`)
	if err != nil {
		return nil, err //nolint:wrapcheck // Stored does
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[checker.Event]) //nolint:wrapcheck // Stored does
}

func failures(ctx context.Context, conn *pgx.Conn) ([]checker.Failure, error) {
	rows, err := conn.Query(ctx, `
		SELECT coalesce(application::text, ''), sequence::text, code, stage, original FROM persistence.failures`)
	if err != nil {
		return nil, err //nolint:wrapcheck // Stored does
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[checker.Failure]) //nolint:wrapcheck // Stored does
}

func counts(ctx context.Context, conn *pgx.Conn, query string) (map[string]int64, error) {
	rows, err := conn.Query(ctx, query)
	if err != nil {
		return nil, err //nolint:wrapcheck // Stored does
	}
	all := map[string]int64{}
	var name string
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&name, &n}, func() error {
		all[name] = n
		return nil
	})
	return all, err //nolint:wrapcheck // Stored does
}

func usage(ctx context.Context, conn *pgx.Conn) (map[string]map[string]int64, error) {
	rows, err := conn.Query(ctx, "SELECT application::text, outcome, sum(events)::bigint FROM persistence.usage GROUP BY 1, 2")
	if err != nil {
		return nil, fmt.Errorf("read usage: %w", err)
	}
	all := map[string]map[string]int64{}
	var app, outcome string
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&app, &outcome, &n}, func() error {
		if all[app] == nil {
			all[app] = map[string]int64{}
		}
		all[app][outcome] = n
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read usage: %w", err)
	}
	return all, nil
}
