package persistence

import (
	"bytes"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// errVanished is tried again: an id was in the ledger a moment ago and is not any more (retention, erasure).
var errVanished = errors.New("a ledger row vanished during the transaction")

// counters adds what was settled to sessions, usage and credential_usage: the last statements of a batch.
func (w *write) counters(stored []*record) *pgx.Batch {
	batch := &pgx.Batch{}
	w.queueSessions(batch, sessionsOf(stored))
	w.tally.queueUsage(batch, w.writer)
	w.queueCredentials(batch)
	w.tally.queueTypes(batch, w.writer)
	return batch
}

func (w *write) queueSessions(batch *pgx.Batch, sessions []*session) {
	n := len(sessions)
	if n == 0 {
		return
	}
	ids, applications, counts := make([]string, n), make([][16]byte, n), make([]int64, n)
	first, last := make([]time.Time, n), make([]time.Time, n)
	for i, s := range sessions {
		ids[i], applications[i], first[i], last[i], counts[i] = s.id, s.application, s.first, s.last, s.events
	}
	batch.Queue(`
		INSERT INTO persistence.sessions AS s (session_id, application, first_at, last_at, events)
		SELECT * FROM unnest($1::text[], $2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::bigint[])
		ON CONFLICT (session_id, application) DO UPDATE SET
		    first_at = least(s.first_at, excluded.first_at), last_at = greatest(s.last_at, excluded.last_at),
		    events = s.events + excluded.events`, ids, applications, first, last, counts)
}

// queueUsage adds to the counters of a writer.
func (t *tally) queueUsage(batch *pgx.Batch, writer string) {
	keys := t.keys()
	n := len(keys)
	if n == 0 {
		return
	}
	applications, hours, outcomes, counts := make([][16]byte, n), make([]time.Time, n), make([]string, n), make([]int64, n)
	for i, k := range keys {
		applications[i], hours[i], outcomes[i], counts[i] = k.application, k.hour, string(k.outcome), t.usage[k]
	}
	batch.Queue(`
		INSERT INTO persistence.usage AS u (application, hour, outcome, writer, events)
		SELECT application, hour, outcome, $5, events
		FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::bigint[]) AS i (application, hour, outcome, events)
		ON CONFLICT (application, hour, outcome, writer) DO UPDATE SET events = u.events + excluded.events`,
		applications, hours, outcomes, counts, writer)
}

func (w *write) queueCredentials(batch *pgx.Batch) {
	keys := w.tally.credentialKeys()
	n := len(keys)
	if n == 0 {
		return
	}
	applications, credentials := make([][16]byte, n), make([]string, n)
	used, stored := make([]time.Time, n), make([]*time.Time, n)
	for i, k := range keys {
		last := w.tally.credentials[k]
		applications[i], credentials[i], used[i], stored[i] = k.application, k.credential, last.any, last.stored
	}
	batch.Queue(`
		INSERT INTO persistence.credential_usage AS c (application, credential, writer, last_used_at, last_event_at)
		SELECT application, credential, $5, last_used_at, last_event_at
		FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::timestamptz[]) AS i (application, credential, last_used_at, last_event_at)
		ON CONFLICT (application, credential, writer) DO UPDATE SET
		    last_used_at = greatest(c.last_used_at, excluded.last_used_at),
		    last_event_at = greatest(c.last_event_at, excluded.last_event_at)`,
		applications, credentials, used, stored, w.writer)
}

func bySequence(a, b *record) int { return bytes.Compare(a.sequence[:], b.sequence[:]) }

func setOf(ids []uuid.UUID) map[uuid.UUID]bool {
	set := make(map[uuid.UUID]bool, len(ids))
	for _, id := range ids {
		set[id] = true
	}
	return set
}

func optionalText(b []byte) *string {
	if b == nil {
		return nil
	}
	s := string(b)
	return &s
}

// optionalID makes the zero id NULL. pgx encodes [16]byte at once, and uuid.UUID only by way of its text.
func optionalID(id [16]byte) *[16]byte {
	if id == [16]byte{} {
		return nil
	}
	return &id
}
