package persistence

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/api/event"
)

// Event is an event as reads show it.
type Event struct {
	ID          string          `json:"id"`
	Application uuid.UUID       `json:"application"`
	SessionID   string          `json:"session_id"`
	Category    string          `json:"category"`
	Name        string          `json:"name"`
	Type        string          `json:"type"` // category and name, joined by a space
	Data        json.RawMessage `json:"data,omitempty"`
	Timestamp   string          `json:"timestamp"` // when it occurred
	// ClientTimestamp is what the client sent, where its clock was wrong and Timestamp is corrected by sent_at.
	ClientTimestamp string          `json:"client_timestamp,omitempty"`
	ReceivedAt      string          `json:"received_at"` // by ingest's clock
	Sequence        event.Sequence  `json:"sequence"`
	Credential      string          `json:"credential,omitempty"` // id of the credential it was sent with
	Public          bool            `json:"public,omitempty"`     // it was sent with the client id alone, by a web page
	TraceID         string          `json:"trace_id,omitempty"`
	Attributes      json.RawMessage `json:"attributes,omitempty"` // what else a CloudEvent says of itself

	position Position
}

// EventPage is a page of events.
type EventPage struct {
	Events     []Event `json:"events"`
	NextCursor string  `json:"next_cursor,omitempty"` // absent on the last page
}

const eventColumns = `id, application, session_id, category, name, data, occurred_at, received_at, sequence, credential, trace_id, attributes, client_timestamp`

// eachApplication walks the applications that were ever counted, by jumping through usage's primary key.
const eachApplication = `
WITH RECURSIVE applications AS (
    (SELECT application FROM persistence.usage ORDER BY application LIMIT 1)
    UNION ALL
    SELECT (SELECT u.application FROM persistence.usage u WHERE u.application > a.application ORDER BY u.application LIMIT 1)
    FROM applications a WHERE a.application IS NOT NULL
)`

// Events returns a page: newest first, or with a session in the session's order, (occurred_at, sequence).
func (p *Postgres) Events(ctx context.Context, q Query) (EventPage, error) {
	if q.SessionID != "" {
		return p.sessionEvents(ctx, q)
	}
	sql, args := q.eventsSQL()
	return p.eventPage(ctx, sql, args, q.Limit)
}

// eventsSQL asks for the newest events of one application or of all.
func (q *Query) eventsSQL() (sql string, args []any) {
	var c conditions
	q.types(&c)
	q.common(&c, "occurred_at", true)
	limit := fmt.Sprintf(" ORDER BY occurred_at DESC, sequence DESC LIMIT %d", q.Limit+1)
	if q.Application != uuid.Nil {
		c.add("application = %s", q.Application)
		return "SELECT " + eventColumns + " FROM persistence.events WHERE " + c.String() + limit, c.args
	}
	// The newest of each application, then the newest of those: one index serves both kinds of question.
	return eachApplication + " SELECT e.* FROM applications a CROSS JOIN LATERAL (SELECT " + eventColumns +
		" FROM persistence.events e WHERE e.application = a.application AND " + c.String() + limit + ") e" + limit, c.args
}

// sessionEvents reads a session within its own span of time, so that only its partitions are touched.
func (p *Postgres) sessionEvents(ctx context.Context, q Query) (EventPage, error) {
	first, last, err := p.span(ctx, q)
	if err != nil || first == nil {
		return EventPage{Events: []Event{}}, err
	}
	sql, args := q.sessionSQL(*first, *last)
	return p.eventPage(ctx, sql, args, q.Limit)
}

// sessionSQL asks for a session's events in order.
func (q *Query) sessionSQL(first, last time.Time) (sql string, args []any) {
	var c conditions
	c.add("session_id = %s", q.SessionID)
	c.add("occurred_at BETWEEN %s AND %s", first, last)
	if q.Application != uuid.Nil {
		c.add("application = %s", q.Application)
	}
	q.types(&c)
	q.common(&c, "occurred_at", false)
	return "SELECT " + eventColumns + " FROM persistence.events WHERE " + c.String() +
		fmt.Sprintf(" ORDER BY occurred_at, sequence LIMIT %d", q.Limit+1), c.args
}

// span returns a session's first and last time; nil when there is no such session.
func (p *Postgres) span(ctx context.Context, q Query) (first, last *time.Time, err error) {
	err = p.pool.QueryRow(ctx, `
		SELECT min(first_at), max(last_at) FROM persistence.sessions
		WHERE session_id = $1 AND ($2::uuid IS NULL OR application = $2)`,
		q.SessionID, optionalID(q.Application)).Scan(&first, &last)
	if err != nil {
		err = fmt.Errorf("read span of session: %w", err)
	}
	return first, last, err
}

func (p *Postgres) eventPage(ctx context.Context, sql string, args []any, limit int) (EventPage, error) {
	rows, err := p.pool.Query(ctx, sql, args...)
	if err != nil {
		return EventPage{}, fmt.Errorf("read events: %w", err)
	}
	events, more, err := collect(rows, limit, scanEvent, func(e *Event) int { return len(e.Data) + len(e.Attributes) })
	if err != nil {
		return EventPage{}, fmt.Errorf("read events: %w", err)
	}
	page := EventPage{Events: events}
	if more {
		page.NextCursor = events[len(events)-1].position.String()
	}
	return page, nil
}

// maxPageBytes ends a page early: a thousand of the largest events would be a gigabyte.
const maxPageBytes = 8 << 20

