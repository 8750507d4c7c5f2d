package persistence

import (
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/api/event"
)

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

	position Position
	size     int // bytes of the original
}

// FailurePage is a page of failures, newest first.
type FailurePage struct {
	Failures   []Failure `json:"failures"`
	NextCursor string    `json:"next_cursor,omitempty"`
	Partial    bool      `json:"partial,omitempty"` // of the permitted applications only
}

const failureFields = "sequence, application, credential, event_id, code, detail, pointers, stage, state, received_at, original, truncated, trace_id, format, events"

// Failures returns a page.
func (p *Postgres) Failures(ctx context.Context, q Query) (FailurePage, error) {
	sql, args := q.failuresSQL()
	rows, err := p.pool.Query(ctx, sql, args...)
	if err != nil {
		return FailurePage{}, fmt.Errorf("read failures: %w", err)
	}
	failures, more, err := collect(rows, q.Limit, scanFailure, func(f *Failure) int { return f.size })
	if err != nil {
		return FailurePage{}, fmt.Errorf("read failures: %w", err)
	}
	page := FailurePage{Failures: failures, Partial: q.partial()}
	if more {
		page.NextCursor = failures[len(failures)-1].position.String()
	}
	return page, nil
}

// failuresSQL reads along the index by time, or along those of each application that is asked about, and then the first
// of these. That an application lies between itself and itself keeps the planner from the index by time, in which it would
// find the same by looking at everybody's.
func (q *Query) failuresSQL() (sql string, args []any) {
	var c conditions
	source, of := "", q.Among
	if q.Application != uuid.Nil {
		of = []uuid.UUID{q.Application}
	}
	if of != nil {
		c.add("unnest(%s::uuid[]) AS b (application)", arrayOf(of))
		source, c.clauses = c.clauses[0], []string{"e.application = b.application", "e.application BETWEEN b.application AND b.application"}
	}
	if q.Code != "" {
		c.add("code = %s", q.Code)
	}
	q.common(&c, "received_at", true)
	order := fmt.Sprintf(" ORDER BY received_at DESC, sequence DESC LIMIT %d", q.Limit+1)
	sql = "SELECT " + failureFields + " FROM persistence.failures e WHERE " + c.String() + order
	if source == "" {
		return sql, c.args
	}
	return "SELECT e.* FROM " + source + " CROSS JOIN LATERAL (" + sql + ") e" + order, c.args
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
