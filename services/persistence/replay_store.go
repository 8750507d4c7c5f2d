package persistence

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/api/event"
)

const candidateFields = "sequence, application, credential, event_id, received_at, original, NOT truncated AND events IS NULL, trace_id, format, " +
	failureOutcomeSQL + ", coalesce(category, ''), coalesce(name, '')"

func scanCandidate(row pgx.CollectableRow) (*candidate, error) {
	c := &candidate{}
	var application, trace *uuid.UUID
	var format string
	err := row.Scan(&c.sequence, &application, &c.credential, &c.eventID, &c.receivedAt, &c.original, &c.whole, &trace, &format,
		&c.was, &c.countedCategory, &c.countedName)
	if application != nil {
		c.application = *application
	}
	if trace != nil {
		c.traceID = *trace
	}
	c.receivedAt, c.format = c.receivedAt.UTC(), formatOf(format)
	return c, err
}

// formatOf reads what Format.String wrote; a format of a later release is none that can be decoded.
func formatOf(text string) event.Format {
	for _, f := range []event.Format{event.Native, event.CloudEvent} {
		if f.String() == text {
			return f
		}
	}
	return event.Format(0xff)
}

// candidate reads one open Failure; nil where there is no such, or it is another one's.
func (p *Postgres) candidate(ctx context.Context, q failureQuestion) (*candidate, error) {
	c := q.conditions()
	found, err := p.readCandidates(ctx, 1, "SELECT "+candidateFields+" FROM persistence.failures WHERE state = 'open' AND "+c.String(), c.args...)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0], nil
}

// uncounted keeps to Failures that are one event: what stands for many has nothing that could be replayed.
const uncounted = "f.events IS NULL"

// candidates reads the next open Failures of a job, the earliest first.
func (p *Postgres) candidates(ctx context.Context, job *replayJob, limit int) ([]*candidate, error) {
	kinds, err := p.failureKinds(ctx, &job.of)
	if err != nil || len(kinds) == 0 {
		return nil, err
	}
	job.of.Limit = limit - 1 // failuresSQL reads one more
	sql, args := job.of.failuresSQL(kinds, candidateFields, false, uncounted)
	return p.readCandidates(ctx, limit, sql, args...)
}

func (p *Postgres) readCandidates(ctx context.Context, limit int, sql string, args ...any) ([]*candidate, error) {
	rows, err := p.inOrder(ctx, sql, args)
	if err != nil {
		return nil, fmt.Errorf("read failures: %w", err)
	}
	found, _, err := collect(rows, limit, scanCandidate, p.room(ctx, maxPageBytes), func(c **candidate) int { return len((*c).original) })
	if err != nil {
		return nil, fmt.Errorf("read failures: %w", err)
	}
	return found, nil
}

// errDry ends a transaction that was to tell what it would have done.
var errDry = errors.New("a dry run")

// replay writes candidates as if they had come now, in one transaction with what became of them and how far the job is
// by that. A dry run does the same, and takes all but the last back.
func (p *Postgres) replay(ctx context.Context, job *replayJob, found []*candidate) ([]*Attempt, error) {
	ctx, cancel := context.WithTimeout(ctx, maxInsertTime)
	defer cancel()
	for attempt := 1; ; attempt++ {
		t := &replayTransaction{job: job, found: found, writer: p.writer}
		err := p.days.ensure(ctx, p.pool, daysOf(t.passed(found)))
		if err == nil {
			of := scopeOf(t.passed(found))
			of.sequences = nil // of course they are Failures
			err = p.inBatch(ctx, of, func(tx querier, known past) (*pgx.Batch, error) { return t.run(ctx, tx, known) })
		}
		switch {
		case errors.Is(err, errDry):
			return t.attempts, p.noteDryRun(ctx, job, found, t.attempts)
		case err == nil:
			if p.Announce != nil {
				p.Announce(ctx, t.stored())
			}
			job.move(found, t.attempts)
			return t.attempts, nil
		case attempt == insertAttempts || !passing(err):
			return nil, fmt.Errorf("replay failures: %w", err)
		}
		p.days.forget()
	}
}

// replayTransaction is one.
type replayTransaction struct {
	job      *replayJob
	found    []*candidate
	writer   string
	open     []*candidate // those of them that are
	done     []*record
	attempts []*Attempt
}

