package persistence

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/services/internal/failpoint"
	"github.com/theeye-dev/theeye/services/internal/postgres"
)

// batchLock is the advisory lock that a batch's transaction shares with all others from before it looks at the erasures
// until it has ended. Nobody ever waits for it: it shows in pg_locks which transactions may not know an erasure.
const batchLock = 0x7468656579650003

// rollbackTimeout bounds what is done for a transaction that has failed; a connection that takes longer is closed.
const rollbackTimeout = 5 * time.Second

// querier is a connection within a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	SendBatch(ctx context.Context, batch *pgx.Batch) pgx.BatchResults
}

// inBatch runs f in a transaction that knows the past of a batch. Beginning, sharing the lock and
// looking are one round trip: as many as beginning alone. The statements that f returns are another one, with the
// commit: after an error the server skips what follows, and so the commit as well.
func (p *Postgres) inBatch(ctx context.Context, of scope, f func(querier, past) (last *pgx.Batch, err error)) error {
	conn, err := p.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release() // it closes a connection whose transaction could not be ended
	err = transact(ctx, conn, of, f)
	if err != nil {
		rollback(ctx, conn)
	}
	return err
}

func transact(ctx context.Context, conn *pgxpool.Conn, of scope, f func(querier, past) (last *pgx.Batch, err error)) error {
	known, err := begin(ctx, conn, of)
	if err != nil {
		return err
	}
	last, err := f(conn, known)
	if err != nil {
		return err
	}
	failpoint.Hit(failpoint.BeforeCommit)
	postgres.ForgetWarning(conn.Conn())
	last.Queue("COMMIT").Exec(func(tag pgconn.CommandTag) error {
		if tag.String() != "COMMIT" {
			return pgx.ErrTxCommitRollback
		}
		return nil
	})
	return errors.Join(conn.SendBatch(ctx, last).Close(), postgres.Replicated(conn.Conn()))
}

// begin needs READ COMMITTED, whatever the server's default: the look is to see what was committed until after the
// lock was taken.
func begin(ctx context.Context, conn *pgxpool.Conn, of scope) (past, error) {
	var known past
	batch := &pgx.Batch{}
	batch.Queue("BEGIN ISOLATION LEVEL READ COMMITTED")
	batch.Queue("SELECT pg_advisory_xact_lock_shared($1)", int64(batchLock))
	batch.Queue(`
		SELECT application, cut_off, finished_at IS NULL FROM persistence.erasures WHERE application = ANY($1)`,
		of.applications).Query(func(rows pgx.Rows) (err error) {
		known.applications, err = scanErasures[uuid.UUID](rows)
		return err
	})
	batch.Queue(lookForSessions, of.sessions).Query(func(rows pgx.Rows) (err error) {
		known.sessions, err = scanErasures[string](rows)
		return err
	})
	if len(of.sequences) > 0 {
		batch.Queue(lookForSettled, of.sequences, [16]byte(of.first), [16]byte(of.last)).Query(func(rows pgx.Rows) (err error) {
			known.earlier, err = scanSettled(rows)
			return err
		})
	}
	err := conn.SendBatch(ctx, batch).Close()
	return known, err
}

// lookForSessions hashes no id where no session was ever erased.
const lookForSessions = `
	SELECT s.session_id, e.cut_off, e.finished_at IS NULL
	FROM persistence.session_salt k CROSS JOIN unnest($1::text[]) AS s (session_id)
	JOIN persistence.session_erasures e ON e.session = sha256(k.salt || convert_to(s.session_id, 'UTF8'))
	WHERE EXISTS (SELECT FROM persistence.session_erasures)`

func scanErasures[Key comparable](rows pgx.Rows) (found map[Key]erasure, err error) {
	var key Key
	var e erasure
	_, err = pgx.ForEachRow(rows, []any{&key, &e.cutOff, &e.pending}, func() error {
		if found == nil {
			found = map[Key]erasure{}
		}
		found[key] = e
		return nil
	})
	return found, err
}

// rollback ends a transaction also when its context has ended. That it fails is seen by Release.
func rollback(ctx context.Context, conn *pgxpool.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	_, _ = conn.Exec(ctx, "ROLLBACK")
}

// scope is what has to be known of a batch: what may be erased of it, and what may be settled.
type scope struct {
	applications [][16]byte
	sessions     []string
	sequences    [][16]byte // of events
	first, last  event.Sequence
}

func scopeOf(records []*record) scope {
	of := scope{applications: applicationsOf(records), sessions: sessionIDsOf(records)}
	of.sequences, of.first, of.last = spanOf(records)
	return of
}

// sessionIDsOf lists of which sessions a batch has events and refusals.
func sessionIDsOf(records []*record) []string {
	found := []string{}
	seen := map[string]bool{"": true}
	for _, r := range records {
		if !seen[r.sessionID] {
			seen[r.sessionID] = true
			found = append(found, r.sessionID)
		}
	}
	return found
}

// applicationsOf lists whose records are in a batch.
func applicationsOf(records []*record) [][16]byte {
	var found [][16]byte
	seen := map[uuid.UUID]bool{}
	for i, r := range records {
		if i > 0 && r.application == records[i-1].application { // most often: a request has one
			continue
		}
		if !seen[r.application] {
			seen[r.application] = true
			found = append(found, r.application)
		}
	}
	return found
}
