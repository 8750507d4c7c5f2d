package persistence

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/api/event"
)

// historyLimit bounds how many repetitions and how many Failures a history tells: the newest.
const historyLimit = 100

// History is all that became of what an application sent under one id: an event, Failures, or both.
type History struct {
	ID          string      `json:"id"`
	Application uuid.UUID   `json:"application"`
	Event       *Event      `json:"event,omitempty"` // absent where none is stored
	Failures    []Failure   `json:"failures"`        // the newest first
	Happenings  []Happening `json:"history"`         // the earliest first
	More        bool        `json:"more,omitempty"`  // there are more repetitions or Failures than are told
}

// Happening is a moment in a history.
type Happening struct {
	At       string         `json:"at"`
	What     string         `json:"what"` // received, an Outcome, or discarded
	Sequence event.Sequence `json:"sequence"`
	Code     string         `json:"code,omitempty"`   // of a Failure, or why it stays open
	Replay   bool           `json:"replay,omitempty"` // a Failure was replayed
	TraceID  string         `json:"trace_id,omitempty"`

	at time.Time
}

// History finds an event by its application and id, each part by an index.
func (p *Postgres) History(ctx context.Context, q Query) (*History, error) {
	h := &History{ID: q.ID, Application: q.Application, Failures: []Failure{}}
	application := [16]byte(q.Application)
	var occurred time.Time
	var sequence uuid.UUID
	err := p.pool.QueryRow(ctx, "SELECT occurred_at, sequence FROM persistence.ledger WHERE application = $1 AND id = $2",
		application, q.ID).Scan(&occurred, &sequence)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return nil, fmt.Errorf("read ledger: %w", err)
	}
	batch := &pgx.Batch{}
	if err == nil {
		batch.Queue(historyEvent, application, occurred, [16]byte(sequence)).Query(func(rows pgx.Rows) error {
			return h.scanEvent(rows, p.room(ctx, maxPageBytes))
		})
	}
	batch.Queue(historyDuplicates, application, q.ID, historyLimit+1).Query(h.scanDuplicates)
	batch.Queue(historyFailures, application, q.ID, historyLimit+1).Query(func(rows pgx.Rows) error {
		return h.scanFailures(rows, p.room(ctx, maxPageBytes))
	})
	if err := p.pool.SendBatch(ctx, batch).Close(); err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	if len(h.Happenings) == 0 {
		return nil, nil
	}
	slices.SortStableFunc(h.Happenings, func(a, b Happening) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.Sequence.String(), b.Sequence.String()))
	})
	return h, nil
}

// What a history is read from.
const (
	historyEvent = `SELECT ` + eventColumns + ` FROM persistence.events
		WHERE application = $1 AND occurred_at = $2 AND sequence = $3`
	historyDuplicates = `SELECT sequence, received_at FROM persistence.duplicates
		WHERE application = $1 AND id = $2 ORDER BY sequence DESC LIMIT $3`
	historyFailures = `SELECT ` + failureFields + `, attempts FROM persistence.failures
		WHERE application = $1 AND event_id = $2 ORDER BY sequence DESC LIMIT $3`
)

func (h *History) tell(at time.Time, what string, sequence event.Sequence, code, trace string) {
	h.Happenings = append(h.Happenings, Happening{event.FormatTimestamp(at), what, sequence, code, false, trace, at})
}

func (h *History) scanEvent(rows pgx.Rows, room *room) error {
	for rows.Next() {
		e, err := scanEvent(rows)
		if err != nil {
			return err
		}
		if _, err := room.has(e.weight()); err != nil { // it is the only one
			return err
		}
		h.Event = &e
		h.tell(e.receivedAt, "received", e.Sequence, "", e.TraceID)
		if e.storedAt != nil { // rows from before tell none
			h.tell(*e.storedAt, string(Stored), e.Sequence, "", e.TraceID)
		}
	}
	return rows.Err()
}

func (h *History) scanDuplicates(rows pgx.Rows) error {
	var sequence uuid.UUID
	var received time.Time
	n := 0
	_, err := pgx.ForEachRow(rows, []any{&sequence, &received}, func() error {
		if n++; n > historyLimit {
			h.More = true
			return nil
		}
		h.tell(received, string(Duplicate), sequence, "", "")
		return nil
	})
	return err
}

func (h *History) scanFailures(rows pgx.Rows, room *room) error {
	failures, more, err := collect(rows, historyLimit, scanTriedFailure, room, (*Failure).weight)
	if err != nil {
		return err
	}
	h.Failures, h.More = failures, h.More || more
	for i := range failures {
		f := &failures[i]
		h.tellAttempts(f)
		h.tell(f.position.Time, string(f.outcome()), f.ID, f.Code, f.TraceID)
	}
	return nil
}

func scanTriedFailure(row pgx.CollectableRow) (Failure, error) {
	var attempts []Attempted
	f, err := scanFailureAnd(row, &attempts)
	f.tried(attempts)
	return f, err
}
