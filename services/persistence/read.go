package persistence

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/api/event"
)

// collect reads the rows of a page, as far as it has room for them, and tells whether there are more.
func collect[Row any](rows pgx.Rows, limit int, scan pgx.RowToFunc[Row], room *room, weight func(*Row) int) (page []Row, more bool, err error) {
	defer rows.Close()
	page = []Row{}
	for rows.Next() {
		if len(page) == limit {
			return page, true, nil
		}
		row, err := scan(rows)
		if err != nil {
			return nil, false, err
		}
		if ok, err := room.has(weight(&row)); err != nil || !ok {
			return page, true, err
		}
		page = append(page, row)
	}
	return page, false, rows.Err()
}

func traceText(id *uuid.UUID) string {
	if id == nil {
		return ""
	}
	return fmt.Sprintf("%x", id[:])
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
	Attempt        *Attempted     `json:"attempt,omitempty"`       // absent: it was neither replayed nor discarded
	SchemaDigest   string         `json:"schema_digest,omitempty"` // SHA-256 of the schema that refused it

	// Of one Failure alone, and in a History: what was tried, the earliest first; the last attemptsKept of it.
	Attempts []Attempted `json:"attempts,omitempty"`

	// Of one Failure alone: that schema where it is still known, and whether the policy declares it today.
	Schema        json.RawMessage `json:"schema,omitempty"`
	SchemaCurrent *bool           `json:"schema_current,omitempty"`

	position       Position
	category, name string
}

func pointersOf(pointer string) []string {
	if pointer == "" {
		return nil
	}
	return []string{pointer}
}

// FailurePage is a page of failures, newest first.
type FailurePage struct {
	Failures   []Failure `json:"failures"`
	NextCursor string    `json:"next_cursor,omitempty"`
	Partial    bool      `json:"partial,omitempty"` // of the permitted applications only
}

const failureFields = "sequence, application, credential, event_id, code, detail, pointers, stage, state, received_at, original, truncated, trace_id, format, events, " +
	"attempted_at, coalesce(attempt_outcome, ''), coalesce(attempt_code, ''), coalesce(attempt_detail, ''), coalesce(attempt_pointer, ''), schema_digest, " +
	"coalesce(category, ''), coalesce(name, '')"

func scanFailure(row pgx.CollectableRow) (Failure, error) { return scanFailureAnd(row) }

// scanFailureAnd reads failureFields and what is asked for behind them.
func scanFailureAnd(row pgx.CollectableRow, more ...any) (Failure, error) {
	var f Failure
	var received time.Time
	var original []byte
	var trace *uuid.UUID
	var counted *int64
	var attempted *time.Time
	var last Attempted
	var pointer string
	var schema []byte
	err := row.Scan(append([]any{
		&f.ID, &f.Application, &f.Credential, &f.EventID, &f.Code, &f.Detail, &f.Pointers, &f.Stage, &f.State,
		&received, &original, &f.Truncated, &trace, &f.Format, &counted,
		&attempted, &last.Outcome, &last.Code, &last.Detail, &pointer, &schema, &f.category, &f.name,
	}, more...)...)
	if attempted != nil {
		last.At, last.Pointers = event.FormatTimestamp(*attempted), pointersOf(pointer)
		f.Attempt = &last
	}
	f.SchemaDigest = hex.EncodeToString(schema)
	f.ReceivedAt, f.TraceID = event.FormatTimestamp(received), traceText(trace)
	f.Public = f.Credential == "" && f.Application != nil // whose is unknown may have had one
	f.position = Position{received, f.ID}
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
