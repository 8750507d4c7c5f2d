package persistence

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// SessionPage is a page of sessions, those that began last first.
type SessionPage struct {
	Sessions   []SessionSummary `json:"sessions"`
	NextCursor string           `json:"next_cursor,omitempty"`
	Partial    bool             `json:"partial,omitempty"` // of the permitted applications only
}

// Sessions returns a page: by when they began, or where a type is asked for by when the first event of it occurred.
func (p *Postgres) Sessions(ctx context.Context, q Query) (SessionPage, error) {
	list := p.began
	if q.typed() {
		list = p.beganType
	}
	page := SessionPage{Sessions: []SessionSummary{}, Partial: q.partial()}
	found, err := list(ctx, &q)
	if err != nil {
		return page, err
	}
	page.NextCursor = found.next
	room := p.room(ctx, maxPageBytes)
	err = p.summaries(ctx, found.ids, &q, func(n int, s SessionSummary) (bool, error) {
		ok, err := room.has(s.weight())
		if ok {
			page.Sessions = append(page.Sessions, s)
		} else if err == nil { // then it is not the first
			page.NextCursor = q.cursors()(found.places[n-1])
		}
		return ok, err
	})
	return page, err
}

// sessionIDs are sessions in the order of a list, each with its place in it, and the cursor of what follows.
type sessionIDs struct {
	ids    []string
	places [][]byte
	next   string
}

// began lists sessions by when they began.
func (p *Postgres) began(ctx context.Context, q *Query) (sessionIDs, error) {
	branches, err := p.branches(ctx, q)
	if err != nil || len(branches) == 0 {
		return sessionIDs{}, err
	}
	return p.readSessionIDs(ctx, q, func() (string, []any) { return q.sessionsSQL(branches) }, func(row pgx.CollectableRow, matches, ends *bool) (string, []byte, error) {
		var at sessionPosition
		err := row.Scan(&at.id, &at.first, matches, ends)
		q.AfterSession = &at
		return at.id, at.bytes(), err
	})
}

// sessionsSQL reads the index of each application. A session of several applications is listed once:
// where it began, of those that are asked about.
func (q *Query) sessionsSQL(branches []branch) (sql string, args []any) {
	var c conditions
	source, filter := ownersOf(&c, branches), "true"
	if q.Application == uuid.Nil {
		others := conditions{args: c.args}
		q.applications(&others, "o.application")
		filter = `NOT EXISTS (SELECT FROM persistence.sessions o WHERE o.session_id = e.session_id
			AND (o.first_at, o.application) < (e.first_at, e.application) AND ` + others.String() + ")"
		c.args = others.args
	}
	if !q.From.IsZero() {
		c.add("first_at >= %s", q.From)
	}
	if !q.To.IsZero() {
		c.add("first_at < %s", q.To)
	}
	if q.AfterSession != nil {
		c.add("(first_at, session_id) < (%s, %s)", q.AfterSession.first, q.AfterSession.id)
	}
	p := page{"persistence.sessions", "session_id, first_at", "first_at, session_id", false, len(branches), source, examinedSessions}
	return q.pageSQL(p, c.String(), filter), c.args
}

// beganType lists sessions by the first event of a type in them.
func (p *Postgres) beganType(ctx context.Context, q *Query) (sessionIDs, error) {
	branches, err := p.branches(ctx, q)
	if err != nil || len(branches) == 0 {
		return sessionIDs{}, err
	}
	return p.readSessionIDs(ctx, q, func() (string, []any) { return q.firstOfTypeSQL(branches) }, func(row pgx.CollectableRow, matches, ends *bool) (id string, place []byte, err error) {
		var at Position
		err = row.Scan(&id, &at.Time, &at.Sequence, matches, ends)
		q.After = &at
		return id, at.bytes(), err
	})
}

// lookBack is among how many events of a session, those just before it, one of a type is looked for until an event is taken for the
// first of it. In a session of more it may be wrong, and the session is listed again.
const lookBack = 200

// firstOfTypeSQL reads events of the type, and leaves out those that are not the first of it in their session. The others
// of a session are read by its index: LIMIT keeps the type from what an index is chosen by. A plan that is made for any
// arguments takes every type for rare, and would read all events of a common one for each.
func (q *Query) firstOfTypeSQL(branches []branch) (sql string, args []any) {
	ranges, filters, source := q.ranges(branches)
	o := conditions{args: filters.args}
	q.types(&o)
	q.applications(&o, "s.application")
	filters.args = o.args
	filters.clauses = append(filters.clauses, fmt.Sprintf(`NOT EXISTS (
		SELECT FROM persistence.sessions s CROSS JOIN LATERAL (
		    SELECT o.category, o.name FROM persistence.events o
		    WHERE o.session_id = s.session_id AND o.application = s.application AND o.occurred_at BETWEEN s.first_at AND e.occurred_at
		        AND (o.occurred_at, o.sequence) < (e.occurred_at, e.sequence) ORDER BY o.occurred_at DESC, o.sequence DESC LIMIT %d) o
		WHERE s.session_id = e.session_id AND %s)`, lookBack, &o))
	p := page{"persistence.events", "session_id, occurred_at, sequence", eventKey, q.ascending(), len(branches), source, examinedSessions}
	return q.pageSQL(p, ranges.String(), filters.String()), filters.args
}

// readSessionIDs reads a page; scan moves q behind the row.
func (p *Postgres) readSessionIDs(ctx context.Context, q *Query, ask func() (sql string, args []any),
	scan func(row pgx.CollectableRow, matches, ends *bool) (id string, place []byte, err error),
) (found sessionIDs, err error) {
	var last []byte
	cursor := q.cursors()
	err = p.inSteps(ctx, q, examinedSessions, ask, func(rows pgx.Rows) (on bool, err error) {
		before := found
		defer func() {
			if err != nil {
				found = before
			}
		}()
		found.next = ""
		for rows.Next() {
			if len(found.ids) == q.Limit {
				found.next = cursor(last)
				return false, nil
			}
			var matches, ends bool
			id, place, err := scan(rows, &matches, &ends)
			if err != nil {
				return false, err
			}
			if last = place; matches && !slices.Contains(found.ids, id) {
				found.ids, found.places = append(found.ids, id), append(found.places, last)
			}
			if ends {
				found.next = cursor(last)
				return true, nil
			}
		}
		return false, rows.Err()
	})
	if err != nil {
		return sessionIDs{}, fmt.Errorf("list sessions: %w", err)
	}
	return found, nil
}
