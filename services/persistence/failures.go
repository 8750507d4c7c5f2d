package persistence

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

// failureKind is a range of an index that has Failures in the order of their receipt: of one application, or of all.
// There are as many as there are codes that occur, and some more: any filter is some of them, merged.
type failureKind struct {
	application        uuid.UUID // of a question that is about some; else uuid.Nil
	code, stage, state string
}

// maxFailureKinds is several times as many as this release makes of one application.
const maxFailureKinds = 500

var errManyKinds = fault.New(fault.CodeTooWide, "failures of so many kinds are too many for one question: name an application")

// byKind tells whether Failures are asked for by more than application and time.
func (q *Query) byKind() bool { return q.Code != "" || q.Stage != "" || q.State != "" }

// Failures returns a page, the newest first.
func (p *Postgres) Failures(ctx context.Context, q Query) (FailurePage, error) {
	kinds, err := p.failureKinds(ctx, &q)
	if err != nil || q.byKind() && len(kinds) == 0 {
		return FailurePage{Failures: []Failure{}, Partial: q.partial()}, err
	}
	sql, args := q.failuresSQL(kinds, failureFields, true, "")
	rows, err := p.inOrder(ctx, sql, args)
	if err != nil {
		return FailurePage{}, fmt.Errorf("read failures: %w", err)
	}
	failures, more, err := collect(rows, q.Limit, scanFailure, p.room(ctx, maxPageBytes), (*Failure).weight)
	if err != nil {
		return FailurePage{}, fmt.Errorf("read failures: %w", err)
	}
	page := FailurePage{Failures: failures, Partial: q.partial()}
	if more {
		page.NextCursor = q.cursors()(failures[len(failures)-1].position.bytes())
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
		err = row.Scan(&k.application, &k.code, &k.stage, &k.state)
		return k, err
	})
	if err != nil {
		return nil, fmt.Errorf("find kinds of failures: %w", err)
	}
	if len(kinds) > maxFailureKinds {
		return nil, errManyKinds
	}
	return kinds, nil
}

// failureKindsSQL jumps through an index from one kind to the next, until it comes to what is not asked for; of several
// applications through that of each.
func (q *Query) failureKindsSQL() (sql string, args []any) {
	var c conditions
	columns, from, same := []string{"code", "stage", "state"}, []string{"''", "''", "''"}, []string{"true"}
	if q.Code != "" {
		c.add("%s::text", q.Code)
		from[0], same = c.clauses[0], append(same, "n.code = "+c.clauses[0])
	}
	application, source := "", ""
	c.clauses = nil
	switch {
	case q.Application != uuid.Nil:
		c.add("%s::uuid", q.Application)
		application = c.clauses[0]
	case q.Among != nil:
		c.add("unnest(%s::uuid[]) AS a (application)", arrayOf(q.Among))
		application, source = "a.application", c.clauses[0]
	}
	if application != "" {
		columns, from, same = append([]string{"application"}, columns...), append([]string{application}, from...), append(same, "n.application = "+application)
	}
	listed := strings.Join(columns, ", ")
	next := func(comparison, key string) string {
		return "(SELECT " + listed + " FROM persistence.failures WHERE (" + listed + ") " + comparison + " (" + key + ") ORDER BY " + listed +
			" LIMIT 1) n WHERE " + strings.Join(same, " AND ")
	}
	c.clauses = nil
	if q.Stage != "" {
		c.add("stage = %s", q.Stage)
	}
	if q.State != "" {
		c.add("state = %s", q.State)
	}
	kinds := "WITH RECURSIVE kinds AS (SELECT n.* FROM " + next(">=", strings.Join(from, ", ")) +
		" UNION ALL SELECT n.* FROM kinds k CROSS JOIN LATERAL " + next(">", "k."+strings.Join(columns, ", k.")) +
		") SELECT code, stage, state FROM kinds WHERE " + c.String()
	if source == "" {
		source, application = "(VALUES (NULL)) none", "NULL::uuid"
	}
	return fmt.Sprintf("SELECT %s, k.code, k.stage, k.state FROM %s CROSS JOIN LATERAL (%s) k LIMIT %d", application, source, kinds, maxFailureKinds+1), c.args
}

