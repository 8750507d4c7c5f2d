package persistence

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/api/event"
)

// write is one transaction.
type write struct {
	tx       querier
	past     // what it knows
	writer   string
	tally    *tally
	outcomes Outcomes
	done     []*record // with their outcomes, for who listens

	closing func() // takes what a replay closes out of the counters; nil: nothing is closed
}

func (w *write) settled(r *record, o Outcome) {
	w.outcomes[o] += r.events()
	w.tally.add(r, o)
	r.outcome = o
	w.done = append(w.done, r)
}

// settledBefore counts a redelivery. Who listens may not have been told, when a replica died in between: it is told again.
func (w *write) settledBefore(r *record, o Outcome) {
	w.settled(r, Redelivered)
	r.outcome = o
}

// all writes a batch, but for the counters, which it returns: they go with the commit. Events are sorted first:
// transactions that lock rows in one order cannot deadlock.
func (w *write) all(ctx context.Context, records []*record) (*pgx.Batch, error) {
	counted, records := numbered(records)
	records, err := w.drop(ctx, records)
	if err != nil {
		return nil, err
	}
	records = w.before(records)
	var events, failures []*record
	for _, r := range records {
		if r.refusal == nil {
			events = append(events, r)
		} else {
			failures = append(failures, r)
		}
	}
	slices.SortFunc(events, compare)
	var first, later []*record // later: the id is in this batch already
	for i, r := range events {
		if i > 0 && events[i-1].application == r.application && events[i-1].id == r.id {
			later = append(later, r)
		} else {
			first = append(first, r)
		}
	}
	if err := w.free(ctx, first); err != nil {
		return nil, err
	}
	stored, known, err := w.events(ctx, first)
	if err != nil {
		return nil, err
	}
	duplicates, conflicts, err := w.compare(ctx, append(known, later...))
	if err != nil {
		return nil, err
	}
	if err := w.duplicates(ctx, duplicates); err != nil {
		return nil, err
	}
	if err := w.failures(ctx, append(failures, conflicts...)); err != nil {
		return nil, err
	}
	sums, err := w.counted(ctx, counted)
	if err != nil {
		return nil, err
	}
	if w.closing != nil {
		w.closing()
	}
	last := w.counters(stored)
	sums.queue(last)
	if w.outcomes[Redelivered] > 0 {
		// A transaction that writes nothing waits for no standby, and what is found stored may not be on one yet: the
		// commit before may have been cut short. With a record of its own this one waits for all before it.
		last.Queue("SELECT pg_logical_emit_message(true, 'theeye', 'redelivered')")
	}
	return last, nil
}

// insertEvents writes the ledger and, in the same statement, the events whose id was new to it.
const insertEvents = `
WITH i AS MATERIALIZED (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[],
        $8::timestamptz[], $9::uuid[], $10::text[], $11::uuid[], $12::uuid[], $13::text[], $14::timestamptz[])
    AS i (application, id, session_id, category, name, data, occurred_at, received_at, sequence, credential, trace_id, fingerprint, attributes,
        client_timestamp)
), k AS (
    INSERT INTO persistence.ledger (application, id, fingerprint, sequence, occurred_at)
    SELECT application, id, fingerprint, sequence, occurred_at FROM i
    ON CONFLICT DO NOTHING
    RETURNING sequence
), e AS (
    INSERT INTO persistence.events (application, id, session_id, category, name, data, occurred_at, received_at, sequence, credential, trace_id, attributes,
        client_timestamp)
    SELECT application, id, session_id, category, name, data::jsonb, occurred_at, received_at, sequence, credential, trace_id, attributes::jsonb,
        client_timestamp
    FROM i JOIN k USING (sequence)
)
SELECT i.sequence FROM i WHERE NOT EXISTS (SELECT FROM k WHERE k.sequence = i.sequence)`

