package persistence

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/api/event"
)

// chunkRows is how many rows one transaction erases: tens of milliseconds, so that nobody waits long for its locks.
const chunkRows = 1000

var (
	// errElsewhere says that another replica has the erasure's row: it does the next chunk.
	errElsewhere = errors.New("another replica is at it")
	// errUnaware says that a transaction still runs that may not know the erasure: what it stores has to be erased, too.
	errUnaware = errors.New("a batch from before is still running")
	// errDetached says that retention has taken a day out of sight whose rows are not all gone, the erased ones among them.
	errDetached = errors.New("a day is detached and not dropped yet")
	// errTold says that the live tail has not forgotten it yet.
	errTold = errors.New("the live tail may tell of it yet")
)

// sweep erases what was received of one target up to a cut-off.
type sweep struct {
	target
	store  *Postgres
	cutOff event.Sequence

	from   time.Time // no event that occurred before is left; of a session, none of the application
	whose  uuid.UUID // of a session: none is left of the applications before
	before time.Time // what occurred from here on stays; zero: nothing does, for this is an erasure
}

// carryOut erases all that there is, and notes it when nothing can come any more.
//
// Batches and the erasure agree by one lock that nobody waits for. A batch takes it (shared) in one statement and looks
// at the erasures in the next; it keeps it until its rows can be seen. The erasure is committed before unaware reads who
// holds the lock. A batch that is not among those either has ended, and what it stored is found here; or takes the
// lock later, and so looks later, and knows the erasure: statements of READ COMMITTED see what was committed before
// they began. So what can still store a row up to the cut-off is among the holders. The rows are swept, the holders
// are seen to have ended, and what they have left is swept again; after that nothing can come.
func (e *Eraser) carryOut(ctx context.Context, s *sweep) error {
	holders, err := s.store.batches(ctx)
	if err != nil {
		return err
	}
	if err := e.all(ctx, s); err != nil {
		return err
	}
	if len(holders) > 0 {
		if err := s.store.ended(ctx, holders); err != nil {
			return err
		}
		s.from, s.whose = time.Time{}, uuid.Nil
		if err := e.all(ctx, s); err != nil {
			return err
		}
	}
	if !e.silent(s) {
		return errTold
	}
	// A day that is detached from here on was swept.
	if err := s.store.dropped(ctx); err != nil {
		return err
	}
	if err := s.transaction(ctx, func(tx pgx.Tx) (int64, error) { return 0, s.finish(ctx, tx, e.now()) }); err != nil {
		return err
	}
	e.log.InfoContext(ctx, "erased", "target", s.target.String())
	return nil
}

// all erases every kind of row, chunk by chunk.
func (e *Eraser) all(ctx context.Context, s *sweep) error {
	now := e.now()
	for _, kind := range s.kinds() {
		for n := int64(1); n > 0; {
			err := s.transaction(ctx, func(tx pgx.Tx) (rows int64, err error) {
				n, err = kind(ctx, tx, now)
				return n, err
			})
			if err != nil {
				return err
			}
			e.rows.Add(ctx, n)
		}
	}
	return nil
}

type kind func(context.Context, pgx.Tx, time.Time) (int64, error)

// kinds of row that may belong to a target.
func (s *sweep) kinds() []kind {
	if s.session != "" {
		return []kind{s.events, s.duplicates, s.failures, s.oldFailures}
	}
	return []kind{s.events, s.ledger, s.duplicates, s.failures, s.hours}
}

// beginSweep lets a statement take its time: what a chunk locks is little, but to find it may mean passing over all that
// was erased before and is not vacuumed yet. It has no patience with locks: behind a batch that hangs it must not keep
// what others need.
const beginSweep = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = '10min'; SET LOCAL lock_timeout = '1s'"

// transaction does one chunk. The erasure's own row is locked first: one replica at a time, and a crash frees it.
func (s *sweep) transaction(ctx context.Context, chunk func(pgx.Tx) (int64, error)) error {
	return pgx.BeginTxFunc(ctx, s.store.pool, pgx.TxOptions{BeginQuery: beginSweep}, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "SELECT FROM "+s.table()+" WHERE "+s.row()+" AND finished_at IS NULL FOR NO KEY UPDATE SKIP LOCKED", s.arg())
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return errElsewhere
		}
		rows, err := chunk(tx)
		if err != nil || rows == 0 {
			return err
		}
		_, err = tx.Exec(ctx, "UPDATE "+s.table()+" SET erased = erased + $2 WHERE "+s.row(), s.arg(), rows)
		return err
	})
}

// dropped tells whether all days are gone that retention has detached: errDetached.
func (p *Postgres) dropped(ctx context.Context) error {
	var left bool
	err := p.pool.QueryRow(ctx, "SELECT EXISTS (SELECT FROM persistence.expired_days)").Scan(&left)
	if err == nil && left {
		err = errDetached
	}
	return err
}

// batches lists the transactions of batches that are running now, of all replicas.
func (p *Postgres) batches(ctx context.Context) ([]string, error) {
	rows, err := p.pool.Query(ctx, `
		SELECT virtualtransaction FROM pg_locks
		WHERE locktype = 'advisory' AND objsubid = 1 AND classid::bigint << 32 | objid::bigint = $1
		    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`, int64(batchLock))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// ended waits until none of these transactions runs, for a second at most: errUnaware.
func (p *Postgres) ended(ctx context.Context, holders []string) error {
	poll, patience := time.NewTicker(erasePoll), time.NewTimer(time.Second)
	defer poll.Stop()
	defer patience.Stop()
	before := map[string]bool{}
	for _, h := range holders {
		before[h] = true
	}
	for {
		running, err := p.batches(ctx)
		if err != nil {
			return err
		}
		old := false
		for _, h := range running {
			old = old || before[h]
		}
		if !old {
			return nil
		}
		select {
		case <-poll.C:
		case <-patience.C:
			return errUnaware // others' erasures need not wait for it
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
