package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/api/registry"
)

// Version is how new an application is, without its content.
type Version struct {
	UID       uuid.UUID
	Revision  int64
	DeletedAt *time.Time // nil: it lives
}

// MarkPublished notes that the log has a revision, or a newer one.
func (s *Store) MarkPublished(ctx context.Context, uid uuid.UUID, revision int64) error {
	_, err := s.pool.Exec(ctx, `UPDATE auth.applications SET published_revision = $2
		WHERE uid = $1 AND published_revision < $2`, uid, revision)
	if err != nil {
		return fmt.Errorf("mark application published: %w", err)
	}
	return nil
}

// Unpublished returns at most limit applications whose newest revision is not known to be in the log, and how many
// there are in all.
func (s *Store) Unpublished(ctx context.Context, limit int) (uids []uuid.UUID, total int64, err error) {
	rows, err := s.pool.Query(ctx, `SELECT uid, count(*) OVER () FROM auth.applications
		WHERE published_revision < revision LIMIT $1`, limit)
	if err != nil {
		return nil, 0, fmt.Errorf("list unpublished applications: %w", err)
	}
	var uid uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&uid, &total}, func() error {
		uids = append(uids, uid)
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("list unpublished applications: %w", err)
	}
	return uids, total, nil
}

// Expired returns at most limit applications that have a credential past its end.
func (s *Store) Expired(ctx context.Context, now time.Time, limit int) ([]uuid.UUID, error) {
	rows, err := s.pool.Query(ctx,
		"SELECT DISTINCT application FROM auth.credentials WHERE not_after <= $1 LIMIT $2", now, limit)
	if err != nil {
		return nil, fmt.Errorf("list expired credentials: %w", err)
	}
	uids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("list expired credentials: %w", err)
	}
	return uids, nil
}

// Versions returns at most limit applications, deleted ones too, in the order of their UIDs, from after the given one.
func (s *Store) Versions(ctx context.Context, after uuid.UUID, limit int) ([]Version, error) {
	rows, err := s.pool.Query(ctx, `SELECT uid, revision, deleted_at FROM auth.applications
		WHERE uid > $1 ORDER BY uid LIMIT $2`, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list revisions: %w", err)
	}
	versions, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Version])
	if err != nil {
		return nil, fmt.Errorf("list revisions: %w", err)
	}
	return versions, nil
}

// Lift raises an application's revision above one that the log has, and tells whether it had to. That is so only when
// the database is an older copy of itself, or the clock of a new one is behind: otherwise the log never has what was
// not committed before.
func (s *Store) Lift(ctx context.Context, uid uuid.UUID, above int64, now time.Time) (bool, error) {
	tag, err := s.pool.Exec(ctx, "UPDATE auth.applications SET revision = $3 WHERE uid = $1 AND revision < $2",
		uid, above, nextRevision(above, now))
	if err != nil {
		return false, fmt.Errorf("raise revision: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}

// Adopt inserts an application as the log has it, with a revision of its own. It returns false when the database knows
// the application already.
func (s *Store) Adopt(ctx context.Context, app registry.Application, now time.Time) (bool, error) {
	app.Revision = nextRevision(app.Revision, now)
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error { return save(ctx, tx, true, app, now) })
	if errors.Is(err, errRaced) {
		return false, nil
	}
	return err == nil, err
}
