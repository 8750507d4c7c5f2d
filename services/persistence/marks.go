package persistence

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/services/internal/stream"
)

const (
	// markLock is the advisory lock of whoever moves marks; nobody waits for it.
	markLock = 0x7468656579650004
	// markTime bounds moving marks, Redis' part included: a few round trips, which come again two seconds later.
	markTime = 10 * time.Second
)

// Anchor is stream.Anchor. What was committed before a mark was moved is in every copy of the database that has the mark:
// the write-ahead log has one order, and a standby or a backup has a beginning of it.
func (p *Postgres) Anchor(ctx context.Context, settle stream.Settle) (marks map[string]string, err error) {
	ctx, cancel := context.WithTimeout(ctx, markTime)
	defer cancel()
	err = pgx.BeginFunc(ctx, p.pool, func(tx pgx.Tx) error {
		var mine bool
		if err := tx.QueryRow(ctx, "SELECT pg_try_advisory_xact_lock($1)", int64(markLock)).Scan(&mine); err != nil || !mine {
			return err
		}
		before, err := readMarks(ctx, tx)
		if err != nil {
			return err
		}
		store, err := identify(ctx, tx)
		if err != nil {
			return err
		}
		if marks, err = settle(store, before); err != nil {
			return err
		}
		return writeMarks(ctx, tx, before, marks)
	})
	if err != nil {
		return nil, fmt.Errorf("move marks: %w", err)
	}
	return marks, nil
}

// identify names the database that answers, since its server was started last. A standby that was promoted, a backup that
// was restored, and a server that came back from a crash each have another name.
func identify(ctx context.Context, tx pgx.Tx) (store string, err error) {
	err = tx.QueryRow(ctx, `
		SELECT d.oid || '@' || extract(epoch FROM pg_postmaster_start_time()) FROM pg_database d WHERE d.datname = current_database()`).Scan(&store)
	return store, err
}

func readMarks(ctx context.Context, tx pgx.Tx) (map[string]string, error) {
	rows, err := tx.Query(ctx, "SELECT stream, mark FROM persistence.marks")
	if err != nil {
		return nil, err
	}
	marks := map[string]string{}
	var key, mark string
	_, err = pgx.ForEachRow(rows, []any{&key, &mark}, func() error {
		marks[key] = mark
		return nil
	})
	return marks, err
}

// writeMarks writes those that have moved.
func writeMarks(ctx context.Context, tx pgx.Tx, before, after map[string]string) error {
	var keys, marks []string
	for key, mark := range after {
		if before[key] != mark {
			keys, marks = append(keys, key), append(marks, mark)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO persistence.marks (stream, mark, moved_at) SELECT stream, mark, now() FROM unnest($1::text[], $2::text[]) AS i (stream, mark)
		ON CONFLICT (stream) DO UPDATE SET mark = excluded.mark, moved_at = excluded.moved_at`, keys, marks)
	return err
}
