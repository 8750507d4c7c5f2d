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
	"github.com/jackc/pgx/v5/pgconn"
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
	dropTypeUsage = `
		DELETE FROM persistence.type_usage u USING (
		    SELECT hour, outcome, category, name, writer FROM persistence.type_usage WHERE application = $1 AND hour < $2
		    ORDER BY hour, outcome, category, name, writer LIMIT $3
		) AS chunk
		WHERE u.application = $1 AND u.hour = chunk.hour AND u.outcome = chunk.outcome
		    AND u.category = chunk.category AND u.name = chunk.name AND u.writer = chunk.writer`
	// A type of which nothing is counted any more leaves its place among those that are to another one. What is stored of
	// it in the very moment may be counted under no type.
	dropTypes = `
		DELETE FROM persistence.types t WHERE application = $1 AND NOT EXISTS (
		    SELECT FROM persistence.type_usage u WHERE u.application = t.application AND u.category = t.category AND u.name = t.name)`
	// What was sent again loses its id and its type, as the event did. The bare sequence stays for as long as it may be
	// delivered again (duplicatesKept).
	forgetRepetitions = `
		UPDATE persistence.duplicates SET ` + bare + `
		WHERE sequence = ANY(ARRAY(
		    SELECT sequence FROM persistence.duplicates WHERE application = $1 AND sequence <= $2 ORDER BY sequence LIMIT $3
		))`
	// A use of a credential that lives is shown for as long as it does.
	dropUses = `
		DELETE FROM persistence.credential_usage WHERE application = $1 AND last_used_at < $2 AND credential <> ALL($3)`
)

// rest deletes what is kept beside events: failures, counters, repetitions and uses of credentials.
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
	uncounted := false                                     // counters by type were deleted, and types that have none may be left
	err := r.until(ctx, func(ctx context.Context, tx pgx.Tx) (deleted, error) {
		gone, batch := deleted{}, &pgx.Batch{}
		queue := func(kind, sql string, args ...any) {
			batch.Queue(sql, args...).Exec(func(tag pgconn.CommandTag) error { gone.note(kind, tag.RowsAffected()); return nil })
		}
		queue("failures", dropFailures, uid, now.Add(-kept), chunkRows)
		queue("usage", dropUsage, uid, counted, chunkRows)
		queue("types", dropTypeUsage, uid, counted, chunkRows)
		queue("repetitions", forgetRepetitions, uid, [16]byte(cutOffAt(now.Add(-kept))), chunkRows)
		queue("credentials", dropUses, uid, counted, living)
		err := tx.SendBatch(ctx, batch).Close()
		uncounted = uncounted || gone["types"] > 0
		if err == nil && uncounted && gone["types"] < chunkRows { // they were the last
			_, err = tx.Exec(ctx, dropTypes, uid)
			uncounted = false
		}
		return gone, err
	})
	if err != nil {
		err = fmt.Errorf("rest of %s: %w", application, err)
	}
	return err
}
