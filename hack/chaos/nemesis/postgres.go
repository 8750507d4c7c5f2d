package nemesis

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/theeye-dev/theeye/hack/servers"
)

// postgresFaults are about PostgreSQL.
func postgresFaults() []Fault {
	return []Fault{
		{Name: "kill-postgres", On: Postgres, Do: killPostgres},
		{Name: "restart-postgres", On: Postgres, Do: restartPostgres},
		{Name: "kill-backends", On: Postgres, Do: killBackends},
		{Name: "postgres-read-only", On: Postgres, Do: readOnly},
		{Name: "out-of-connections", On: Postgres, Do: noConnections},
		{Name: "lock-held", On: Postgres, Do: lockHeld},
		{Name: "lock-held-long", On: Postgres, Lasts: pastTimeout, Do: lockHeld},
		{Name: "deadlocks", On: Postgres, Do: deadlocks},
		{Name: "missing-partition", On: Postgres, Do: missingPartition},
	}
}

// killPostgres ends the server and all its backends by SIGKILL, so that nothing is written any more; it recovers.
func killPostgres(ctx context.Context, s *Strike) (string, error) {
	pid := s.World.Postgres.PID()
	if err := s.World.Postgres.Kill(); err != nil {
		return "", err //nolint:wrapcheck // says which process
	}
	err := servers.EndPostgresOrphans(ctx, s.World.PostgresDir())
	pause(ctx, s.Hold/2)
	return fmt.Sprintf("process %d killed with all backends", pid), errors.Join(err, s.World.Postgres.Restart(ctx))
}

func restartPostgres(ctx context.Context, s *Strike) (string, error) {
	pid := s.World.Postgres.PID()
	if err := s.World.Postgres.Restart(ctx); err != nil {
		return "", err //nolint:wrapcheck // says what
	}
	return fmt.Sprintf("process %d ended in order", pid), nil
}

// on runs a fault with a connection of its own.
func (s *Strike) on(ctx context.Context, do func(conn *pgx.Conn) (string, error)) (string, error) {
	conn, err := s.World.Database(ctx)
	if err != nil {
		return "", err //nolint:wrapcheck // says what
	}
	defer conn.Close(ctx) //nolint:errcheck // it ends whatever is held
	return do(conn)
}

// killBackends ends all sessions but its own, several times: commits may have been carried out, and nobody is told.
func killBackends(ctx context.Context, s *Strike) (string, error) {
	return s.on(ctx, func(conn *pgx.Conn) (string, error) {
		const times = 5
		ended := 0
		for range times {
			var n int
			err := conn.QueryRow(ctx, `
				SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
				WHERE backend_type = 'client backend' AND application_name <> 'chaos'`).Scan(&n)
			if err != nil {
				return "", fmt.Errorf("end sessions: %w", err)
			}
			ended += n
			pause(ctx, s.Hold/times)
		}
		return effect(ended, "%d sessions ended", ended), nil
	})
}

// effect is a text when n is more than 0.
func effect(n int, format string, args ...any) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(format, args...)
}

// readOnly is what a server is that a failover has left behind.
func readOnly(ctx context.Context, s *Strike) (string, error) {
	return s.on(ctx, func(conn *pgx.Conn) (string, error) {
		set := func(sql string) error {
			_, err := conn.Exec(ctx, sql)
			if err == nil {
				_, err = conn.Exec(ctx, "SELECT pg_reload_conf()")
			}
			return err //nolint:wrapcheck // below
		}
		if err := set("ALTER SYSTEM SET default_transaction_read_only = on"); err != nil {
			return "", fmt.Errorf("make PostgreSQL read-only: %w", err)
		}
		pause(ctx, s.Hold)
		var mode string
		err := conn.QueryRow(ctx, "SHOW default_transaction_read_only").Scan(&mode)
		if err := errors.Join(err, set("ALTER SYSTEM RESET default_transaction_read_only")); err != nil {
			return "", fmt.Errorf("make PostgreSQL writable: %w", err)
		}
		if mode != "on" {
			return "", nil
		}
		return "writes were refused", nil
	})
}

