package persistence

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Events returns a page: newest first, or with a session in the session's order, or as the question says.
func (p *Postgres) Events(ctx context.Context, q Query) (EventPage, error) {
	if q.SessionID != "" {
		return p.sessionEvents(ctx, q)
	}
	branches, err := p.branches(ctx, &q)
	if err != nil || len(branches) == 0 {
		return EventPage{Events: []Event{}, Partial: q.partial()}, err
	}
	return p.readEvents(ctx, &q, func() (string, []any) { return q.eventsSQL(branches) })
}

// sessionEvents reads a session within its own span of time, so that only its partitions are touched.
func (p *Postgres) sessionEvents(ctx context.Context, q Query) (EventPage, error) {
	of, err := p.span(ctx, q)
	if err != nil || len(of.applications) == 0 {
		return EventPage{Events: []Event{}, Partial: q.partial()}, err
	}
	return p.readEvents(ctx, &q, func() (string, []any) { return q.sessionSQL(of) })
}

// sessionSpan is whose events a session has, of those that are asked about, and when they occurred.
type sessionSpan struct {
	applications []branch
	first, last  time.Time
}

// span returns that of a session, which has no applications when there is no such session.
func (p *Postgres) span(ctx context.Context, q Query) (of sessionSpan, err error) {
	rows, err := p.pool.Query(ctx, `
		SELECT application, min(first_at) OVER (), max(last_at) OVER () FROM persistence.sessions
		WHERE session_id = $1 AND ($2::uuid IS NULL OR application = $2) AND ($3::uuid[] IS NULL OR application = ANY($3))`,
		q.SessionID, optionalID(q.Application), arrayOf(q.Among))
	if err == nil {
		var application uuid.UUID
		_, err = pgx.ForEachRow(rows, []any{&application, &of.first, &of.last}, func() error {
			of.applications = append(of.applications, branch{application: application})
			return nil
		})
	}
	if err != nil {
		err = fmt.Errorf("read span of session: %w", err)
	}
	return of, err
}

// sessionSQL asks for a session's events, of each application by the index that has them: what others have sent in it costs
// nothing.
func (q *Query) sessionSQL(of sessionSpan) (sql string, args []any) {
	var c conditions
	source := ownersOf(&c, of.applications)
	c.add("session_id = %s", q.SessionID)
	c.add("occurred_at BETWEEN %s AND %s", of.first, of.last)
	q.common(&c, "occurred_at", !q.ascending())
	filters := conditions{args: c.args}
	q.types(&filters)
	q.properties(&filters)
	return q.pageSQL(q.eventPage(len(of.applications), source), c.String(), filters.String()), filters.args
}

// eventsSQL asks for the events of branches: the first ones of each, and then the first of those.
func (q *Query) eventsSQL(branches []branch) (sql string, args []any) {
	c, filters, source := q.ranges(branches)
	return q.pageSQL(q.eventPage(len(branches), source), c.String(), filters.String()), filters.args
}

// ranges tells by what the indexes of branches are read, and by what the events in them are looked into; the arguments
// of both are the filters'. Several branches have a source.
func (q *Query) ranges(branches []branch) (ranges, filters conditions, source string) {
	source = ownersOf(&ranges, branches)
	b := branches[0]
	typed := b.typed()
	switch {
	case typed && source == "":
		ranges.add("category = %s", b.category)
		ranges.add("name = %s", b.name)
	case typed:
		ranges.clauses = append(ranges.clauses, "e.category = b.category", "e.name = b.name")
	}
	q.common(&ranges, "occurred_at", !q.ascending())
	filters.args = ranges.args
	if !typed {
		q.types(&filters)
	}
	q.properties(&filters)
	return ranges, filters, source
}

