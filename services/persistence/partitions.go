package persistence

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/failpoint"
)

const day = 24 * time.Hour

// partitionLock is the advisory lock under which one replica at a time makes partitions.
const partitionLock = 0x7468656579650002

// days knows which daily partitions exist. It is safe for concurrent use; the zero value knows none.
type days struct {
	mu    sync.Mutex
	known map[time.Time]bool
}

// daysOf returns the days that a batch's events fall on.
func daysOf(records []*record) []time.Time {
	var found []time.Time
	for _, r := range records {
		if d := r.occurredAt.Truncate(day); r.refusal == nil && !slices.Contains(found, d) {
			found = append(found, d)
		}
	}
	return found
}

// forget makes the next ensure look again: a partition may have been dropped.
func (d *days) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.known = nil
}

func (d *days) missing(wanted []time.Time) []time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(wanted), func(t time.Time) bool { return d.known[t] })
}

func (d *days) learn(made []time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known == nil {
		d.known = map[time.Time]bool{}
	}
	for _, t := range made {
		d.known[t] = true
	}
}

// ensure makes the partitions of the days that have none.
func (d *days) ensure(ctx context.Context, pool *pgxpool.Pool, wanted []time.Time) error {
	missing := d.missing(wanted)
	if len(missing) == 0 {
		return nil
	}
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(partitionLock)); err != nil {
			return err
		}
		for _, start := range missing {
			if err := makePartition(ctx, tx, start); err != nil {
				return fmt.Errorf("%s: %w", start.Format(time.DateOnly), err)
			}
		}
		failpoint.Hit(failpoint.Partition)
		return nil
	})
	if err != nil {
		return fmt.Errorf("make partition: %w", err)
	}
	d.learn(missing)
	return nil
}

// makePartition creates a table beside the others and attaches it, which blocks neither readers nor writers as
// CREATE TABLE … PARTITION OF would. A table that somebody has detached and not dropped is attached again: without it
// its day's events could never be stored, nor what is behind them on the stream.
func makePartition(ctx context.Context, tx pgx.Tx, start time.Time) error {
	name := "events_" + start.Format("20060102")
	var attached bool
	err := tx.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass($1) AND inhparent = 'persistence.events'::regclass)`,
		Schema+"."+name).Scan(&attached)
	if err != nil || attached {
		return err
	}
	table := pgx.Identifier{Schema, name}.Sanitize()
	from, to := start.Format(time.RFC3339), start.Add(day).Format(time.RFC3339)
	_, err = tx.Exec(ctx, fmt.Sprintf(`
		CREATE TABLE IF NOT EXISTS %[1]s (LIKE persistence.events INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
		ALTER TABLE persistence.events ATTACH PARTITION %[1]s FOR VALUES FROM ('%[2]s') TO ('%[3]s');`, table, from, to))
	return err
}

const (
	housekeeping = 10 * time.Minute
	// duplicatesKept is far longer than an entry can stay in a stream and be delivered once more.
	duplicatesKept = 7 * day
)

// Keep makes partitions ahead of their day and forgets old duplicates and counted items, until the context ends.
func (p *Postgres) Keep(ctx context.Context, now func() time.Time, log *slog.Logger) error {
	return every(ctx, func() error { return p.keep(ctx, now()) }, log)
}

// KeepIndexes makes indexes that are missing, until the context ends: it may take long, and nothing waits for it.
func (p *Postgres) KeepIndexes(ctx context.Context, log *slog.Logger) error {
	return every(ctx, func() error { return p.EnsureIndexes(ctx) }, log)
}

func every(ctx context.Context, keep func() error, log *slog.Logger) error {
	ticker := time.NewTicker(housekeeping)
	defer ticker.Stop()
	for {
		if err := keep(); err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "housekeeping failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func (p *Postgres) keep(ctx context.Context, now time.Time) error {
	today := now.UTC().Truncate(day)
	ahead := []time.Time{today.Add(-day)}
	for t := today; !t.After(today.Add(day + registry.LimitMaxFuture)); t = t.Add(day) {
		ahead = append(ahead, t)
	}
	if err := p.days.ensure(ctx, p.pool, ahead); err != nil {
		return err
	}
	if err := p.forgetDuplicates(ctx, now.Add(-duplicatesKept)); err != nil {
		return err
	}
	if _, err := p.pool.Exec(ctx, "DELETE FROM persistence.counted WHERE hour < $1", now.Add(-duplicatesKept)); err != nil {
		return fmt.Errorf("forget old counted items: %w", err)
	}
	if _, err := p.pool.Exec(ctx, "DELETE FROM persistence.replays WHERE finished_at < $1", now.Add(-replaysKept)); err != nil {
		return fmt.Errorf("forget old replays: %w", err)
	}
	return nil
}

// forgetDuplicates deletes in chunks, along the key: in the order of time.
func (p *Postgres) forgetDuplicates(ctx context.Context, before time.Time) error {
	for n := int64(chunkRows); n == chunkRows; {
		tag, err := p.pool.Exec(ctx, `
			DELETE FROM persistence.duplicates WHERE sequence = ANY(ARRAY(
			    SELECT sequence FROM persistence.duplicates WHERE sequence <= $1 AND received_at < $2 ORDER BY sequence LIMIT $3
			))`, [16]byte(cutOffAt(before)), before, chunkRows)
		if err != nil {
			return fmt.Errorf("forget old duplicates: %w", err)
		}
		n = tag.RowsAffected()
	}
	return nil
}
