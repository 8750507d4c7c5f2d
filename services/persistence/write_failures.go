package persistence

import (
	"context"
	"slices"
	"time"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/services/internal/failpoint"
)

// insertFailures ends where it is said what becomes of those whose sequence is there.
const insertFailures = `
INSERT INTO persistence.failures AS f (sequence, application, credential, event_id, code, detail, pointers, stage, received_at, original, truncated, trace_id, format, events,
    session_id, category, name, schema_digest)
SELECT sequence, application, credential, event_id, code, detail,
    CASE pointer WHEN '' THEN '{}' ELSE ARRAY[pointer] END, stage, received_at, original, truncated, trace_id, format, events,
    session_id, category, name, schema_digest
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
    $9::timestamptz[], $10::bytea[], $11::boolean[], $12::uuid[], $13::text[], $14::bigint[], $15::text[], $16::text[], $17::text[], $18::bytea[])
AS i (sequence, application, credential, event_id, code, detail, pointer, stage, received_at, original, truncated, trace_id, format, events,
    session_id, category, name, schema_digest)
ON CONFLICT `

// failures records what could not be stored; its key is the sequence that the refused event got.
func (w *write) failures(ctx context.Context, records []*record) error {
	if len(records) == 0 {
		return nil
	}
	slices.SortFunc(records, bySequence)
	rows, err := w.tx.Query(ctx, insertFailures+"DO NOTHING RETURNING sequence", failureColumns(records)...)
	err = w.settleNew(rows, err, records, failureOutcome)
	failpoint.Hit(failpoint.DeadLetter)
	return err
}

// failureColumns are the arguments of insertFailures.
func failureColumns(records []*record) []any {
	n := len(records)
	var (
		sequences, applications, traces  = make([][16]byte, n), make([]*[16]byte, n), make([]*[16]byte, n)
		credentials, ids, codes, details = make([]string, n), make([]string, n), make([]string, n), make([]string, n)
		pointers, stages, received       = make([]string, n), make([]string, n), make([]time.Time, n)
		originals, truncated, formats    = make([][]byte, n), make([]bool, n), make([]string, n)
		events                           = make([]*int64, n)
		sessions, categories, names      = make([]string, n), make([]string, n), make([]string, n)
		schemas                          = make([][]byte, n)
	)
	for i, r := range records {
		sequences[i], applications[i], traces[i] = r.sequence, optionalID(r.application), optionalID(r.traceID)
		credentials[i], ids[i], codes[i] = r.credential, storable(r.id), storable(string(r.refusal.Code))
		details[i], pointers[i] = storable(r.refusal.Detail), storable(r.refusal.Pointer)
		stages[i], received[i] = string(r.stage), r.receivedAt
		sessions[i], categories[i], names[i] = r.sessionID, r.category, r.name
		originals[i], truncated[i], formats[i] = r.original, r.truncated, r.format.String()
		if originals[i] == nil {
			originals[i] = []byte{}
		}
		if r.count > 0 {
			events[i] = &r.count
		}
		if r.refusal.Schema != nil {
			schemas[i] = r.refusal.Schema[:]
		}
	}
	return []any{
		sequences, applications, credentials, ids, codes, details, pointers, stages, received, originals, truncated, traces, formats, events,
		sessions, categories, names, schemas,
	}
}

// failureOutcome is what became of what is a Failure; failureOutcomeSQL tells the same of its row.
func failureOutcome(r *record) Outcome {
	switch {
	case r.stage == StageIngest:
		return Refused
	case r.refusal.Code == event.CodeConflict:
		return Conflict
	}
	return Failed
}

const failureOutcomeSQL = "CASE WHEN stage = 'ingest' THEN 'refused' WHEN code = 'id.conflict' THEN 'conflict' ELSE 'failed' END"
