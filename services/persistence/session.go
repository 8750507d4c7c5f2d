package persistence

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/api/event"
)

// SessionSummary is what is known of a session beside its events: of all applications that are asked about.
type SessionSummary struct {
	SessionID    string      `json:"session_id"`
	FirstAt      string      `json:"first_at"`
	LastAt       string      `json:"last_at"`
	Count        int64       `json:"count"` // of its events
	Applications []uuid.UUID `json:"applications"`
}

// Session is a session with a page of its events.
type Session struct {
	SessionSummary
	EventPage
}

// Session returns a session with a page of its events in order; nil when it has none, or none of the application.
func (p *Postgres) Session(ctx context.Context, q Query) (*Session, error) {
	known, err := p.summaries(ctx, []string{q.SessionID}, &q)
	if err != nil || len(known) == 0 {
		return nil, err
	}
	s := Session{SessionSummary: known[q.SessionID]}
	s.EventPage, err = p.sessionEvents(ctx, q)
	return &s, err
}

// summaries reads what is known of sessions; those that there are not are missing.
func (p *Postgres) summaries(ctx context.Context, ids []string, q *Query) (map[string]SessionSummary, error) {
	rows, err := p.pool.Query(ctx, `
		SELECT session_id, min(first_at), max(last_at), sum(events)::bigint, array_agg(application ORDER BY first_at, application)
		FROM persistence.sessions WHERE session_id = ANY($1) AND ($2::uuid IS NULL OR application = $2) AND ($3::uuid[] IS NULL OR application = ANY($3))
		GROUP BY session_id`,
		ids, optionalID(q.Application), arrayOf(q.Among))
	if err != nil {
		return nil, fmt.Errorf("read sessions: %w", err)
	}
	known := map[string]SessionSummary{}
	var s SessionSummary
	var first, last time.Time
	_, err = pgx.ForEachRow(rows, []any{&s.SessionID, &first, &last, &s.Count, &s.Applications}, func() error {
		s.FirstAt, s.LastAt = event.FormatTimestamp(first), event.FormatTimestamp(last)
		known[s.SessionID], s.Applications = s, nil
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read sessions: %w", err)
	}
	return known, nil
}
