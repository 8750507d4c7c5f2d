package persistence

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/theeye-dev/theeye/api/event"
)

// eraserWriter names the counter rows that take back what is erased: they are negative, and so the sums are exact after
// every chunk, while nobody waits for a replica's own rows.
const eraserWriter = "eraser"

// gone is one erased row.
type gone struct {
	id, session string
	sequence    event.Sequence
	receivedAt  time.Time
	outcome     Outcome
	events      int64 // that it stands for
}

// settle takes erased rows out of the counters, and keeps their bare sequences, of no application, for as long as they
// may be delivered again: the event was counted when it was stored, and is not counted once more as Erased.
func (s *sweep) settle(batch *pgx.Batch, rows []gone, now time.Time) {
	counts := newTally()
	var sequences [][16]byte
	var received []time.Time
	for _, r := range rows {
		counts.usage[usageKey{s.application, r.receivedAt.UTC().Truncate(time.Hour), r.outcome}] -= r.events
		if r.receivedAt.After(now.Add(-duplicatesKept)) {
			sequences, received = append(sequences, r.sequence), append(received, r.receivedAt)
		}
	}
	batch.Queue(`
		INSERT INTO persistence.duplicates (sequence, application, received_at)
		SELECT sequence, '00000000-0000-0000-0000-000000000000', received_at
		FROM unnest($1::uuid[], $2::timestamptz[]) AS i (sequence, received_at)
		ORDER BY sequence ON CONFLICT DO NOTHING`, sequences, received)
	counts.queueUsage(batch, eraserWriter)
}

// events erases the earliest of the events that are left, with what is kept of them in the ledger and in sessions.
func (s *sweep) events(ctx context.Context, tx pgx.Tx, now time.Time) (int64, error) {
	var last time.Time
	var lastSequence uuid.UUID
	err := tx.QueryRow(ctx, `
		SELECT occurred_at, sequence FROM (
		    SELECT occurred_at, sequence FROM persistence.events
		    WHERE application = $1 AND occurred_at >= $2 AND occurred_at < $5 AND sequence <= $3 ORDER BY occurred_at, sequence LIMIT $4
		) AS chunk ORDER BY occurred_at DESC, sequence DESC LIMIT 1`,
		[16]byte(s.application), s.from, [16]byte(s.cutOff), chunkRows, s.end()).Scan(&last, &lastSequence)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	rows, err := tx.Query(ctx, `
		DELETE FROM persistence.events
		WHERE application = $1 AND occurred_at BETWEEN $2 AND $3 AND (occurred_at, sequence) <= ($3, $4) AND sequence <= $5
		RETURNING id, session_id, sequence, received_at`,
		[16]byte(s.application), s.from, last, [16]byte(lastSequence), [16]byte(s.cutOff))
	if err != nil {
		return 0, err
	}
	erased, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (gone, error) {
		g := gone{outcome: Stored, events: 1}
		err := row.Scan(&g.id, &g.session, &g.sequence, &g.receivedAt)
		return g, err
	})
	if err != nil {
		return 0, err
	}
	batch := &pgx.Batch{}
	s.queueEvents(batch, erased)
	if s.before.IsZero() { // what goes by its age stays counted
		s.settle(batch, erased, now)
	}
	s.from = last
	return int64(len(erased)), tx.SendBatch(ctx, batch).Close()
}

// end returns where a sweep of events ends, which is a time that no event reaches where it has no end.
func (s *sweep) end() pgtype.Timestamptz {
	if s.before.IsZero() {
		return pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true}
	}
	return pgtype.Timestamptz{Time: s.before, Valid: true}
}

