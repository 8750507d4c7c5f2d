package persistence

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/theeye-dev/theeye/services/internal/postgres"
)

// index is one that a table may need when it is large already. Migrations would keep writers waiting for as long as it
// takes; this is made concurrently, beside them. Until it is there, its questions are slow, and answered.
type index struct{ name, table, columns string }

// indexes beside those of migrations; of events, those of its partitions.
func indexes() []index {
	return []index{
		{"failures_event", "failures", "(application, event_id, sequence)"},
		{"failures_session", "failures", "(session_id, sequence)"},
		{"failures_kind", "failures", "(code, stage, state, received_at, sequence)"},
		{"failures_application_kind", "failures", "(application, code, stage, state, received_at, sequence)"},
		{"failures_schema", "failures", "(schema_digest) WHERE schema_digest IS NOT NULL"}, // whether one is still named
		{"duplicates_session", "duplicates", "(session_id, sequence) WHERE session_id IS NOT NULL"},
		{"duplicates_event", "duplicates", "(application, id, sequence)"},
		{"sessions_first", "sessions", "(application, first_at, session_id)"},
	}
}

// eventIndexes are of the partitioned table; every partition that is made gets its own by being attached.
func eventIndexes() []index {
	return []index{
		{"events_type", "events", "(application, category, name, occurred_at, sequence)"},
		{"events_session_application", "events", "(session_id, application, occurred_at, sequence)"},
	}
}

// dropSuperseded drops the index in whose place events_session_application is. It waits for nobody for long, for all would wait
// behind it: while the table is in use it is for the next time.
func dropSuperseded(ctx context.Context, conn *pgxpool.Conn) error {
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = '100ms'"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "DROP INDEX IF EXISTS persistence.events_session")
		return err
	})
	if sqlState(err) == lockNotAvailable {
		return nil
	}
	return err
}

// indexLock is the advisory lock of the replica that makes indexes. Nobody waits for it: a statement that waits has a
// snapshot, and CREATE INDEX CONCURRENTLY waits for snapshots.
const indexLock = 0x7468656579650005

// EnsureIndexes makes the indexes that are missing, one at a time, unless another replica is at it.
func (p *Postgres) EnsureIndexes(ctx context.Context) error {
	return postgres.Unhurried(ctx, p.pool, func(conn *pgxpool.Conn) error {
		var mine bool
		err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", int64(indexLock)).Scan(&mine)
		if err != nil || !mine {
			return err
		}
		defer unlockIndexes(ctx, conn)
		for _, i := range indexes() {
			if err := i.ensure(ctx, conn); err != nil {
				return fmt.Errorf("make index %s: %w", i.name, err)
			}
		}
		for _, i := range eventIndexes() {
			if err := i.ensureOnPartitions(ctx, conn); err != nil {
				return fmt.Errorf("make index %s: %w", i.name, err)
			}
		}
		return dropSuperseded(ctx, conn)
	})
}

// unlockIndexes also when the context has ended: the connection goes back to the pool, or is closed.
func unlockIndexes(ctx context.Context, conn *pgxpool.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_unlock($1)", int64(indexLock)); err != nil {
		_ = conn.Conn().Close(ctx)
	}
}

// ensure makes one index of one table. What an attempt left behind that was interrupted is no index, and is removed.
func (i index) ensure(ctx context.Context, conn *pgxpool.Conn) error {
	var valid *bool
	err := conn.QueryRow(ctx, "SELECT (SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1))", Schema+"."+i.name).Scan(&valid)
	if err != nil || valid != nil && *valid {
		return err
	}
	name := pgx.Identifier{Schema, i.name}.Sanitize()
	if valid != nil {
		if _, err := conn.Exec(ctx, "DROP INDEX CONCURRENTLY IF EXISTS "+name); err != nil {
			return err
		}
	}
	_, err = conn.Exec(ctx, "CREATE INDEX CONCURRENTLY "+pgx.Identifier{i.name}.Sanitize()+" ON "+pgx.Identifier{Schema, i.table}.Sanitize()+" "+i.columns)
	return err
}

// ensureOnPartitions makes the index of every partition that has none, the newest first, and attaches it to the
// parent's, which is valid when all have it. Indexes are attached by name: events_20260504_type.
func (i index) ensureOnPartitions(ctx context.Context, conn *pgxpool.Conn) error {
	rows, err := conn.Query(ctx, `
		SELECT c.relname FROM pg_inherits p JOIN pg_class c ON c.oid = p.inhrelid
		WHERE p.inhparent = to_regclass($1) AND NOT EXISTS (
		    SELECT FROM pg_inherits ip JOIN pg_index x ON x.indexrelid = ip.inhrelid
		    WHERE ip.inhparent = to_regclass($2) AND x.indrelid = c.oid
		) ORDER BY c.relname DESC`, Schema+"."+i.table, Schema+"."+i.name)
	if err != nil {
		return err
	}
	partitions, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, partition := range partitions {
		own := index{partition + i.name[len(i.table):], partition, i.columns}
		if err := own.ensure(ctx, conn); err != nil {
			return fmt.Errorf("of %s: %w", partition, err)
		}
		_, err := conn.Exec(ctx, "ALTER INDEX "+pgx.Identifier{Schema, i.name}.Sanitize()+
			" ATTACH PARTITION "+pgx.Identifier{Schema, own.name}.Sanitize())
		if err != nil {
			return fmt.Errorf("of %s: %w", partition, err)
		}
	}
	return nil
}
