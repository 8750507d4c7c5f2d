package persistence

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/api/event"
)

// lost is what a database may not know, in columns.
type lost struct {
	applications, cutOffs [][16]byte
	hashes                [][]byte
	at                    []time.Time
}

// restoreErasures records erasures that the database does not know, and tells how many. Members of other kinds are those
// of a release that erases more.
func (p *Postgres) restoreErasures(ctx context.Context, erased []noted) (int64, error) {
	var applications, sessions lost
	for _, e := range erased {
		cutOff := [16]byte(cutOffAt(e.at))
		if text, ok := strings.CutPrefix(e.member, erasedApplication); ok {
			if uid, err := uuid.Parse(text); err == nil {
				applications.applications = append(applications.applications, uid)
				applications.cutOffs, applications.at = append(applications.cutOffs, cutOff), append(applications.at, e.at)
			}
		}
		if text, ok := strings.CutPrefix(e.member, erasedSession); ok {
			if hash, err := hex.DecodeString(text); err == nil {
				sessions.hashes = append(sessions.hashes, hash)
				sessions.cutOffs, sessions.at = append(sessions.cutOffs, cutOff), append(sessions.at, e.at)
			}
		}
	}
	again, err := p.restoreApplications(ctx, applications)
	if err != nil {
		return again, err
	}
	others, err := p.restoreSessions(ctx, sessions)
	return again + others, err
}

func (p *Postgres) restoreApplications(ctx context.Context, l lost) (int64, error) {
	tag, err := p.pool.Exec(ctx, `
		INSERT INTO persistence.erasures AS e (application, cut_off, requested_at)
		SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[])
		ON CONFLICT (application) DO UPDATE SET
		    cut_off = excluded.cut_off,
		    requested_at = CASE WHEN e.finished_at IS NULL THEN e.requested_at ELSE excluded.requested_at END,
		    erased = CASE WHEN e.finished_at IS NULL THEN e.erased ELSE 0 END,
		    finished_at = NULL
		WHERE e.cut_off < excluded.cut_off`, l.applications, l.cutOffs, l.at)
	if err != nil {
		return 0, fmt.Errorf("restore erasures of applications: %w", err)
	}
	return tag.RowsAffected(), nil
}

// restoreSessions finds the sessions that hashes are of among those that the database has, for the sweep needs their ids.
// Of one that it does not have there is nothing to sweep, and what comes later is dropped.
func (p *Postgres) restoreSessions(ctx context.Context, l lost) (int64, error) {
	tag, err := p.pool.Exec(ctx, `
		WITH lost AS (
		    SELECT * FROM unnest($1::bytea[], $2::uuid[], $3::timestamptz[]) AS l (session, cut_off, requested_at)
		    WHERE NOT EXISTS (SELECT FROM persistence.session_erasures e WHERE e.session = l.session AND e.cut_off >= l.cut_off)
		), stored AS (
		    SELECT session_id, sha256(salt || convert_to(session_id, 'UTF8')) AS session
		    FROM persistence.session_salt,
		        (SELECT session_id FROM persistence.sessions UNION SELECT session_id FROM persistence.failures UNION SELECT session_id FROM persistence.duplicates) s
		    WHERE session_id IS NOT NULL AND EXISTS (SELECT FROM lost)
		)
		INSERT INTO persistence.session_erasures AS e (session, session_id, cut_off, requested_at, erased_to, finished_at)
		SELECT l.session, s.session_id, l.cut_off, l.requested_at,
		    CASE WHEN s.session_id IS NULL THEN l.cut_off END, CASE WHEN s.session_id IS NULL THEN l.requested_at END
		FROM lost l LEFT JOIN stored s USING (session)
		ON CONFLICT (session) DO UPDATE SET
		    session_id = coalesce(e.session_id, excluded.session_id),
		    cut_off = excluded.cut_off,
		    erased_to = coalesce(excluded.erased_to, e.erased_to),
		    requested_at = CASE WHEN e.finished_at IS NULL THEN e.requested_at ELSE excluded.requested_at END,
		    erased = CASE WHEN e.finished_at IS NULL THEN e.erased ELSE 0 END,
		    finished_at = CASE WHEN e.session_id IS NULL THEN excluded.finished_at END`, l.hashes, l.cutOffs, l.at)
	if err != nil {
		return 0, fmt.Errorf("restore erasures of sessions: %w", err)
	}
	return tag.RowsAffected(), nil
}

// erasuresSince lists what was asked to be erased since a time.
func (p *Postgres) erasuresSince(ctx context.Context, since time.Time) ([]noted, error) {
	rows, err := p.pool.Query(ctx, `
		SELECT application, NULL::bytea, cut_off FROM persistence.erasures WHERE requested_at >= $1
		UNION ALL
		SELECT '00000000-0000-0000-0000-000000000000', session, cut_off FROM persistence.session_erasures WHERE requested_at >= $1`, since)
	if err != nil {
		return nil, fmt.Errorf("list erasures: %w", err)
	}
	erased, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (noted, error) {
		var application uuid.UUID
		var hash []byte
		var cutOff event.Sequence
		err := row.Scan(&application, &hash, &cutOff)
		if hash != nil {
			return notedSession(hash, cutOff), err
		}
		return notedApplication(application, cutOff), err
	})
	if err != nil {
		return nil, fmt.Errorf("list erasures: %w", err)
	}
	return erased, nil
}

// sessionHash is what is kept of a session that was erased.
func (p *Postgres) sessionHash(ctx context.Context, id string) (hash []byte, err error) {
	err = p.pool.QueryRow(ctx, "SELECT sha256(salt || convert_to($1, 'UTF8')) FROM persistence.session_salt", id).Scan(&hash)
	if err != nil {
		return nil, fmt.Errorf("hash session: %w", err)
	}
	return hash, nil
}

// salt is that of the hashes.
func (p *Postgres) salt(ctx context.Context) (salt []byte, err error) {
	if err = p.pool.QueryRow(ctx, "SELECT salt FROM persistence.session_salt").Scan(&salt); err != nil {
		return nil, fmt.Errorf("read salt: %w", err)
	}
	return salt, nil
}

// takeSalt tells whether the hashes have a salt now. A database that has hashes keeps its own.
func (p *Postgres) takeSalt(ctx context.Context, salt []byte) (bool, error) {
	tag, err := p.pool.Exec(ctx, `
		UPDATE persistence.session_salt SET salt = $1
		WHERE salt = $1 OR NOT EXISTS (SELECT FROM persistence.session_erasures)`, salt)
	if err != nil {
		return false, fmt.Errorf("take salt: %w", err)
	}
	return tag.RowsAffected() > 0, nil
}
