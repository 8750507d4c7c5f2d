package persistence

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/api/event"
)

const (
	// maxSkew is by how much clocks of ingest and of persistence may differ: clusters keep time to milliseconds, and
	// their databases ask for no more than this.
	maxSkew = 250 * time.Millisecond
	// maxAhead bounds how far a clock of ingest that is far ahead moves a cut-off: what was stored with its times is
	// erased, too, but the application is not dropped for hours to come.
	maxAhead = 5 * time.Minute
)

// Erasure is how far the erasure of an application's or a session's events has come.
type Erasure struct {
	State       EraseState `json:"state"`
	RequestedAt time.Time  `json:"requested_at"`
	FinishedAt  *time.Time `json:"finished_at,omitempty"` // of what has ended
	ErasedRows  int64      `json:"erased_rows"`           // so far
}

// EraseState tells whether something is left to erase.
type EraseState string

// The states of an erasure.
const (
	Erasing    EraseState = "erasing"
	EraseEnded EraseState = "erased"
)

// requestErasure makes an erasure durable and returns its cut-off. One that is asked for while another is pending moves
// the cut-off: both end together. One whose cut-off is no later than that of one that has ended changes nothing: what it asks for is
// gone, and what comes with such a sequence is dropped.
func (p *Postgres) requestErasure(ctx context.Context, t target, now time.Time) (event.Sequence, error) {
	var newest *time.Time
	err := p.pool.QueryRow(ctx, "SELECT max(last_used_at) FROM persistence.credential_usage WHERE $1::uuid IS NULL OR application = $1",
		optionalID(t.application)).Scan(&newest)
	if err != nil {
		return uuid.Nil, fmt.Errorf("read last use: %w", err)
	}
	upTo := now
	if newest != nil && newest.After(now) {
		upTo = *newest
	}
	if limit := now.Add(maxAhead); upTo.After(limit) {
		upTo = limit
	}
	cutOff := cutOffAt(upTo.Add(maxSkew))
	insert := "INSERT INTO persistence.erasures AS e (application, cut_off, requested_at) VALUES ($1, $2, $3) ON CONFLICT (application) DO UPDATE SET"
	if t.session != "" {
		insert = `
			INSERT INTO persistence.session_erasures AS e (session, session_id, cut_off, requested_at)
			SELECT sha256(salt || convert_to($1, 'UTF8')), $1, $2, $3 FROM persistence.session_salt
			ON CONFLICT (session) DO UPDATE SET session_id = CASE WHEN excluded.cut_off > e.cut_off THEN excluded.session_id ELSE e.session_id END,`
	}
	_, err = p.pool.Exec(ctx, insert+`
		    cut_off = greatest(e.cut_off, excluded.cut_off),
		    requested_at = CASE WHEN e.finished_at IS NULL OR excluded.cut_off <= e.cut_off THEN e.requested_at ELSE excluded.requested_at END,
		    erased = CASE WHEN e.finished_at IS NULL OR excluded.cut_off <= e.cut_off THEN e.erased ELSE 0 END,
		    finished_at = CASE WHEN excluded.cut_off > e.cut_off THEN NULL ELSE e.finished_at END`,
		t.arg(), [16]byte(cutOff), now)
	if err != nil {
		return uuid.Nil, fmt.Errorf("record erasure: %w", err)
	}
	return cutOff, nil
}

// erasureOf reads how far an erasure is, and up to where all is gone. It fails with pgx.ErrNoRows where none was asked for.
func (p *Postgres) erasureOf(ctx context.Context, t target) (e Erasure, gone event.Sequence, err error) {
	ctx, cancel := context.WithTimeout(ctx, eraseWait)
	defer cancel()
	err = p.pool.QueryRow(ctx, `
		SELECT CASE WHEN finished_at IS NULL THEN 'erasing' ELSE 'erased' END, requested_at, finished_at, erased, coalesce(erased_to, $2)
		FROM `+t.table()+" WHERE "+t.row(), t.arg(), [16]byte{}).Scan(&e.State, &e.RequestedAt, &e.FinishedAt, &e.ErasedRows, &gone)
	if err != nil {
		return Erasure{}, gone, fmt.Errorf("read erasure: %w", err)
	}
	e.RequestedAt = e.RequestedAt.UTC()
	if e.FinishedAt != nil {
		*e.FinishedAt = e.FinishedAt.UTC()
	}
	return e, gone, nil
}

// pendingErasures lists what is being erased, the longest first, with the cut-offs.
func (p *Postgres) pendingErasures(ctx context.Context) ([]sweep, error) {
	rows, err := p.pool.Query(ctx, `
		SELECT application, '' AS session_id, cut_off, requested_at FROM persistence.erasures WHERE finished_at IS NULL
		UNION ALL
		SELECT '00000000-0000-0000-0000-000000000000', session_id, cut_off, requested_at FROM persistence.session_erasures WHERE finished_at IS NULL
		ORDER BY requested_at, application, session_id`)
	if err != nil {
		return nil, fmt.Errorf("list erasures: %w", err)
	}
	pending, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (sweep, error) {
		s := sweep{store: p}
		err := row.Scan(&s.application, &s.session, &s.cutOff, nil)
		return s, err
	})
	if err != nil {
		return nil, fmt.Errorf("list erasures: %w", err)
	}
	return pending, nil
}
