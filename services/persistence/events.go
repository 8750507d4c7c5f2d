package persistence

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// examined is how many events a page looks into at most where no index tells which ones are asked for: some tens of
// milliseconds. A page that ends there has a cursor, however few events it found.
const examined = 5000

// Events returns a page: newest first, or with a session in the session's order, or as the question says.
func (p *Postgres) Events(ctx context.Context, q Query) (EventPage, error) {
	if q.SessionID != "" {
		return p.sessionEvents(ctx, q)
	}
	branches, err := p.branches(ctx, &q)
	if err != nil || len(branches) == 0 {
		return EventPage{Events: []Event{}, Partial: q.partial()}, err
	}
	sql, args := q.eventsSQL(branches)
	return p.readEvents(ctx, &q, sql, args)
}

// sessionEvents reads a session within its own span of time, so that only its partitions are touched.
func (p *Postgres) sessionEvents(ctx context.Context, q Query) (EventPage, error) {
	first, last, err := p.span(ctx, q)
	if err != nil || first == nil {
		return EventPage{Events: []Event{}, Partial: q.partial()}, err
	}
	sql, args := q.sessionSQL(*first, *last)
	return p.readEvents(ctx, &q, sql, args)
}

// span returns a session's first and last time; nil when there is no such session.
func (p *Postgres) span(ctx context.Context, q Query) (first, last *time.Time, err error) {
	err = p.pool.QueryRow(ctx, `
		SELECT min(first_at), max(last_at) FROM persistence.sessions
		WHERE session_id = $1 AND ($2::uuid IS NULL OR application = $2) AND ($3::uuid[] IS NULL OR application = ANY($3))`,
		q.SessionID, optionalID(q.Application), arrayOf(q.Among)).Scan(&first, &last)
	if err != nil {
		err = fmt.Errorf("read span of session: %w", err)
	}
	return first, last, err
}

// sessionSQL asks for a session's events. Whose they are is no filter: what a page has looked into shows in its cursor,
// and must not tell of other applications.
func (q *Query) sessionSQL(first, last time.Time) (sql string, args []any) {
	var c conditions
	c.add("session_id = %s", q.SessionID)
	c.add("occurred_at BETWEEN %s AND %s", first, last)
	q.applications(&c, "application")
	q.common(&c, "occurred_at", !q.ascending())
	filters := conditions{args: c.args}
	q.types(&filters)
	q.properties(&filters)
	return q.pageSQL(q.eventPage(1, ""), c.String(), filters.String()), filters.args
}

// eventsSQL asks for the events of branches: the first ones of each, and then the first of those.
func (q *Query) eventsSQL(branches []branch) (sql string, args []any) {
	c, filters, source := q.ranges(branches)
	return q.pageSQL(q.eventPage(len(branches), source), c.String(), filters.String()), filters.args
}

// ranges tells by what the indexes of branches are read, and by what the events in them are looked into; the arguments
// of both are the filters'. Several branches have a source.
func (q *Query) ranges(branches []branch) (ranges, filters conditions, source string) {
	typed := branches[0].typed()
	if b := branches[0]; len(branches) == 1 {
		ranges.add("application = %s", b.application)
		if typed {
			ranges.add("category = %s", b.category)
			ranges.add("name = %s", b.name)
		}
	} else {
		source = branchSource(&ranges, branches)
		ranges.clauses = []string{"e.application = b.application"}
		if typed {
			ranges.clauses = append(ranges.clauses, "e.category = b.category", "e.name = b.name")
		}
	}
	q.common(&ranges, "occurred_at", !q.ascending())
	filters.args = ranges.args
	if !typed {
		q.types(&filters)
	}
	q.properties(&filters)
	return ranges, filters, source
}

