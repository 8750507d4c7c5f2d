package persistence

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/api/event"
)

// failureKind is a range of an index that has Failures in the order of their receipt: of one application, or of all.
// There are as many as there are codes that occur, and some more: any filter is some of them, merged.
type failureKind struct{ code, stage, state string }

// maxFailureKinds is several times as many as this release makes.
const maxFailureKinds = 500

// byKind tells whether Failures are asked for by more than application and time.
func (q *Query) byKind() bool { return q.Code != "" || q.Stage != "" || q.State != "" }

// Failures returns a page, the newest first.
func (p *Postgres) Failures(ctx context.Context, q Query) (FailurePage, error) {
	kinds, err := p.failureKinds(ctx, &q)
	if err != nil || q.byKind() && len(kinds) == 0 {
		return FailurePage{Failures: []Failure{}}, err
	}
	sql, args := q.failuresSQL(kinds, failureFields, true, "")
	rows, err := p.pool.Query(ctx, sql, args...)
	if err != nil {
		return FailurePage{}, fmt.Errorf("read failures: %w", err)
	}
	failures, more, err := collect(rows, q.Limit, scanFailure, func(f *Failure) int { return f.size })
	if err != nil {
		return FailurePage{}, fmt.Errorf("read failures: %w", err)
	}
	page := FailurePage{Failures: failures}
	if more {
		page.NextCursor = failures[len(failures)-1].position.String()
	}
	return page, nil
}

// failureKinds lists the kinds that occur and are asked for; none where no kind is.
func (p *Postgres) failureKinds(ctx context.Context, q *Query) ([]failureKind, error) {
	if !q.byKind() {
		return nil, nil
	}
	sql, args := q.failureKindsSQL()
	rows, err := p.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("find kinds of failures: %w", err)
	}
	kinds, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (k failureKind, err error) {
		err = row.Scan(&k.code, &k.stage, &k.state)
		return k, err
	})
	if err != nil {
		return nil, fmt.Errorf("find kinds of failures: %w", err)
	}
	return kinds, nil
}

// failureKindsSQL jumps through an index from one kind to the next.
func (q *Query) failureKindsSQL() (sql string, args []any) {
	var within, asked conditions
	if q.Application != uuid.Nil {
		within.add("f.application = %s", q.Application)
	}
	if q.Code != "" {
		within.add("f.code = %s", q.Code)
	}
	asked.args = within.args
	if q.Stage != "" {
		asked.add("stage = %s", q.Stage)
	}
	if q.State != "" {
		asked.add("state = %s", q.State)
	}
	next := func(more string) string {
		return "SELECT f.code, f.stage, f.state FROM persistence.failures f WHERE " + within.String() + more +
			" ORDER BY f.code, f.stage, f.state LIMIT 1"
	}
	return "WITH RECURSIVE kinds AS ((" + next("") + ") UNION ALL SELECT n.* FROM kinds k CROSS JOIN LATERAL (" +
		next(" AND (f.code, f.stage, f.state) > (k.code, k.stage, k.state)") + ") n) SELECT code, stage, state FROM kinds WHERE " +
		asked.String() + fmt.Sprintf(" LIMIT %d", maxFailureKinds), asked.args
}

// failuresSQL reads each kind along its index, as far as a page may need it, and then whole the first rows of those. also is
// a further condition, "" for none.
func (q *Query) failuresSQL(kinds []failureKind, columns string, newest bool, also string) (sql string, args []any) {
	var c conditions
	source := q.failureRanges(&c, kinds, newest)
	if also != "" {
		c.clauses = append(c.clauses, also)
	}
	order := " ORDER BY received_at, sequence"
	if newest {
		order = " ORDER BY received_at DESC, sequence DESC"
	}
	limit := fmt.Sprintf(" LIMIT %d", q.Limit+1)
	if source == "" {
		return "SELECT " + columns + " FROM persistence.failures f WHERE " + c.String() + order + limit, c.args
	}
	page := "SELECT e.received_at, e.sequence FROM " + source + " CROSS JOIN LATERAL (SELECT f.received_at, f.sequence FROM persistence.failures f WHERE " +
		c.String() + order + limit + ") e" + strings.NewReplacer("received_at", "e.received_at", "sequence", "e.sequence").Replace(order) + limit
	return "SELECT w.* FROM (" + page + ") page CROSS JOIN LATERAL (SELECT " + columns +
		" FROM persistence.failures f WHERE f.sequence = page.sequence OFFSET 0) w" +
		strings.NewReplacer("received_at", "page.received_at", "sequence", "page.sequence").Replace(order), c.args
}

// failureRanges adds the conditions by which an index is read; of several kinds it returns a table.
func (q *Query) failureRanges(c *conditions, kinds []failureKind, newest bool) (source string) {
	if len(kinds) > 1 {
		codes, stages, states := make([]string, len(kinds)), make([]string, len(kinds)), make([]string, len(kinds))
		for i, k := range kinds {
			codes[i], stages[i], states[i] = k.code, k.stage, k.state
		}
		c.add("unnest(%s::text[], %s::text[], %s::text[])", codes, stages, states)
		source = c.clauses[0] + " AS k (code, stage, state)"
		c.clauses = []string{"f.code = k.code", "f.stage = k.stage", "f.state = k.state"}
	}
	if len(kinds) == 1 {
		c.add("f.code = %s", kinds[0].code)
		c.add("f.stage = %s", kinds[0].stage)
		c.add("f.state = %s", kinds[0].state)
	}
	if q.Application != uuid.Nil {
		c.add("f.application = %s", q.Application)
	}
	q.common(c, "received_at", newest)
	return source
}

// failureQuestion asks for one Failure: own is whose it must be; uuid.Nil: anybody's.
type failureQuestion struct{ id, own uuid.UUID }

const oneFailure = `SELECT ` + failureFields + `,
	(SELECT s.schema FROM persistence.schemas s WHERE s.digest = f.schema_digest)
	FROM persistence.failures f WHERE sequence = $1 AND ($2::uuid IS NULL OR application = $2)`

// Failure finds one with the schema that refused it; nil where there is none that is the sender's.
func (p *Postgres) Failure(ctx context.Context, q failureQuestion) (*Failure, error) {
	rows, err := p.pool.Query(ctx, oneFailure, [16]byte(q.id), optionalID(q.own))
	if err != nil {
		return nil, fmt.Errorf("read failure: %w", err)
	}
	failure, err := pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (Failure, error) {
		var schema []byte
		f, err := scanFailureAnd(row, &schema)
		if utf8.Valid(schema) { // a faulty one may not be
			f.Schema = schema
		}
		return f, err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read failure: %w", err)
	}
	return &failure, nil
}

// outcome of what became a Failure.
func (f *Failure) outcome() Outcome {
	switch {
	case f.Stage == string(StageIngest):
		return Refused
	case f.Code == string(event.CodeConflict):
		return Conflict
	}
	return Failed
}