// collect reads the rows of a page, and tells whether there are more.
func collect[Row any](rows pgx.Rows, limit int, scan pgx.RowToFunc[Row], size func(*Row) int) (page []Row, more bool, err error) {
	defer rows.Close()
	page = []Row{}
	for bytes := 0; rows.Next(); {
		if len(page) == limit || bytes > maxPageBytes {
			return page, true, nil
		}
		row, err := scan(rows)
		if err != nil {
			return nil, false, err
		}
		bytes += size(&row)
		page = append(page, row)
	}
	return page, false, rows.Err()
}

func scanEvent(row pgx.CollectableRow) (Event, error) {
	var e Event
	var occurred, received time.Time
	var client *time.Time
	var trace *uuid.UUID
	err := row.Scan(&e.ID, &e.Application, &e.SessionID, &e.Category, &e.Name, &e.Data, &occurred, &received,
		&e.Sequence, &e.Credential, &trace, &e.Attributes, &client)
	e.Type, e.Public = event.Type(e.Category, e.Name), e.Credential == ""
	e.Timestamp, e.ReceivedAt, e.TraceID = event.FormatTimestamp(occurred), event.FormatTimestamp(received), traceText(trace)
	if client != nil {
		e.ClientTimestamp = event.FormatTimestamp(*client)
	}
	e.position = Position{occurred, e.Sequence}
	return e, err
}

func traceText(id *uuid.UUID) string {
	if id == nil {
		return ""
	}
	return fmt.Sprintf("%x", id[:])
}

// Session is what is known of a session.
type Session struct {
	SessionID    string      `json:"session_id"`
	FirstAt      string      `json:"first_at"`
	LastAt       string      `json:"last_at"`
	Count        int64       `json:"count"` // of its events
	Applications []uuid.UUID `json:"applications"`
	EventPage
}

// Session returns a session with a page of its events in order; nil when it has none, or none of the application.
func (p *Postgres) Session(ctx context.Context, q Query) (*Session, error) {
	s := Session{SessionID: q.SessionID}
	var first, last *time.Time
	err := p.pool.QueryRow(ctx, `
		SELECT min(first_at), max(last_at), coalesce(sum(events), 0)::bigint, coalesce(array_agg(application ORDER BY first_at, application), '{}')
		FROM persistence.sessions WHERE session_id = $1 AND ($2::uuid IS NULL OR application = $2)`,
		q.SessionID, optionalID(q.Application)).Scan(&first, &last, &s.Count, &s.Applications)
	if err != nil {
		return nil, fmt.Errorf("read session: %w", err)
	}
	if first == nil {
		return nil, nil
	}
	s.FirstAt, s.LastAt = event.FormatTimestamp(*first), event.FormatTimestamp(*last)
	s.EventPage, err = p.sessionEvents(ctx, q)
	return &s, err
}

// Failure is an event that was refused or could not be stored.
type Failure struct {
	ID             event.Sequence `json:"id"`
	Application    *uuid.UUID     `json:"application"` // null when even that could not be read
	Credential     string         `json:"credential,omitempty"`
	Public         bool           `json:"public,omitempty"` // as of an Event
	EventID        string         `json:"event_id,omitempty"`
	Code           string         `json:"code"`
	Count          int64          `json:"count"` // events it stands for
	Detail         string         `json:"detail"`
	Pointers       []string       `json:"pointers"`
	Stage          string         `json:"stage"`
	State          string         `json:"state"`
	ReceivedAt     string         `json:"received_at"`
	Original       *string        `json:"original,omitempty"`
	OriginalBase64 []byte         `json:"original_base64,omitempty"` // instead of original where that is no UTF-8
	Truncated      bool           `json:"original_truncated,omitempty"`
	LeftOut        bool           `json:"original_left_out,omitempty"` // there were too many to keep every original
	Format         string         `json:"format,omitempty"`            // of original where it is not native
	TraceID        string         `json:"trace_id,omitempty"`

	position Position
	size     int // bytes of the original
}

// FailurePage is a page of failures, newest first.
type FailurePage struct {
	Failures   []Failure `json:"failures"`
	NextCursor string    `json:"next_cursor,omitempty"`
}

// Failures returns a page.
func (p *Postgres) Failures(ctx context.Context, q Query) (FailurePage, error) {
	var c conditions
	if q.Application != uuid.Nil {
		c.add("application = %s", q.Application)
	}
	if q.Code != "" {
		c.add("code = %s", q.Code)
	}
	q.common(&c, "received_at", true)
	rows, err := p.pool.Query(ctx, `
		SELECT sequence, application, credential, event_id, code, detail, pointers, stage, state, received_at, original, truncated, trace_id, format, events
		FROM persistence.failures WHERE `+c.String()+fmt.Sprintf(" ORDER BY received_at DESC, sequence DESC LIMIT %d", q.Limit+1), c.args...)
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

func scanFailure(row pgx.CollectableRow) (Failure, error) {
	var f Failure
	var received time.Time
	var original []byte
	var trace *uuid.UUID
	var counted *int64
	err := row.Scan(&f.ID, &f.Application, &f.Credential, &f.EventID, &f.Code, &f.Detail, &f.Pointers, &f.Stage, &f.State,
		&received, &original, &f.Truncated, &trace, &f.Format, &counted)
	f.ReceivedAt, f.TraceID = event.FormatTimestamp(received), traceText(trace)
	f.Public = f.Credential == "" && f.Application != nil // whose is unknown may have had one
	f.position, f.size = Position{received, f.ID}, len(original)
	if f.Format == event.Native.String() {
		f.Format = ""
	}
	f.Count = 1
	if counted != nil {
		f.Count, f.LeftOut, f.Truncated = *counted, true, false
		return f, err
	}
	if utf8.Valid(original) {
		text := string(original)
		f.Original = &text
	} else {
		f.OriginalBase64 = original
	}
	return f, err
}
