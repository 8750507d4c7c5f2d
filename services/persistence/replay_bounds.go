package persistence

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

// Replays and dry runs are bounded apart: whoever may only read asks for dry runs, and must take no place from who puts
// things right. Of dry runs each asker has some, so that nobody takes them from the others.
const (
	// maxReplays is how many replays of one application, or of everybody's Failures, may run: all together replay no
	// faster than one.
	maxReplays = 10
	// maxDryRuns is the same of dry runs, whoever asks: a few people at once.
	maxDryRuns = 20
	// maxAskedDryRuns is how many of one asker may run, of all applications: as many as somebody looks at.
	maxAskedDryRuns = 5
	// replaysRecorded is how many replays of one application are recorded, and askedRecorded how many dry runs of it that one asker
	// wants: what others ask for pushes nobody's out.
	replaysRecorded, askedRecorded = 100, 20
)

// requestLock is the advisory lock of whoever asks for a replay: the bounds on those that run are exact.
const requestLock = 0x7468656579650008

// requestReplay counts what is to be replayed, and forgets old replays for it.
func (p *Postgres) requestReplay(ctx context.Context, q Query, now time.Time) (replay *Replay, err error) {
	total, err := p.countFailures(ctx, &q)
	if err != nil {
		return nil, err
	}
	err = pgx.BeginFunc(ctx, p.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(requestLock)); err != nil {
			return err
		}
		if err := q.admit(ctx, tx); err != nil {
			return err
		}
		if err := q.forgetReplays(ctx, tx); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `
			INSERT INTO persistence.replays (id, application, code, stage, since, until, dry_run, total, after_at, after_sequence, requested_at, asker)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING `+replayFields,
			uuid.New(), optionalID(q.Application), q.Code, q.Stage, optionalTime(q.From), q.To, q.DryRun, total, q.From, [16]byte{}, now, askerDigest(q.asker))
		if err != nil {
			return err
		}
		replay, err = pgx.CollectExactlyOneRow(rows, scanReplay)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("record replay: %w", err)
	}
	return replay, nil
}

// askerDigest tells askers apart, and not who they are.
func askerDigest(asker string) []byte {
	sum := sha256.Sum256([]byte(asker))
	return sum[:]
}

// admit refuses what is one too many of those that run.
func (q *Query) admit(ctx context.Context, tx pgx.Tx) error {
	var running, asked int64
	err := tx.QueryRow(ctx, `
		SELECT count(*) FILTER (WHERE application IS NOT DISTINCT FROM $1), count(*) FILTER (WHERE asker = $2)
		FROM persistence.replays WHERE state = 'running' AND dry_run = $3`, optionalID(q.Application), askerDigest(q.asker), q.DryRun).Scan(&running, &asked)
	switch {
	case err != nil:
		return err
	case !q.DryRun && running >= maxReplays:
		return fault.New(fault.CodeConflict, fmt.Sprintf("%d replays are running, which is the limit; cancel one, or wait", running))
	case q.DryRun && asked >= maxAskedDryRuns:
		return fault.New(fault.CodeConflict, fmt.Sprintf("%d dry runs that you asked for are running, which is the limit; cancel one, or wait", asked))
	case q.DryRun && running >= maxDryRuns:
		return fault.New(fault.CodeConflict, fmt.Sprintf("%d dry runs of several askers are running, which is the limit for all; wait for them", running))
	}
	return nil
}

// forgetReplays leaves room for one more that is recorded.
func (q *Query) forgetReplays(ctx context.Context, tx pgx.Tx) error {
	var c conditions
	c.add("application IS NOT DISTINCT FROM %s", optionalID(q.Application))
	c.add("dry_run = %s", q.DryRun)
	recorded := replaysRecorded
	if q.DryRun {
		c.add("asker IS NOT DISTINCT FROM %s", askerDigest(q.asker))
		recorded = askedRecorded
	}
	_, err := tx.Exec(ctx, fmt.Sprintf(`
		DELETE FROM persistence.replays WHERE state <> 'running' AND id IN (
		    SELECT id FROM persistence.replays WHERE %s ORDER BY requested_at DESC, id DESC OFFSET %d)`, &c, recorded-1), c.args...)
	return err
}