// queueEvents erases what is kept of events beside them. A session's row is locked in one statement and computed in
// the next, which so sees all that was counted in it: a batch adds to the row after its events, and in the same
// transaction.
func (s *sweep) queueEvents(batch *pgx.Batch, erased []gone) {
	ids, sequences, counts := make([]string, len(erased)), make([][16]byte, len(erased)), map[string]int64{}
	for i, g := range erased {
		ids[i], sequences[i] = g.id, g.sequence
		counts[g.session]++
	}
	sessions, numbers := make([]string, 0, len(counts)), make([]int64, 0, len(counts))
	for id, n := range counts {
		sessions, numbers = append(sessions, id), append(numbers, n)
	}
	application := [16]byte(s.application)
	batch.Queue(`
		DELETE FROM persistence.ledger l USING unnest($2::text[], $3::uuid[]) AS g (id, sequence)
		WHERE l.application = $1 AND l.id = g.id AND l.sequence = g.sequence`, application, ids, sequences)
	batch.Queue(`
		SELECT FROM persistence.sessions WHERE session_id = ANY($2) AND application = $1
		ORDER BY session_id FOR UPDATE`, application, sessions)
	batch.Queue(`
		DELETE FROM persistence.sessions s USING unnest($2::text[], $3::bigint[]) AS g (session_id, events)
		WHERE s.session_id = g.session_id AND s.application = $1 AND s.events <= g.events`, application, sessions, numbers)
	batch.Queue(`
		UPDATE persistence.sessions s SET
		    events = s.events - g.events,
		    first_at = coalesce((SELECT e.occurred_at FROM persistence.events e
		        WHERE e.session_id = s.session_id AND e.application = $1 AND e.occurred_at BETWEEN s.first_at AND s.last_at
		        ORDER BY e.occurred_at, e.sequence LIMIT 1), s.first_at),
		    last_at = coalesce((SELECT e.occurred_at FROM persistence.events e
		        WHERE e.session_id = s.session_id AND e.application = $1 AND e.occurred_at BETWEEN s.first_at AND s.last_at
		        ORDER BY e.occurred_at DESC, e.sequence DESC LIMIT 1), s.last_at)
		FROM unnest($2::text[], $3::bigint[]) AS g (session_id, events)
		WHERE s.session_id = g.session_id AND s.application = $1`, application, sessions, numbers)
}

// ledger erases rows whose events were dropped with their partition.
func (s *sweep) ledger(ctx context.Context, tx pgx.Tx, _ time.Time) (int64, error) {
	tag, err := tx.Exec(ctx, `
		DELETE FROM persistence.ledger WHERE application = $1 AND id = ANY(ARRAY(
		    SELECT id FROM persistence.ledger WHERE application = $1 AND sequence <= $2 ORDER BY id LIMIT $3
		)) AND sequence <= $2`, [16]byte(s.application), [16]byte(s.cutOff), chunkRows)
	return tag.RowsAffected(), err
}

// duplicates keeps the sequences and forgets whose they are.
func (s *sweep) duplicates(ctx context.Context, tx pgx.Tx, now time.Time) (int64, error) {
	return s.settled(ctx, tx, now, `
		UPDATE persistence.duplicates SET application = '00000000-0000-0000-0000-000000000000'
		WHERE sequence = ANY(ARRAY(
		    SELECT sequence FROM persistence.duplicates WHERE application = $1 AND sequence <= $2 ORDER BY sequence LIMIT $3
		)) RETURNING sequence, received_at, 'duplicate', 1`)
}

// failures erases refused events, whatever has become of them.
func (s *sweep) failures(ctx context.Context, tx pgx.Tx, now time.Time) (int64, error) {
	return s.settled(ctx, tx, now, `
		DELETE FROM persistence.failures
		WHERE sequence = ANY(ARRAY(
		    SELECT sequence FROM persistence.failures WHERE application = $1 AND sequence <= $2 ORDER BY received_at, sequence LIMIT $3
		)) RETURNING sequence, received_at,
		    CASE WHEN stage = 'ingest' THEN 'refused' WHEN code = 'id.conflict' THEN 'conflict' ELSE 'failed' END,
		    coalesce(events, 1)`)
}

// settled erases a chunk by one statement, and takes what it returns out of the counters.
func (s *sweep) settled(ctx context.Context, tx pgx.Tx, now time.Time, sql string) (int64, error) {
	rows, err := tx.Query(ctx, sql, [16]byte(s.application), [16]byte(s.cutOff), chunkRows)
	if err != nil {
		return 0, err
	}
	erased, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (g gone, err error) {
		err = row.Scan(&g.sequence, &g.receivedAt, &g.outcome, &g.events)
		return g, err
	})
	if err != nil || len(erased) == 0 {
		return 0, err
	}
	batch := &pgx.Batch{}
	s.settle(batch, erased, now)
	return int64(len(erased)), tx.SendBatch(ctx, batch).Close()
}
