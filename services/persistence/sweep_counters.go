package persistence

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// hours erases the counters of the hours before the cut-off's: whatever they counted is erased.
func (s *sweep) hours(ctx context.Context, tx pgx.Tx, now time.Time) (int64, error) {
	if n, err := s.usage(ctx, tx, now); n > 0 || err != nil {
		return n, err
	}
	tag, err := tx.Exec(ctx, `
		DELETE FROM persistence.type_usage u USING (
		    SELECT hour, outcome, category, name, writer FROM persistence.type_usage WHERE application = $1 AND hour < $2
		    ORDER BY hour, outcome, category, name, writer LIMIT $3 FOR UPDATE
		) AS chunk
		WHERE u.application = $1 AND u.hour = chunk.hour AND u.outcome = chunk.outcome
		    AND u.category = chunk.category AND u.name = chunk.name AND u.writer = chunk.writer`,
		[16]byte(s.application), s.lastHour(), chunkRows)
	return tag.RowsAffected(), err
}

// lastHour is the cut-off's own.
func (s *sweep) lastHour() time.Time {
	return endOf(s.cutOff).Add(-time.Millisecond).Truncate(time.Hour)
}

// usage does so for all types together.
func (s *sweep) usage(ctx context.Context, tx pgx.Tx, _ time.Time) (int64, error) {
	tag, err := tx.Exec(ctx, `
		DELETE FROM persistence.usage u USING (
		    SELECT hour, outcome, writer FROM persistence.usage WHERE application = $1 AND hour < $2
		    ORDER BY hour, outcome, writer LIMIT $3 FOR UPDATE
		) AS chunk
		WHERE u.application = $1 AND u.hour = chunk.hour AND u.outcome = chunk.outcome AND u.writer = chunk.writer`,
		[16]byte(s.application), s.lastHour(), chunkRows)
	return tag.RowsAffected(), err
}

// finish erases the counters of the cut-off's own hour, where nothing is left to count, and notes that up to the
// cut-off nothing is left.
func (s *sweep) finish(ctx context.Context, tx pgx.Tx, now time.Time) error {
	if s.session != "" {
		return s.finishSession(ctx, tx, now)
	}
	application, end := [16]byte(s.application), endOf(s.cutOff)
	batch := &pgx.Batch{}
	// Locked first, and summed up in the next statement: a batch may be adding to a row.
	batch.Queue("SELECT FROM persistence.usage WHERE application = $1 ORDER BY hour, outcome, writer FOR UPDATE", application)
	batch.Queue(`
		DELETE FROM persistence.usage u USING (
		    SELECT hour, outcome FROM persistence.usage WHERE application = $1 GROUP BY hour, outcome HAVING sum(events) = 0
		) AS nothing
		WHERE u.application = $1 AND u.hour = nothing.hour AND u.outcome = nothing.outcome`, application)
	batch.Queue("SELECT FROM persistence.type_usage WHERE application = $1 ORDER BY hour, outcome, category, name, writer FOR UPDATE", application)
	batch.Queue(`
		DELETE FROM persistence.type_usage u USING (
		    SELECT hour, outcome, category, name FROM persistence.type_usage WHERE application = $1
		    GROUP BY hour, outcome, category, name HAVING sum(events) = 0
		) AS nothing
		WHERE u.application = $1 AND u.hour = nothing.hour AND u.outcome = nothing.outcome
		    AND u.category = nothing.category AND u.name = nothing.name`, application)
	batch.Queue(`
		DELETE FROM persistence.types t WHERE application = $1 AND NOT EXISTS (
		    SELECT FROM persistence.type_usage u WHERE u.application = $1 AND u.category = t.category AND u.name = t.name)`, application)
	batch.Queue("DELETE FROM persistence.credential_usage WHERE application = $1 AND last_used_at < $2", application, end)
	batch.Queue("UPDATE persistence.credential_usage SET last_event_at = NULL WHERE application = $1 AND last_event_at < $2", application, end)
	batch.Queue("DELETE FROM persistence.replays WHERE application = $1 AND requested_at < $2", application, end)
	batch.Queue(`
		UPDATE persistence.erasures SET erased_to = $2, finished_at = CASE WHEN cut_off = $2 THEN $3::timestamptz END
		WHERE application = $1`, application, [16]byte(s.cutOff), now)
	return tx.SendBatch(ctx, batch).Close()
}

// finishSession removes what is known of a session where its events were dropped otherwise, and forgets its id: from now
// on the erasure is recognised by who names it.
func (s *sweep) finishSession(ctx context.Context, tx pgx.Tx, now time.Time) error {
	batch := &pgx.Batch{}
	batch.Queue("SELECT FROM persistence.sessions WHERE session_id = $1 ORDER BY application FOR UPDATE", s.session)
	batch.Queue(`
		DELETE FROM persistence.sessions s WHERE session_id = $1 AND NOT EXISTS (
		    SELECT FROM persistence.events e WHERE e.session_id = s.session_id AND e.application = s.application
		        AND e.occurred_at BETWEEN s.first_at AND s.last_at)`, s.session)
	batch.Queue("UPDATE "+s.table()+` SET erased_to = $2,
		    finished_at = CASE WHEN cut_off = $2 THEN $3::timestamptz END,
		    session_id = CASE WHEN cut_off = $2 THEN NULL ELSE session_id END
		WHERE `+s.row(), s.session, [16]byte(s.cutOff), now)
	return tx.SendBatch(ctx, batch).Close()
}