// branchSource makes a table of branches, whose arguments it adds.
func branchSource(c *conditions, branches []branch) string {
	n := len(branches)
	applications, categories, names := make([][16]byte, n), make([]string, n), make([]string, n)
	for i, b := range branches {
		applications[i], categories[i], names[i] = b.application, b.category, b.name
	}
	c.add("unnest(%s::uuid[], %s::text[], %s::text[])", applications, categories, names)
	return c.clauses[0] + " AS b (application, category, name)"
}

func (q *Query) properties(c *conditions) {
	for i := range q.Properties {
		q.Properties[i].condition(c)
	}
}

// page is what pageSQL reads: a table, which it calls e, in an order, by branches of a source.
type page struct {
	table, columns string
	order          []string
	branches       int
	source         string // "" for one branch
	examined       int    // how many rows are looked into at most
}

func (q *Query) eventPage(branches int, source string) page {
	return page{"persistence.events", q.columns(), q.eventOrder(), branches, source, examined}
}

func (q *Query) eventOrder() []string {
	if q.ascending() {
		return []string{"occurred_at", "sequence"}
	}
	return []string{"occurred_at DESC", "sequence DESC"}
}

// pageSQL reads each branch along its index, as far as a page may need it. Where rows have to be looked into by
// filters ("true": none), a branch ends after some; that row tells so, whether it matches or not, and ends the page: of
// what lies behind it nothing is known.
func (q *Query) pageSQL(p page, ranges, filters string) string {
	order := " ORDER BY " + strings.Join(p.order, ", ")
	limit, each := q.Limit+1, q.Limit+1
	ends, where := "false", ""
	if filters != "true" {
		each = max(limit, p.examined/p.branches)
		ends, where = fmt.Sprintf("row_number() OVER (%s) = %d", order[1:], each), " WHERE e.matches OR e.ends"
	}
	sql := "SELECT " + p.columns + ", " + filters + " AS matches, " + ends + " AS ends FROM " + p.table + " e WHERE " + ranges +
		order + fmt.Sprintf(" LIMIT %d", each)
	if where != "" {
		sql = "SELECT e.* FROM (" + sql + ") e" + where + order + fmt.Sprintf(" LIMIT %d", limit)
	}
	if p.source == "" {
		return sql
	}
	return "SELECT e.* FROM " + p.source + " CROSS JOIN LATERAL (" + sql + ") e" + order + fmt.Sprintf(" LIMIT %d", limit)
}

// readEvents reads the rows of a page.
func (p *Postgres) readEvents(ctx context.Context, q *Query, sql string, args []any) (EventPage, error) {
	rows, err := p.inOrder(ctx, sql, args)
	if err != nil {
		return EventPage{}, fmt.Errorf("read events: %w", err)
	}
	page, err := q.collect(rows, p.room(ctx, q.pageBytes()))
	if err != nil {
		return EventPage{}, fmt.Errorf("read events: %w", err)
	}
	return page, nil
}

// pageBytes bounds a page.
func (q *Query) pageBytes() int {
	if q.each {
		return exportPageBytes
	}
	return maxPageBytes
}

func (q *Query) collect(rows pgx.Rows, room *room) (EventPage, error) {
	defer rows.Close()
	page, all := EventPage{Events: []Event{}, Partial: q.partial()}, fields()
	var last Position
	cursor := q.cursors()
	for rows.Next() {
		if len(page.Events) == q.Limit {
			page.NextCursor = cursor(last.bytes())
			return page, nil
		}
		var matches, ends bool
		e, err := scanEvent(rows, &matches, &ends)
		if err != nil {
			return EventPage{}, err
		}
		if matches {
			q.narrowed(&e, all)
			if q.each {
				e.Cursor = cursor(e.position.bytes())
			}
			if ok, err := room.has(e.weight()); err != nil || !ok {
				page.NextCursor = cursor(last.bytes())
				return page, err
			}
			page.Events = append(page.Events, e)
		}
		last = e.position
		if ends {
			page.NextCursor = cursor(last.bytes())
			return page, nil
		}
	}
	return page, rows.Err()
}
