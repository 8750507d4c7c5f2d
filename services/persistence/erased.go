package persistence

import (
	"bytes"
	"context"
	"encoding/binary"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/api/event"
)

// erasure is what a batch has to know of an application or a session that was erased.
type erasure struct {
	cutOff  event.Sequence // everything up to it is erased
	pending bool           // and some of it may still be there
}

// erasures that a batch may meet; nil where there are none.
type erasures struct {
	applications map[uuid.UUID]erasure
	sessions     map[string]erasure
}

// covers tells whether a record was received before its application or its session was erased.
func (e erasures) covers(r *record) bool {
	application, ok := e.applications[r.application]
	if ok && application.covers(r) {
		return true
	}
	session, ok := e.sessions[r.sessionID]
	return ok && session.covers(r)
}

func (e erasure) covers(r *record) bool { return bytes.Compare(r.sequence[:], e.cutOff[:]) <= 0 }

func (e erasures) none() bool { return len(e.applications) == 0 && len(e.sessions) == 0 }

// cutOffAt returns the last sequence that tells a time's millisecond.
func cutOffAt(t time.Time) event.Sequence {
	var q event.Sequence
	binary.BigEndian.PutUint64(q[:8], uint64(t.UnixMilli())<<16|0xffff)
	binary.BigEndian.PutUint64(q[8:], ^uint64(0))
	return q
}

// endOf returns the first moment whose sequences come after a cut-off.
func endOf(cutOff event.Sequence) time.Time {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(cutOff[:8])>>16) + 1).UTC()
}

// drop settles what was received before an erasure, and returns the rest. What had ended before it was erased was
// counted then, and so is nothing but a redelivery.
func (w *write) drop(ctx context.Context, records []*record) (rest []*record, err error) {
	if w.erasures.none() {
		return records, nil
	}
	var covered []*record
	for _, r := range records {
		if w.erasures.covers(r) {
			covered = append(covered, r)
		} else {
			rest = append(rest, r)
		}
	}
	if len(covered) == 0 {
		return rest, nil
	}
	n := len(covered)
	sequences, applications, ids, received := make([][16]byte, n), make([][16]byte, n), make([]string, n), make([]time.Time, n)
	for i, r := range covered {
		sequences[i], applications[i], ids[i], received[i] = r.sequence, r.application, storable(r.id), r.receivedAt
	}
	rows, err := w.tx.Query(ctx, `
		INSERT INTO persistence.duplicates (sequence, application, received_at)
		SELECT i.sequence, '00000000-0000-0000-0000-000000000000', i.received_at
		FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[]) AS i (sequence, application, id, received_at)
		WHERE NOT EXISTS (SELECT FROM persistence.ledger l WHERE l.application = i.application AND l.id = i.id AND l.sequence = i.sequence)
		    AND NOT EXISTS (SELECT FROM persistence.failures f WHERE f.sequence = i.sequence)
		ORDER BY i.sequence
		ON CONFLICT DO NOTHING RETURNING sequence`, sequences, applications, ids, received)
	return rest, w.settleNew(rows, err, covered, erasedOutcome)
}

func erasedOutcome(r *record) Outcome {
	if r.refusal != nil && r.stage == StageIngest {
		return ErasedRefusal
	}
	return Erased
}

// free lets an id be used again while the event that had it waits to be erased, with its application or with its
// session: its ledger row goes first. Only a pending erasure has such rows.
func (w *write) free(ctx context.Context, events []*record) error {
	var applications, cutOffs [][16]byte
	var ids []string
	var sessions []*string // nil: of any
	for _, r := range events {
		for _, e := range []struct {
			erasure
			session *string
		}{{w.erasures.applications[r.application], nil}, {w.erasures.sessions[r.sessionID], &r.sessionID}} {
			if e.pending {
				applications, ids = append(applications, r.application), append(ids, r.id)
				cutOffs, sessions = append(cutOffs, e.cutOff), append(sessions, e.session)
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	batch := &pgx.Batch{}
	batch.Queue(`
		WITH freed AS (
		    DELETE FROM persistence.ledger l USING unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[]) AS i (application, id, cut_off, session_id)
		    WHERE l.application = i.application AND l.id = i.id AND l.sequence <= i.cut_off AND (i.session_id IS NULL OR EXISTS (
		        SELECT FROM persistence.events e WHERE e.application = l.application AND e.occurred_at = l.occurred_at
		            AND e.sequence = l.sequence AND e.session_id = i.session_id))
		    RETURNING l.sequence
		)
		INSERT INTO persistence.duplicates (sequence, application, received_at)
		SELECT sequence, '00000000-0000-0000-0000-000000000000', now() FROM freed
		ORDER BY sequence ON CONFLICT DO NOTHING`, applications, ids, cutOffs, sessions)
	return w.tx.SendBatch(ctx, batch).Close()
}
