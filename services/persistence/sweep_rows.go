package persistence

import (
	"context"
	"errors"
	"fmt"
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
	application    uuid.UUID // uuid.Nil where it could not be read
	id, session    string
	category, name string
	sequence       event.Sequence
	receivedAt     time.Time
	outcome        Outcome
	events         int64 // that it stands for
}

// settle takes erased rows out of the counters, and keeps their bare sequences, of no application, for as long as they
// may be delivered again: the event was counted when it was stored, and is not counted once more as Erased.
func (s *sweep) settle(batch *pgx.Batch, rows []gone, now time.Time) {
	counts := newTally()
	var sequences [][16]byte
	var received []time.Time
	for _, r := range rows {
		if r.application != uuid.Nil {
			counts.change(r.application, r.receivedAt, r.outcome, r.category, r.name, -r.events)
		}
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
	counts.queueTypes(batch, eraserWriter)
}

// left finds what of a target's events is left, and order is that of the index which has them.
func (s *sweep) left() (c conditions, order string) {
	c = conditions{clauses: []string{s.rows()}, args: []any{s.arg()}}
	c.add("sequence <= %s", [16]byte(s.cutOff))
	if s.session != "" {
		c.add("(application, occurred_at) >= (%s, %s)", [16]byte(s.whose), s.from)
		return c, "application, occurred_at, sequence"
	}
	c.add("occurred_at >= %s", s.from)
	return c, "occurred_at, sequence"
}

// events erases the first of the events that are left, with what is kept of them in the ledger and in sessions.
func (s *sweep) events(ctx context.Context, tx pgx.Tx, now time.Time) (int64, error) {
	var whose, lastSequence uuid.UUID
	var last time.Time
	c, order := s.left()
	c.add("occurred_at < %s", s.end())
	err := tx.QueryRow(ctx, fmt.Sprintf(`
		SELECT application, occurred_at, sequence FROM (
		    SELECT application, occurred_at, sequence FROM persistence.events WHERE %s ORDER BY %s LIMIT %d
		) AS chunk ORDER BY application DESC, occurred_at DESC, sequence DESC LIMIT 1`, &c, order, chunkRows), c.args...).Scan(&whose, &last, &lastSequence)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	c, _ = s.left()
	if s.session != "" {
		c.add("(application, occurred_at, sequence) <= (%s, %s, %s)", [16]byte(whose), last, [16]byte(lastSequence))
	} else {
		c.add("occurred_at <= %s", last)
		c.add("(occurred_at, sequence) <= (%s, %s)", last, [16]byte(lastSequence))
	}
	rows, err := tx.Query(ctx, "DELETE FROM persistence.events WHERE "+c.String()+`
		RETURNING application, id, session_id, category, name, sequence, received_at`, c.args...)
	if err != nil {
		return 0, err
	}
	erased, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (gone, error) {
		g := gone{outcome: Stored, events: 1}
		err := row.Scan(&g.application, &g.id, &g.session, &g.category, &g.name, &g.sequence, &g.receivedAt)
		return g, err
	})
	if err != nil {
		return 0, err
	}
	again, err := s.again(ctx, tx, erased)
	if err != nil {
		return 0, err
	}
	batch := &pgx.Batch{}
	s.queueEvents(batch, erased)
	if s.before.IsZero() { // what goes by its age stays counted
		s.settle(batch, append(erased, again...), now)
	}
	s.whose, s.from = whose, last
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
	type key struct {
		session     string
		application uuid.UUID
	}
	n := len(erased)
	ids, owners, sequences, counts := make([]string, n), make([][16]byte, n), make([][16]byte, n), map[key]int64{}
	for i, g := range erased {
		ids[i], owners[i], sequences[i] = g.id, g.application, g.sequence
		counts[key{g.session, g.application}]++
	}
	sessions, applications, numbers := make([]string, 0, len(counts)), make([][16]byte, 0, len(counts)), make([]int64, 0, len(counts))
	for k, n := range counts {
		sessions, applications, numbers = append(sessions, k.session), append(applications, k.application), append(numbers, n)
	}
	batch.Queue(`
		DELETE FROM persistence.ledger l USING unnest($1::uuid[], $2::text[], $3::uuid[]) AS g (application, id, sequence)
		WHERE l.application = g.application AND l.id = g.id AND l.sequence = g.sequence`, owners, ids, sequences)
	batch.Queue(`
		SELECT FROM persistence.sessions WHERE (session_id, application) IN (SELECT * FROM unnest($1::text[], $2::uuid[]))
		ORDER BY session_id, application FOR UPDATE`, sessions, applications)
	batch.Queue(`
		DELETE FROM persistence.sessions s USING unnest($1::text[], $2::uuid[], $3::bigint[]) AS g (session_id, application, events)
		WHERE s.session_id = g.session_id AND s.application = g.application AND s.events <= g.events`, sessions, applications, numbers)
	batch.Queue(`
		UPDATE persistence.sessions s SET
		    events = s.events - g.events,
		    first_at = coalesce((SELECT e.occurred_at FROM persistence.events e
		        WHERE e.session_id = s.session_id AND e.application = s.application AND e.occurred_at BETWEEN s.first_at AND s.last_at
		        ORDER BY e.occurred_at, e.sequence LIMIT 1), s.first_at),
		    last_at = coalesce((SELECT e.occurred_at FROM persistence.events e
		        WHERE e.session_id = s.session_id AND e.application = s.application AND e.occurred_at BETWEEN s.first_at AND s.last_at
		        ORDER BY e.occurred_at DESC, e.sequence DESC LIMIT 1), s.last_at)
		FROM unnest($1::text[], $2::uuid[], $3::bigint[]) AS g (session_id, application, events)
		WHERE s.session_id = g.session_id AND s.application = g.application`, sessions, applications, numbers)
}