// ownersOf begins conditions with whose rows those of branches are; several branches have a source.
func ownersOf(c *conditions, branches []branch) (source string) {
	if len(branches) == 1 {
		c.add("application = %s", branches[0].application)
		return ""
	}
	source = branchSource(c, branches)
	c.clauses = []string{"e.application = b.application"}
	return source
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

// page is what pageSQL reads: a table, which it calls e, in the order of a key, by branches of a source.
type page struct {
	table, columns, key string
	ascending           bool
	branches            int
	source              string // "" for one branch
	examined            int    // how many rows are looked into at most, of all branches
}

// eventKey is what events are ordered by.
const eventKey = "occurred_at, sequence"

func (q *Query) eventPage(branches int, source string) page {
	return page{"persistence.events", q.columns(), eventKey, q.ascending(), branches, source, examined}
}

func (p page) order() string {
	if p.ascending {
		return " ORDER BY " + p.key
	}
	return " ORDER BY " + strings.ReplaceAll(p.key, ",", " DESC,") + " DESC"
}

// pageSQL reads each branch along its index, as far as a page may need it. Where rows have to be looked into by
// filters ("true": none), a branch ends after some; that row tells so, whether it matches or not, and ends the page: of
// what lies behind it nothing is known. Rows of different branches may have the same place: then those that match come first.
func (q *Query) pageSQL(p page, ranges, filters string) string {
	order, limit, filtered := p.order(), q.Limit+1, filters != "true"
	// All that come before a branch by their first rows have one at least for the page.
	shares := fmt.Sprintf("greatest(%d - rank, 0)", limit+1)
	share, ends := strconv.Itoa(limit), "false"
	if filtered {
		look := cmp.Or(q.look, p.examined)
		share, shares = strconv.Itoa(look), p.shares(look)
	}
	if p.source != "" {
		share = "b.share"
	}
	if filtered {
		ends = "row_number() OVER (" + order + ") = " + share
	}
	sql := "SELECT " + p.columns + ", " + filters + " AS matches, " + ends + " AS ends FROM " + p.table + " e WHERE " + ranges +
		order + " LIMIT " + share
	if filtered {
		sql = "SELECT e.* FROM (" + sql + ") e WHERE e.matches OR e.ends" + order + fmt.Sprintf(" LIMIT %d", limit)
	}
	if p.source == "" {
		return sql
	}
	return "SELECT e.* FROM (" + p.shared(ranges, shares) + ") b CROSS JOIN LATERAL (" + sql + ") e" + order +
		fmt.Sprintf(", matches DESC LIMIT %d", limit)
}

// shared is the source with each branch's share of what a page reads, which depends on its rank: the first is that whose
// first row comes before those of all others. One that has no row is left out.
func (p page) shared(ranges, shares string) string {
	return "SELECT *, " + shares + " AS share FROM (SELECT b.*, row_number() OVER (" + p.order() + ") AS rank FROM " + p.source +
		" CROSS JOIN LATERAL (SELECT " + p.key + " FROM " + p.table + " e WHERE " + ranges + p.order() + " LIMIT 1) h) b"
}

// readEvents reads the rows of a page.
func (p *Postgres) readEvents(ctx context.Context, q *Query, ask func() (sql string, args []any)) (EventPage, error) {
	page := EventPage{Events: []Event{}, Partial: q.partial()}
	room := p.room(ctx, q.pageBytes())
	err := p.inSteps(ctx, q, examined, ask, func(rows pgx.Rows) (bool, error) {
		before := page
		on, err := q.collect(rows, room, &page)
		if err != nil {
			page = before
		}
		return on, err
	})
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

// collect adds rows to a page, and tells whether it may go on behind the last one.
func (q *Query) collect(rows pgx.Rows, room *room, page *EventPage) (on bool, err error) {
	var last Position
	if q.After != nil {
		last = *q.After
	}
	all, cursor := fields(), q.cursors()
	page.NextCursor = ""
	for rows.Next() {
		if len(page.Events) == q.Limit {
			page.NextCursor = cursor(last.bytes())
			return false, nil
		}
		var matches, ends bool
		e, err := scanEvent(rows, &matches, &ends)
		if err != nil {
			return false, err
		}
		if matches {
			q.narrowed(&e, all)
			if q.each {
				e.Cursor = cursor(e.position.bytes())
			}
			if ok, err := room.has(e.weight()); err != nil || !ok {
				page.NextCursor = cursor(last.bytes())
				return false, err
			}
			page.Events = append(page.Events, e)
		}
		last = e.position
		if ends {
			page.NextCursor, q.After = cursor(last.bytes()), &last
			return true, nil
		}
	}
	return false, rows.Err()
}
