package persistence

import (
	"bytes"

	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/api/event"
)

// past is what a batch has to know before it writes.
type past struct {
	erasures
	earlier map[event.Sequence]settled
}

// settled is what an earlier delivery made of an event that it did not store.
type settled struct {
	outcome Outcome
	refusal *event.Refusal // of a Failure
}

// lookForSettled finds what was settled without being stored: by the ledger it is not known any more once the event that has its
// id is erased, or gone by its age. Where nothing lies between a batch's first sequence and its last, as nothing does when nothing else
// was refused or repeated at that moment, it costs one probe of each table.
const lookForSettled = `
	SELECT sequence, CASE state WHEN 'replayed' THEN coalesce(attempt_outcome, 'stored') ELSE ` + failureOutcomeSQL + ` END,
	    code, detail, coalesce(pointers[1], '')
	FROM persistence.failures
	WHERE (SELECT sequence FROM persistence.failures WHERE sequence >= $2 ORDER BY sequence LIMIT 1) <= $3 AND sequence = ANY($1)
	UNION ALL
	SELECT sequence, 'duplicate', '', '', '' FROM persistence.duplicates
	WHERE (SELECT sequence FROM persistence.duplicates WHERE sequence >= $2 ORDER BY sequence LIMIT 1) <= $3 AND sequence = ANY($1)`

func scanSettled(rows pgx.Rows) (found map[event.Sequence]settled, err error) {
	var sequence event.Sequence
	var outcome Outcome
	var refusal event.Refusal
	_, err = pgx.ForEachRow(rows, []any{&sequence, &outcome, &refusal.Code, &refusal.Detail, &refusal.Pointer}, func() error {
		if found == nil {
			found = map[event.Sequence]settled{}
		}
		s := settled{outcome: outcome}
		if outcome == Conflict || outcome == Failed {
			again := refusal
			s.refusal = &again
		}
		found[sequence] = s
		return nil
	})
	return found, err
}

// spanOf returns the sequences of events, the first of them and the last; none for what was refused at the door, which has nothing
// but its sequence to be known by.
func spanOf(records []*record) (sequences [][16]byte, first, last event.Sequence) {
	for _, r := range records {
		if r.refusal != nil {
			continue
		}
		if len(sequences) == 0 || bytes.Compare(r.sequence[:], first[:]) < 0 {
			first = r.sequence
		}
		if bytes.Compare(r.sequence[:], last[:]) > 0 {
			last = r.sequence
		}
		sequences = append(sequences, r.sequence)
	}
	return sequences, first, last
}

// before settles what an earlier delivery has, and returns the rest.
func (w *write) before(records []*record) (rest []*record) {
	if len(w.earlier) == 0 {
		return records
	}
	for _, r := range records {
		then, ok := w.earlier[r.sequence]
		if !ok || r.refusal != nil {
			rest = append(rest, r)
			continue
		}
		if then.refusal != nil {
			failed := *r // a copy, as in compare
			failed.refusal, failed.stage = then.refusal, StagePersistence
			r = &failed
		}
		w.settledBefore(r, then.outcome)
	}
	return rest
}