// failuresSQL reads each kind along its index, as far as a page may need it, and then whole the first rows of those. also is
// a further condition, "" for none.
func (q *Query) failuresSQL(kinds []failureKind, columns string, newest bool, also string) (sql string, args []any) {
	r := q.failureRange(kinds, newest)
	if also != "" {
		r.clauses = append(r.clauses, also)
	}
	limit := fmt.Sprintf(" LIMIT %d", q.Limit+1)
	if r.source == "" {
		return "SELECT " + columns + " FROM persistence.failures f WHERE " + r.String() + r.ordered("f", r.key) + limit, r.args
	}
	first := r.key[len(r.key)-2:] // received_at, sequence
	page := "SELECT e.received_at, e.sequence FROM " + r.source + " CROSS JOIN LATERAL (SELECT f.received_at, f.sequence FROM persistence.failures f WHERE " +
		r.String() + r.ordered("f", r.key) + limit + ") e" + r.ordered("e", first) + limit
	return "SELECT w.* FROM (" + page + ") page CROSS JOIN LATERAL (SELECT " + columns +
		" FROM persistence.failures f WHERE f.sequence = page.sequence OFFSET 0) w" + r.ordered("page", first), r.args
}

// failureRange is a range of an index. It is written as a comparison of whole keys: no other index has the order that is
// asked for, and so none is read from end to end for what the planner takes to be frequent.
type failureRange struct {
	conditions
	source string   // the table of kinds, k; "" where no kind is asked for
	key    []string // the index's columns
	newest bool
}

// ordered is the order along the index, of a table's columns.
func (r *failureRange) ordered(table string, columns []string) string {
	direction := ""
	if r.newest {
		direction = " DESC"
	}
	return " ORDER BY " + table + "." + strings.Join(columns, direction+", "+table+".") + direction
}

func (q *Query) failureRange(kinds []failureKind, newest bool) *failureRange {
	r := &failureRange{newest: newest}
	var of []string
	if q.Application != uuid.Nil {
		r.add("%s::uuid", q.Application)
		r.key, of = append(r.key, "application"), append(of, r.clauses[0])
	}
	switch {
	case len(kinds) > 0:
		applications, codes, stages, states := make([][16]byte, len(kinds)), make([]string, len(kinds)), make([]string, len(kinds)), make([]string, len(kinds))
		for i, k := range kinds {
			applications[i], codes[i], stages[i], states[i] = k.application, k.code, k.stage, k.state
		}
		r.add("unnest(%s::uuid[], %s::text[], %s::text[], %s::text[]) AS k (application, code, stage, state)", applications, codes, stages, states)
		r.source = r.clauses[len(r.clauses)-1]
		if q.Among != nil {
			r.key, of = append(r.key, "application"), append(of, "k.application")
		}
		r.key, of = append(r.key, "code", "stage", "state"), append(of, "k.code", "k.stage", "k.state")
	case q.Among != nil:
		r.add("unnest(%s::uuid[]) AS k (application)", arrayOf(q.Among))
		r.source, r.key, of = r.clauses[0], append(r.key, "application"), append(of, "k.application")
	}
	r.key = append(r.key, "received_at", "sequence")
	lower, upper := q.receipts(newest)
	r.clauses = nil
	for _, b := range []bound{lower, upper} {
		r.add("(f."+strings.Join(r.key, ", f.")+") "+b.comparison+" ("+strings.Join(append(of, "%s::timestamptz", "%s::uuid"), ", ")+")", b.time, b.sequence)
	}
	return r
}

// bound is an end of a range by receipt.
type bound struct {
	comparison string
	time       pgtype.Timestamptz
	sequence   [16]byte
}

// receipts is the range by receipt that is asked for, behind a cursor: one bound at each end, for an index is entered by one.
func (q *Query) receipts(newest bool) (lower, upper bound) {
	lower = bound{">=", pgtype.Timestamptz{Time: q.From, Valid: true}, [16]byte{}}
	upper = bound{"<", pgtype.Timestamptz{Time: q.To, Valid: true}, [16]byte{}}
	if q.From.IsZero() {
		lower.time = pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true}
	}
	if q.To.IsZero() {
		upper.time = pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true}
	}
	if q.After == nil {
		return lower, upper
	}
	after := pgtype.Timestamptz{Time: q.After.Time, Valid: true}
	switch {
	case newest && (q.To.IsZero() || q.After.Time.Before(q.To)):
		upper = bound{"<", after, q.After.Sequence}
	case !newest && !q.After.Time.Before(q.From):
		lower = bound{">", after, q.After.Sequence}
	}
	return lower, upper
}
