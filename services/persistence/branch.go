package persistence

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/api/registry"
)

// branch is a range of an index that has events in the order of their time: those of an application, or of one type of
// an application. Any question without a session is some branches' events, merged.
type branch struct {
	application    uuid.UUID
	category, name string
}

func (b branch) typed() bool { return b.category != "" && b.name != "" }

const (
	// maxTypes is of how many types of one application a question is put together: as many as may be declared. Whoever
	// has more writes into names what belongs into data; such events are looked through, newest first.
	maxTypes = registry.MaxEventTypes
	// maxBranches bounds what all applications together may ask for.
	maxBranches = 4000
)

// eachApplication walks the applications that were ever counted, by jumping through usage's primary key.
const eachApplication = `applications AS (
    (SELECT application FROM persistence.usage ORDER BY application LIMIT 1)
    UNION ALL
    SELECT (SELECT u.application FROM persistence.usage u WHERE u.application > a.application ORDER BY u.application LIMIT 1)
    FROM applications a WHERE a.application IS NOT NULL
)`

// eachOf begins a statement with the applications that a question is about.
func (q *Query) eachOf(c *conditions) string {
	of := conditions{args: c.args}
	switch {
	case q.Application != uuid.Nil:
		of.add("SELECT %s::uuid AS application", q.Application)
	case q.Among != nil:
		of.add("SELECT unnest(%s::uuid[]) AS application", arrayOf(q.Among))
	default:
		return "WITH RECURSIVE " + eachApplication
	}
	c.args = of.args
	return "WITH applications AS (" + of.String() + ")"
}

// branches finds what a question without a session is put together from; all are typed, or none is.
func (p *Postgres) branches(ctx context.Context, q *Query) ([]branch, error) {
	whole := q.Category != "" && q.Name != ""
	if q.Application != uuid.Nil && (whole || q.Category == q.Name) { // equal, for both are empty
		return []branch{{q.Application, q.Category, q.Name}}, nil
	}
	if q.Among != nil && (whole || q.Category == q.Name) {
		of := make([]branch, len(q.Among))
		for i, application := range q.Among {
			of[i] = branch{application, q.Category, q.Name}
		}
		return of, nil
	}
	sql, args := q.branchesSQL()
	rows, err := p.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("find types: %w", err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (b branch, err error) {
		err = row.Scan(&b.application, &b.category, &b.name)
		return b, err
	})
	if err != nil {
		return nil, fmt.Errorf("find types: %w", err)
	}
	return bounded(found), nil
}

// bounded forgets the types where there are too many.
func bounded(found []branch) []branch {
	types, many := map[uuid.UUID]int{}, false
	for _, b := range found {
		types[b.application]++
		many = many || types[b.application] > maxTypes
	}
	if !many && len(found) <= maxBranches {
		return found
	}
	var untyped []branch
	for _, b := range found {
		if types[b.application] > 0 {
			untyped, types[b.application] = append(untyped, branch{application: b.application}), 0
		}
	}
	return untyped
}

// branchesSQL lists applications with the type that is asked for. Where only its category or its name is, it jumps
// through the index of types from one to the next.
func (q *Query) branchesSQL() (sql string, args []any) {
	var c conditions
	with := q.eachOf(&c)
	if (q.Category == "") == (q.Name == "") {
		c.add("%s::text AS category, %s::text AS name", q.Category, q.Name)
		return with + " SELECT application, " + c.clauses[0] + " FROM applications WHERE application IS NOT NULL", c.args
	}
	column, columns := "name", "a.application, e.known, e.other"
	c.add("%s::text", q.Category+q.Name)
	known := c.clauses[0]
	c.clauses = []string{"e.application = a.application"}
	if q.Category != "" {
		c.clauses = append(c.clauses, "e.category = "+known)
	} else {
		column, columns = "category", "a.application, e.other, e.known"
	}
	q.wholeDays(&c)
	next := func(more string) string {
		return "SELECT e." + column + " FROM persistence.events e WHERE " + c.String() + more + " ORDER BY e." + column + " LIMIT 1"
	}
	return with + " SELECT " + columns + " FROM applications a CROSS JOIN LATERAL (WITH RECURSIVE t (other) AS ((" + next("") +
		") UNION ALL SELECT (" + next(" AND e."+column+" > t.other") + ") FROM t WHERE t.other IS NOT NULL) SELECT " + known +
		" AS known, t.other FROM t WHERE t.other IS NOT NULL" + fmt.Sprintf(" LIMIT %d) e", maxTypes+1), c.args
}

// wholeDays keeps to the partitions of a question. Anything more exact would make every event of a type be looked at
// that is not within.
func (q *Query) wholeDays(c *conditions) {
	from, to := q.From, q.To
	if q.After != nil {
		if q.ascending() {
			from = latest(from, q.After.Time)
		} else if to.IsZero() || q.After.Time.Before(to) {
			to = q.After.Time
		}
	}
	if !from.IsZero() {
		c.add("e.occurred_at >= %s", from.UTC().Truncate(day))
	}
	if !to.IsZero() {
		c.add("e.occurred_at < %s", to.UTC().Truncate(day).Add(day))
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
