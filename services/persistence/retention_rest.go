package persistence

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	dropFailures = `
		DELETE FROM persistence.failures WHERE sequence = ANY(ARRAY(
		    SELECT sequence FROM persistence.failures WHERE application = $1 AND received_at < $2 ORDER BY received_at, sequence LIMIT $3
		))`
	dropUnattributed = `
		DELETE FROM persistence.failures WHERE sequence = ANY(ARRAY(
		    SELECT sequence FROM persistence.failures WHERE application IS NULL AND received_at < $1 ORDER BY received_at, sequence LIMIT $2
		))`
	dropUsage = `
		DELETE FROM persistence.usage u USING (
		    SELECT hour, outcome, writer FROM persistence.usage WHERE application = $1 AND hour < $2
		    ORDER BY hour, outcome, writer LIMIT $3
		) AS chunk
		WHERE u.application = $1 AND u.hour = chunk.hour AND u.outcome = chunk.outcome AND u.writer = chunk.writer`
	// A use of a credential that lives is shown for as long as it does.
	dropCredentials = `
		DELETE FROM persistence.credential_usage WHERE application = $1 AND last_used_at < $2 AND credential <> ALL($3)`
)

// rest deletes what is kept beside events: failures, counters and uses of credentials.
func (r *Retention) rest(ctx context.Context, known keepings) error {
	now := r.Now()
	errs := r.until(ctx, func(ctx context.Context, tx pgx.Tx) (deleted, error) {
		gone := deleted{}
		tag, err := tx.Exec(ctx, dropUnattributed, now.Add(-unattributed), chunkRows)
		gone.note("failures", tag.RowsAffected())
		return gone, err
	})
	for _, a := range slices.SortedFunc(maps.Keys(known), byBytes) {
		if ends(ctx, errs) {
			break
		}
		if kept := known[a].kept; kept != 0 {
			errs = errors.Join(errs, r.restOf(ctx, a, now, max(kept, settling)))
		}
	}
	return errs
}

// restOf deletes what is due of one application, all kinds at once: most often there is nothing.
func (r *Retention) restOf(ctx context.Context, application uuid.UUID, now time.Time, kept time.Duration) error {
	uid, counted := [16]byte(application), now.Add(-kept-countedFor)
	living := append([]string{}, r.living[application]...) // not NULL
	err := r.until(ctx, func(ctx context.Context, tx pgx.Tx) (deleted, error) {
		gone, batch := deleted{}, &pgx.Batch{}
		batch.Queue(dropFailures, uid, now.Add(-kept), chunkRows)
		batch.Queue(dropUsage, uid, counted, chunkRows)
		batch.Queue(dropCredentials, uid, counted, living)
		results := tx.SendBatch(ctx, batch)
		for _, kind := range []string{"failures", "usage", "credentials"} {
			tag, err := results.Exec()
			if err != nil {
				return nil, errors.Join(err, results.Close())
			}
			gone.note(kind, tag.RowsAffected())
		}
		return gone, results.Close()
	})
	if err != nil {
		err = fmt.Errorf("rest of %s: %w", application, err)
	}
	return err
}
