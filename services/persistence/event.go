package persistence

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/services/internal/fault"
)

// Event is an event as reads show it; of one that is shown in part, the other fields are zero.
type Event struct {
	ID          string          `json:"id,omitempty"`
	Application uuid.UUID       `json:"application,omitzero"`
	SessionID   string          `json:"session_id,omitempty"`
	Category    string          `json:"category,omitempty"`
	Name        string          `json:"name,omitempty"`
	Type        string          `json:"type,omitempty"` // category and name, joined by a space
	Data        json.RawMessage `json:"data,omitempty"`
	Timestamp   string          `json:"timestamp,omitempty"` // when it occurred
	// ClientTimestamp is what the client sent, where its clock was wrong and Timestamp is corrected by sent_at.
	ClientTimestamp string          `json:"client_timestamp,omitempty"`
	ReceivedAt      string          `json:"received_at,omitempty"` // by ingest's clock
	StoredAt        string          `json:"stored_at,omitempty"`   // by PostgreSQL's clock
	Sequence        event.Sequence  `json:"sequence,omitzero"`
	Credential      string          `json:"credential,omitempty"` // id of the credential it was sent with
	Public          bool            `json:"public,omitempty"`     // it was sent with the client id alone, by a web page
	TraceID         string          `json:"trace_id,omitempty"`
	Attributes      json.RawMessage `json:"attributes,omitempty"` // what else a CloudEvent says of itself
	Cursor          string          `json:"cursor,omitempty"`     // where to go on behind it; only in exports

	position   Position
	receivedAt time.Time
	storedAt   *time.Time // nil in rows from before
}

// EventPage is a page of events.
type EventPage struct {
	Events     []Event `json:"events"`
	NextCursor string  `json:"next_cursor,omitempty"` // absent on the last page
	Partial    bool    `json:"partial,omitempty"`     // of the permitted applications only
}

// field is one that can be selected.
type field struct {
	name  string
	text  func(*Event) string // as CSV has it
	clear func(*Event)
	json  bool
}

// fields of an event, in the order in which they are shown.
func fields() []field {
	text := func(name string, at func(*Event) *string) field {
		return field{name, func(e *Event) string { return *at(e) }, func(e *Event) { *at(e) = "" }, false}
	}
	raw := func(name string, at func(*Event) *json.RawMessage) field {
		return field{name, func(e *Event) string { return string(*at(e)) }, func(e *Event) { *at(e) = nil }, true}
	}
	id := func(name string, at func(*Event) *uuid.UUID) field {
		return field{name, func(e *Event) string { return at(e).String() }, func(e *Event) { *at(e) = uuid.Nil }, false}
	}
	return []field{
		text("id", func(e *Event) *string { return &e.ID }),
		id("application", func(e *Event) *uuid.UUID { return &e.Application }),
		text("session_id", func(e *Event) *string { return &e.SessionID }),
		text("category", func(e *Event) *string { return &e.Category }),
		text("name", func(e *Event) *string { return &e.Name }),
		text("type", func(e *Event) *string { return &e.Type }),
		raw("data", func(e *Event) *json.RawMessage { return &e.Data }),
		text("timestamp", func(e *Event) *string { return &e.Timestamp }),
		text("client_timestamp", func(e *Event) *string { return &e.ClientTimestamp }),
		text("received_at", func(e *Event) *string { return &e.ReceivedAt }),
		text("stored_at", func(e *Event) *string { return &e.StoredAt }),
		id("sequence", func(e *Event) *uuid.UUID { return &e.Sequence }),
		text("credential", func(e *Event) *string { return &e.Credential }),
		{"public", publicText, func(e *Event) { e.Public = false }, false},
		text("trace_id", func(e *Event) *string { return &e.TraceID }),
		raw("attributes", func(e *Event) *json.RawMessage { return &e.Attributes }),
	}
}

func publicText(e *Event) string {
	if e.Public {
		return "true"
	}
	return ""
}

// parseSelect reads the fields that are asked for, separated by commas.
func parseSelect(value string) ([]string, error) {
	var known []string
	for _, f := range fields() {
		known = append(known, f.name)
	}
	selected := strings.Split(value, ",")
	for i, name := range selected {
		if !slices.Contains(known, name) {
			return nil, fault.New(fault.CodeParameter, fmt.Sprintf("select has %q; the fields of an event are %s", name, strings.Join(known, ", ")))
		}
		if slices.Contains(selected[:i], name) {
			return nil, fault.New(fault.CodeParameter, fmt.Sprintf("select has %q twice", name))
		}
	}
	return selected, nil
}

// shows tells whether a field is asked for.
func (q *Query) shows(name string) bool { return q.Select == nil || slices.Contains(q.Select, name) }

// narrowed clears the fields that are not asked for.
func (q *Query) narrowed(e *Event, all []field) {
	for i := range all {
		if !q.shows(all[i].name) {
			all[i].clear(e)
		}
	}
}

const eventColumns = `id, application, session_id, category, name, data, occurred_at, received_at, sequence, credential, trace_id, attributes, client_timestamp, stored_at`

// columns reads nothing large that is not asked for.
func (q *Query) columns() string {
	columns := eventColumns
	for _, large := range []string{"data", "attributes"} {
		if !q.shows(large) {
			columns = strings.Replace(columns, " "+large+",", " NULL::jsonb AS "+large+",", 1)
		}
	}
	return columns
}

// scanEvent reads eventColumns and what is asked for behind them.
func scanEvent(row pgx.CollectableRow, more ...any) (Event, error) {
	var e Event
	var occurred, received time.Time
	var client *time.Time
	var trace *uuid.UUID
	err := row.Scan(append([]any{
		&e.ID, &e.Application, &e.SessionID, &e.Category, &e.Name, &e.Data, &occurred, &received,
		&e.Sequence, &e.Credential, &trace, &e.Attributes, &client, &e.storedAt,
	}, more...)...)
	e.Type, e.Public = event.Type(e.Category, e.Name), e.Credential == ""
	e.Timestamp, e.ReceivedAt, e.TraceID = event.FormatTimestamp(occurred), event.FormatTimestamp(received), traceText(trace)
	if client != nil {
		e.ClientTimestamp = event.FormatTimestamp(*client)
	}
	if e.storedAt != nil {
		e.StoredAt = event.FormatTimestamp(*e.storedAt)
	}
	e.receivedAt, e.position = received, Position{occurred, e.Sequence}
	return e, err
}
