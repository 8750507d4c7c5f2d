package persistence

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

const (
	// detachPatience is how long the first attempt to detach a partition waits for reads that run; who comes meanwhile
	// waits as well. Each further attempt waits twice as long: reads of TheEye's own rarely take a tenth of a second.
	detachPatience = 100 * time.Millisecond
	detachAttempts = 4
	// detachPause is between attempts: what had to wait has its turn.
	detachPause = time.Second
)

var (
	// errOthers says that a day has got events that are to stay.
	errOthers = errors.New("the day has events that are to stay")
	// errBusy says that a table is in use.
	errBusy = errors.New("the day's partition is in use")
	// errTaken says that another replica has taken a day out of events meanwhile.
	errTaken = errors.New("the day has no partition any more")
)

// partitions lists the days that have a partition, the oldest first.
func (p *Postgres) partitions(ctx context.Context) ([]time.Time, error) {
	rows, err := p.pool.Query(ctx, `
		SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = 'persistence.events'::regclass AND c.relname ~ '^events_[0-9]{8}$' ORDER BY 1`)
	if err != nil {
		return nil, fmt.Errorf("list partitions: %w", err)
	}
	days, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (start time.Time, err error) {
		var name string
		if err = row.Scan(&name); err == nil {
			start, err = time.Parse("events_20060102", name)
		}
		return start, err
	})
	if err != nil {
		return nil, fmt.Errorf("list partitions: %w", err)
	}
	return days, nil
}

func partitionTable(start time.Time) string { return tableOf("events_", start) }
func expiredTable(start time.Time) string   { return tableOf("expired_", start) }

func tableOf(prefix string, start time.Time) string {
	return pgx.Identifier{Schema, prefix + start.Format("20060102")}.Sanitize()
}

// rowQuerier is a pool or a transaction.
type rowQuerier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// applicationsIn lists whose events are in a table, by jumping through its index.
func applicationsIn(ctx context.Context, q rowQuerier, table string) ([]uuid.UUID, error) {
	rows, err := q.Query(ctx, fmt.Sprintf(`
		WITH RECURSIVE a AS (
		    (SELECT application FROM %[1]s ORDER BY application LIMIT 1)
		    UNION ALL
		    SELECT (SELECT e.application FROM %[1]s e WHERE e.application > a.application ORDER BY e.application LIMIT 1)
		    FROM a WHERE a.application IS NOT NULL
		)
		SELECT application FROM a WHERE application IS NOT NULL`, table))
	var found []uuid.UUID
	if err == nil {
		found, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	}
	if sqlState(err) == undefinedTable {
		err = errors.Join(errTaken, err)
	}
	if err != nil {
		return nil, fmt.Errorf("list applications of %s: %w", table, err)
	}
	return found, nil
}

// events takes what is due out of every day that has some.
func (r *Retention) events(ctx context.Context, known keepings) error {
	days, err := r.Store.partitions(ctx)
	if err != nil {
		return err
	}
	now := r.Now()
	newest := known.newest(now)
	var errs []error
	for _, start := range days {
		if !start.Before(newest) {
			break
		}
		if err := r.day(ctx, known, now, start); err != nil && !errors.Is(err, errTaken) {
			r.late = max(r.late, newest.Sub(start))
			if ends(ctx, err) {
				return err
			}
			errs = append(errs, fmt.Errorf("%s: %w", start.Format(time.DateOnly), err))
		}
	}
	return errors.Join(errs...)
}