func (t *replayTransaction) run(ctx context.Context, tx querier, known past) (*pgx.Batch, error) {
	if err := t.job.claim(ctx, tx); err != nil {
		return nil, err
	}
	if err := t.lock(ctx, tx); err != nil {
		return nil, err
	}
	w := &write{tx: tx, past: known, writer: t.writer, tally: newTally(), outcomes: Outcomes{}}
	w.closing = func() { t.settle(w) }
	last, err := w.all(ctx, t.passed(t.open))
	if err != nil {
		return nil, err
	}
	if t.job.dryRun {
		return nil, errDry
	}
	t.queueAttempts(last)
	t.job.queueProgress(last, t.found, t.attempts)
	return last, nil
}

// passed are those that the door lets in.
func (*replayTransaction) passed(of []*candidate) (passed []*record) {
	for _, c := range of {
		if c.refusal == nil {
			passed = append(passed, &c.record)
		}
	}
	return passed
}

// lock leaves out Failures that are not open any more, and keeps those that are from others.
func (t *replayTransaction) lock(ctx context.Context, tx querier) error {
	sequences := make([][16]byte, len(t.found))
	for i, c := range t.found {
		sequences[i] = c.sequence
	}
	rows, err := tx.Query(ctx, `
		SELECT sequence FROM persistence.failures WHERE sequence = ANY($1) AND state = 'open' ORDER BY sequence FOR UPDATE`, sequences)
	if err != nil {
		return err
	}
	locked, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return err
	}
	isOpen := setOf(locked)
	for _, c := range t.found {
		if isOpen[c.sequence] {
			t.open = append(t.open, c)
		}
	}
	return nil
}

// settle tells what became of candidates by what was settled of them. What is closed is counted as what it has become,
// and no more as the Failure that it was.
func (t *replayTransaction) settle(w *write) {
	t.done = w.done
	settled := make(map[event.Sequence]*record, len(t.done))
	for _, r := range t.done {
		settled[r.sequence] = r
	}
	for _, c := range t.open {
		a := &Attempt{ID: c.sequence, DryRun: t.job.dryRun}
		switch r := settled[c.sequence]; {
		case c.refusal != nil && c.stage == StageIngest:
			a.refused(Refused, c.refusal)
		case c.refusal != nil:
			a.refused(Failed, c.refusal)
		case r.refusal != nil:
			a.refused(r.outcome, r.refusal)
		default:
			a.Outcome = r.outcome
		}
		if a.closes() && c.application != uuid.Nil {
			w.tally.change(c.application, c.receivedAt, c.was, c.countedCategory, c.countedName, -1)
		}
		t.attempts = append(t.attempts, a)
	}
}

// stored are the records for who listens: what stays a Failure was told when it became one.
func (t *replayTransaction) stored() (told []*record) {
	for _, r := range t.done {
		if r.outcome == Stored || r.outcome == Duplicate {
			told = append(told, r)
		}
	}
	return told
}

// queueAttempts notes on Failures what became of them.
func (t *replayTransaction) queueAttempts(batch *pgx.Batch) {
	n := len(t.attempts)
	sequences, closes := make([][16]byte, n), make([]bool, n)
	outcomes, codes, details, pointers, texts := make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	for i, a := range t.attempts {
		texts[i] = a.attemptedAt(t.job.now)
		sequences[i], closes[i], outcomes[i], codes[i], details[i] = a.ID, a.closes(), string(a.Outcome), a.Code, a.Detail
		if len(a.Pointers) > 0 {
			pointers[i] = a.Pointers[0]
		}
	}
	batch.Queue(`
		UPDATE persistence.failures f SET state = CASE WHEN closes THEN 'replayed' ELSE state END, attempted_at = $7, attempt_outcome = i.outcome,
		    attempt_code = i.code, attempt_detail = i.detail, attempt_pointer = i.pointer, attempts = `+attemptsSQL("i.attempt")+`
		FROM unnest($1::uuid[], $2::boolean[], $3::text[], $4::text[], $5::text[], $6::text[], $8::text[])
		    AS i (sequence, closes, outcome, code, detail, pointer, attempt)
		WHERE f.sequence = i.sequence`, sequences, closes, outcomes, codes, details, pointers, t.job.now, texts)
}