// events inserts records of different ids. It returns those that were stored and those whose id was known.
func (w *write) events(ctx context.Context, records []*record) (stored, known []*record, err error) {
	if len(records) == 0 {
		return nil, nil, nil
	}
	n := len(records)
	var (
		applications, sequences, fingerprints = make([][16]byte, n), make([][16]byte, n), make([][16]byte, n)
		ids, sessions, categories, names      = make([]string, n), make([]string, n), make([]string, n), make([]string, n)
		data, attributes                      = make([]*string, n), make([]*string, n)
		traces                                = make([]*[16]byte, n)
		occurred, received                    = make([]time.Time, n), make([]time.Time, n)
		clientTimes                           = make([]*time.Time, n)
		credentials                           = make([]string, n)
	)
	for i, r := range records {
		applications[i], sequences[i], fingerprints[i] = r.application, r.sequence, r.fingerprint
		ids[i], sessions[i], categories[i], names[i] = r.id, r.sessionID, r.category, r.name
		data[i], attributes[i], traces[i] = optionalText(r.data), optionalText(r.attributes), optionalID(r.traceID)
		occurred[i], clientTimes[i], received[i], credentials[i] = r.occurredAt, r.clientTime, r.receivedAt, r.credential
	}
	rows, err := w.tx.Query(ctx, insertEvents, applications, ids, sessions, categories, names, data, occurred, received,
		sequences, credentials, traces, fingerprints, attributes, clientTimes)
	if err != nil {
		return nil, nil, err
	}
	old, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, nil, err
	}
	if len(old) == 0 {
		stored = records
	} else {
		wasKnown := setOf(old)
		for _, r := range records {
			if wasKnown[r.sequence] {
				known = append(known, r)
			} else {
				stored = append(stored, r)
			}
		}
	}
	for _, r := range stored {
		w.settled(r, Stored)
	}
	return stored, known, nil
}

// compare holds records against the ledger, in a statement of its own: the snapshot of the one before cannot see what
// a concurrent transaction committed meanwhile.
func (w *write) compare(ctx context.Context, records []*record) (duplicates, conflicts []*record, err error) {
	if len(records) == 0 {
		return nil, nil, nil
	}
	applications, ids := make([][16]byte, len(records)), make([]string, len(records))
	for i, r := range records {
		applications[i], ids[i] = r.application, r.id
	}
	rows, err := w.tx.Query(ctx, `
		SELECT i.n, l.fingerprint, l.sequence
		FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS i (application, id, n)
		JOIN persistence.ledger l ON l.application = i.application AND l.id = i.id`, applications, ids)
	if err != nil {
		return nil, nil, err
	}
	var n int
	var fingerprint event.Fingerprint
	var sequence event.Sequence
	compared := 0
	_, err = pgx.ForEachRow(rows, []any{&n, &fingerprint, &sequence}, func() error {
		compared++
		switch r := records[n-1]; {
		case r.sequence == sequence:
			w.settledBefore(r, Stored)
		case r.fingerprint == fingerprint:
			duplicates = append(duplicates, r)
		default:
			failed := *r // a copy: when this transaction is tried again, the record is an event again
			failed.fail(event.CodeConflict, "the id was stored before with other content", "/id")
			conflicts = append(conflicts, &failed)
		}
		return nil
	})
	if err == nil && compared != len(records) {
		err = errVanished
	}
	return duplicates, conflicts, err
}

// duplicates records what was sent again, so that its redelivery is not counted.
func (w *write) duplicates(ctx context.Context, records []*record) error {
	if len(records) == 0 {
		return nil
	}
	slices.SortFunc(records, bySequence)
	n := len(records)
	sequences, applications, received := make([][16]byte, n), make([][16]byte, n), make([]time.Time, n)
	ids, sessions, categories, names := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	for i, r := range records {
		sequences[i], applications[i], received[i] = r.sequence, r.application, r.receivedAt
		ids[i], sessions[i], categories[i], names[i] = r.id, r.sessionID, r.category, r.name
	}
	rows, err := w.tx.Query(ctx, `
		INSERT INTO persistence.duplicates (sequence, application, received_at, id, session_id, category, name)
		SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::text[])
		ON CONFLICT DO NOTHING RETURNING sequence`, sequences, applications, received, ids, sessions, categories, names)
	return w.settleNew(rows, err, records, func(*record) Outcome { return Duplicate })
}

// settleNew settles the records whose sequences come back as inserted; the others were settled before, or are in the
// batch twice: a producer that got no answer from Redis may have made two entries.
func (w *write) settleNew(rows pgx.Rows, err error, records []*record, outcome func(*record) Outcome) error {
	if err != nil {
		return err
	}
	inserted, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return err
	}
	isNew := setOf(inserted)
	for _, r := range records {
		if isNew[r.sequence] {
			delete(isNew, r.sequence)
			w.settled(r, outcome(r))
		} else {
			w.settledBefore(r, outcome(r))
		}
	}
	return nil
}
