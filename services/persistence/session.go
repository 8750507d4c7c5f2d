package persistence

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

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
	var s *Session
	err := p.summaries(ctx, []string{q.SessionID}, &q, func(_ int, known SessionSummary) (bool, error) {
		s = &Session{SessionSummary: known}
		return true, nil
	})
	if err != nil || s == nil {
		return nil, err
	}
	s.EventPage, err = p.sessionEvents(ctx, q)
	return s, err
}

// summaries reads what is known of sessions, in their order, for as long as take wants more, which is told which of them it
// is; those that there are not are left out.
func (p *Postgres) summaries(ctx context.Context, ids []string, q *Query, take func(n int, s SessionSummary) (bool, error)) error {
	rows, err := p.pool.Query(ctx, `
		SELECT i.n - 1, i.session_id, s.* FROM unnest($1::text[]) WITH ORDINALITY AS i (session_id, n) CROSS JOIN LATERAL (
		    SELECT min(first_at), max(last_at), sum(events)::bigint, array_agg(application ORDER BY first_at, application)
		    FROM persistence.sessions s WHERE s.session_id = i.session_id
		        AND ($2::uuid IS NULL OR application = $2) AND ($3::uuid[] IS NULL OR application = ANY($3))
		    HAVING count(*) > 0) s
		ORDER BY i.n`,
		ids, optionalID(q.Application), arrayOf(q.Among))
	if err != nil {
		return fmt.Errorf("read sessions: %w", err)
	}
	defer rows.Close()
	for more := true; more && rows.Next(); {
		var n int
		var s SessionSummary
		var first, last time.Time
		if err := rows.Scan(&n, &s.SessionID, &first, &last, &s.Count, &s.Applications); err != nil {
			return fmt.Errorf("read sessions: %w", err)
		}
		s.FirstAt, s.LastAt = event.FormatTimestamp(first), event.FormatTimestamp(last)
		if more, err = take(n, s); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read sessions: %w", err)
	}
	return nil
}