// day drops a day whole, or trims who keeps his events for less long than others.
func (r *Retention) day(ctx context.Context, known keepings, now, start time.Time) error {
	applications, err := applicationsIn(ctx, r.Store.pool, partitionTable(start))
	if err != nil {
		return err
	}
	if known.whole(now, start, applications) {
		err := r.drop(ctx, known, now, start)
		if !errors.Is(err, errOthers) {
			return err
		}
	}
	for _, a := range applications {
		if before := known[a].before(now); before.After(start) {
			if err := r.trim(ctx, a, now, start, earlier(before, start.Add(day))); err != nil {
				return err
			}
		}
	}
	return nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// trim deletes one application's events of a part of a day.
func (r *Retention) trim(ctx context.Context, application uuid.UUID, now, from, before time.Time) error {
	s := sweep{store: r.Store, target: target{application: application}, cutOff: cutOffAt(now.Add(-settling)), from: from, before: before}
	return r.until(ctx, func(ctx context.Context, tx pgx.Tx) (deleted, error) { return eventsDeleted(s.events(ctx, tx, now)) })
}

// drop detaches a day, sweeps what is kept of its events elsewhere, and drops it.
func (r *Retention) drop(ctx context.Context, known keepings, now, start time.Time) error {
	patience := detachPatience
	for attempt := 1; ; attempt++ {
		err := r.Store.detach(ctx, start, patience, func(applications []uuid.UUID) bool { return known.whole(now, start, applications) })
		if err == nil {
			return r.finish(ctx, start)
		}
		if !errors.Is(err, errBusy) || attempt == detachAttempts {
			return err
		}
		patience *= 2
		select {
		case <-time.After(detachPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// detach takes a day out of events if mayGo agrees with whose events are in it, and gives its table the name by which
// finish knows it: both or nothing, so that a late event finds a partition, or makes one. The lock on events for which
// this waits, and others behind it, is given up after patience; no lock at all is held while the day is looked at, but
// the one that keeps late events out of it.
func (p *Postgres) detach(ctx context.Context, start time.Time, patience time.Duration, mayGo func([]uuid.UUID) bool) error {
	table, name := partitionTable(start), expiredTable(start)
	begin := fmt.Sprintf("BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = %d", patience.Milliseconds())
	err := p.alone(ctx, begin, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "LOCK TABLE "+table+" IN SHARE MODE"); err != nil {
			return err
		}
		applications, err := applicationsIn(ctx, tx, table)
		if err != nil {
			return err
		}
		if !mayGo(applications) {
			return errOthers
		}
		if _, err := tx.Exec(ctx, "INSERT INTO persistence.expired_days (day) VALUES ($1)", start); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(partitionLock)); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, fmt.Sprintf("ALTER TABLE persistence.events DETACH PARTITION %s; ALTER TABLE %s RENAME TO %s",
			table, table, pgx.Identifier{"expired_" + start.Format("20060102")}.Sanitize()))
		return err
	})
	switch sqlState(err) {
	case lockNotAvailable, deadlockDetected:
		return errors.Join(errBusy, err)
	case undefinedTable:
		return errors.Join(errTaken, err)
	}
	if err != nil {
		return fmt.Errorf("detach %s as %s: %w", table, name, err)
	}
	return nil
}

// expired finishes the days that are detached and not dropped.
func (r *Retention) expired(ctx context.Context, _ keepings) error {
	rows, err := r.Store.pool.Query(ctx, "SELECT day FROM persistence.expired_days ORDER BY day")
	if err != nil {
		return fmt.Errorf("list expired days: %w", err)
	}
	days, err := pgx.CollectRows(rows, pgx.RowTo[time.Time])
	if err != nil {
		return fmt.Errorf("list expired days: %w", err)
	}
	for _, start := range days {
		if err := r.finish(ctx, start); err != nil {
			return err
		}
	}
	return nil
}

// finish deletes what is kept of a detached day's events in the ledger and in sessions, and drops it.
func (r *Retention) finish(ctx context.Context, start time.Time) error {
	err := r.until(ctx, func(ctx context.Context, tx pgx.Tx) (deleted, error) {
		return eventsDeleted(r.Store.sweepExpired(ctx, tx, start))
	})
	if err != nil {
		return err
	}
	err = r.Store.alone(ctx, beginSweep, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "DELETE FROM persistence.expired_days WHERE day = $1", start)
		if err != nil || tag.RowsAffected() == 0 {
			return err // another replica has done it
		}
		_, err = tx.Exec(ctx, "DROP TABLE "+expiredTable(start))
		return err
	})
	if err != nil {
		return fmt.Errorf("drop %s: %w", expiredTable(start), err)
	}
	r.days.Add(ctx, 1)
	r.Log.InfoContext(ctx, "day dropped", "day", start.Format(time.DateOnly))
	return nil
}

// sweepExpired deletes what is kept elsewhere of the next events of a detached day, all of one application.
func (p *Postgres) sweepExpired(ctx context.Context, tx pgx.Tx, start time.Time) (int64, error) {
	var after struct {
		application, sequence uuid.UUID
		occurred              pgtype.Timestamptz
	}
	err := tx.QueryRow(ctx, "SELECT application, occurred_at, sequence FROM persistence.expired_days WHERE day = $1", start).
		Scan(&after.application, &after.occurred, &after.sequence)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil // another replica has done it
	}
	if err != nil {
		return 0, err
	}
	rows, err := tx.Query(ctx, fmt.Sprintf(`
		SELECT application, id, session_id, occurred_at, sequence FROM %s WHERE (application, occurred_at, sequence) > ($1, $2, $3)
		ORDER BY application, occurred_at, sequence LIMIT $4`, expiredTable(start)), after.application, after.occurred, after.sequence, chunkRows)
	if err != nil {
		return 0, err
	}
	type place struct {
		occurred time.Time
		gone
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (e place, err error) {
		err = row.Scan(&e.application, &e.id, &e.session, &e.occurred, &e.sequence)
		return e, err
	})
	if err != nil || len(found) == 0 {
		return 0, err
	}
	end := slices.IndexFunc(found, func(e place) bool { return e.application != found[0].application })
	if end < 0 {
		end = len(found)
	}
	events := make([]gone, end)
	for i := range events {
		events[i] = found[i].gone
	}
	last := found[end-1]
	s := sweep{store: p, target: target{application: last.application}}
	batch := &pgx.Batch{}
	s.queueEvents(batch, events)
	batch.Queue("UPDATE persistence.expired_days SET application = $2, occurred_at = $3, sequence = $4 WHERE day = $1",
		start, [16]byte(last.application), last.occurred, [16]byte(last.sequence))
	return int64(end), tx.SendBatch(ctx, batch).Close()
}