// noConnections takes all connections there are, those for superusers included, which the services are here.
func noConnections(ctx context.Context, s *Strike) (string, error) {
	var held []*pgx.Conn
	defer func() {
		for _, conn := range held {
			_ = conn.Close(context.WithoutCancel(ctx)) // ended by the server otherwise
		}
	}()
	refused, until := 0, time.Time{} // until: from the first refusal on, the hold
	for until.IsZero() || time.Now().Before(until) {
		conn, err := s.World.Database(ctx)
		switch e, _ := errors.AsType[*pgconn.PgError](err); {
		case err == nil:
			held = append(held, conn)
		case e != nil && e.Code == "53300" && len(held) > 0: // too_many_connections
			if refused++; refused == 1 {
				until = time.Now().Add(s.Hold)
			}
			if err := endSessions(ctx, held[0]); err != nil { // the services would keep theirs
				return "", err
			}
			pause(ctx, 50*time.Millisecond)
		default:
			return "", err //nolint:wrapcheck // says what
		}
	}
	return effect(refused, "%d held, one more refused %d times", len(held), refused), nil
}

// endSessions ends all sessions of the services.
func endSessions(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, `
		SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE backend_type = 'client backend' AND application_name <> 'chaos'`)
	if err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	return nil
}

// pastTimeout is longer than a statement may take (15 s): who waits is refused.
const pastTimeout = 18 * time.Second

// lockHeld is a migration that somebody runs by hand.
func lockHeld(ctx context.Context, s *Strike) (string, error) {
	tables := []string{"ledger", "events", "sessions", "failures", "usage", "duplicates"}
	table := "persistence." + tables[s.Random.IntN(len(tables))]
	return s.on(ctx, func(conn *pgx.Conn) (string, error) {
		if _, err := conn.Exec(ctx, "SET lock_timeout = '5s'; BEGIN; LOCK "+table+" IN ACCESS EXCLUSIVE MODE"); err != nil {
			return "", fmt.Errorf("lock %s: %w", table, err)
		}
		waiting := 0
		for deadline := time.Now().Add(s.Hold); time.Now().Before(deadline); pause(ctx, 50*time.Millisecond) {
			n, err := waiters(ctx, conn, table)
			if err != nil {
				return "", err
			}
			waiting = max(waiting, n)
		}
		return effect(waiting, "%d waited for %s", waiting, table), nil
	})
}

func waiters(ctx context.Context, conn *pgx.Conn, table string) (n int, err error) {
	err = conn.QueryRow(ctx, "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = $1::text::regclass", table).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("look at locks: %w", err)
	}
	return n, nil
}

// deadlocks takes what a batch takes, in the other order, again and again. PostgreSQL ends who has waited longest: the
// batch, for this session looks for deadlocks itself only much later.
func deadlocks(ctx context.Context, s *Strike) (string, error) {
	return s.on(ctx, func(conn *pgx.Conn) (string, error) {
		met := 0
		for deadline := time.Now().Add(s.Hold); time.Now().Before(deadline); {
			one, err := deadlock(ctx, conn, deadline)
			if err != nil {
				return "", err
			}
			if one {
				met++
			}
		}
		return effect(met, "%d deadlocks", met), nil
	})
}

// deadlock holds one table until somebody waits for it, and then asks for what that one has: it is granted when
// PostgreSQL has ended the other one.
func deadlock(ctx context.Context, conn *pgx.Conn, deadline time.Time) (met bool, err error) {
	const first, then = "persistence.sessions", "persistence.ledger"
	if _, err := conn.Exec(ctx, "SET deadlock_timeout = '20s'; SET lock_timeout = '5s'; BEGIN; LOCK "+first+" IN ACCESS EXCLUSIVE MODE"); err != nil {
		return false, fmt.Errorf("lock %s: %w", first, err)
	}
	defer func() {
		_, rollback := conn.Exec(ctx, "ROLLBACK")
		err = errors.Join(err, rollback)
	}()
	for time.Now().Before(deadline) {
		n, err := waiters(ctx, conn, first)
		if err != nil {
			return false, err
		}
		if n > 0 {
			_, err := conn.Exec(ctx, "LOCK "+then+" IN ACCESS EXCLUSIVE MODE")
			var e *pgconn.PgError
			if errors.As(err, &e) && (e.Code == "55P03" || e.Code == "40P01") { // lock_timeout, or the choice fell on this one
				return e.Code == "40P01", nil
			}
			return err == nil, err //nolint:wrapcheck // on tells
		}
		pause(ctx, 10*time.Millisecond)
	}
	return false, nil
}