// again forgets those repetitions of a session's events which the release before has noted, without a session, in the week before
// the upgrade; duplicates forgets the others.
func (s *sweep) again(ctx context.Context, tx pgx.Tx, erased []gone) ([]gone, error) {
	if s.session == "" || len(erased) == 0 {
		return nil, nil
	}
	owners, ids := make([][16]byte, len(erased)), make([]string, len(erased))
	for i, g := range erased {
		owners[i], ids[i] = g.application, g.id
	}
	rows, err := tx.Query(ctx, `
		WITH again AS (
		    SELECT d.sequence, d.application, d.category, d.name
		    FROM persistence.duplicates d JOIN unnest($1::uuid[], $2::text[]) AS i (application, id) USING (application, id)
		    WHERE d.session_id IS NULL AND d.sequence <= $3
		)
		UPDATE persistence.duplicates d SET `+bare+`
		FROM again WHERE d.sequence = again.sequence
		RETURNING again.application, d.sequence, d.received_at, 'duplicate', again.category, again.name, 1`, owners, ids, [16]byte(s.cutOff))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanGone)
}

// scanGone reads what the statements return that erase rows of other kinds than events.
func scanGone(row pgx.CollectableRow) (g gone, err error) {
	var application *uuid.UUID
	var category, name *string // NULL in rows from before
	err = row.Scan(&application, &g.sequence, &g.receivedAt, &g.outcome, &category, &name, &g.events)
	if application != nil {
		g.application = *application
	}
	if category != nil && name != nil {
		g.category, g.name = *category, *name
	}
	return g, err
}

// ledger erases rows whose events were dropped with their partition.
func (s *sweep) ledger(ctx context.Context, tx pgx.Tx, _ time.Time) (int64, error) {
	tag, err := tx.Exec(ctx, `
		DELETE FROM persistence.ledger WHERE application = $1 AND id = ANY(ARRAY(
		    SELECT id FROM persistence.ledger WHERE application = $1 AND sequence <= $2 ORDER BY id LIMIT $3
		)) AND sequence <= $2`, [16]byte(s.application), [16]byte(s.cutOff), chunkRows)
	return tag.RowsAffected(), err
}

// duplicates keeps the sequences of what was sent again, and forgets whose they are.
func (s *sweep) duplicates(ctx context.Context, tx pgx.Tx, now time.Time) (int64, error) {
	return s.settled(ctx, tx, now, `
		WITH again AS (
		    SELECT sequence, application, category, name FROM persistence.duplicates
		    WHERE `+s.rows()+` AND sequence <= $2 ORDER BY sequence LIMIT $3
		)
		UPDATE persistence.duplicates d SET `+bare+`
		FROM again WHERE d.sequence = again.sequence
		RETURNING again.application, d.sequence, d.received_at, 'duplicate', again.category, again.name, 1`)
}

// bare is what a repetition has for as long as it may be delivered again: its sequence, and when it was received.
const bare = "application = '00000000-0000-0000-0000-000000000000', id = NULL, session_id = NULL, category = NULL, name = NULL"

// failures erases refused events, whatever has become of them.
func (s *sweep) failures(ctx context.Context, tx pgx.Tx, now time.Time) (int64, error) {
	return s.settled(ctx, tx, now, s.deleteFailures(s.rows()))
}

// oldFailures erases those that a release before has stored, which did not note their session: every one in which the
// session's id stands.
func (s *sweep) oldFailures(ctx context.Context, tx pgx.Tx, now time.Time) (int64, error) {
	return s.settled(ctx, tx, now, s.deleteFailures("session_id IS NULL AND position(convert_to(to_json($1::text)::text, 'UTF8') IN original) > 0"))
}

// deleteFailures erases a chunk, in the order of the index by which its rows are found. What was replayed is counted no
// more as what it was.
func (s *sweep) deleteFailures(rows string) string {
	order := "received_at, sequence"
	if s.session != "" {
		order = "sequence"
	}
	return `
		DELETE FROM persistence.failures
		WHERE sequence = ANY(ARRAY(
		    SELECT sequence FROM persistence.failures WHERE ` + rows + ` AND sequence <= $2 ORDER BY ` + order + ` LIMIT $3
		)) RETURNING application, sequence, received_at, ` + failureOutcomeSQL + `, category, name,
		    CASE state WHEN 'replayed' THEN 0 ELSE coalesce(events, 1) END`
}

// settled erases a chunk by one statement, and takes what it returns out of the counters.
func (s *sweep) settled(ctx context.Context, tx pgx.Tx, now time.Time, sql string) (int64, error) {
	rows, err := tx.Query(ctx, sql, s.arg(), [16]byte(s.cutOff), chunkRows)
	if err != nil {
		return 0, err
	}
	erased, err := pgx.CollectRows(rows, scanGone)
	if err != nil || len(erased) == 0 {
		return 0, err
	}
	batch := &pgx.Batch{}
	s.settle(batch, erased, now)
	return int64(len(erased)), tx.SendBatch(ctx, batch).Close()
}
