package auth

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/postgres"
)

// Schema is the PostgreSQL schema that auth owns.
const Schema = "auth"

//go:embed migrations/*.sql
var migrations embed.FS

// errUnknown is what the database answers about an application that it has never seen.
var errUnknown = errors.New("unknown application")

// errRaced says that somebody else inserted the row between look and insert.
var errRaced = errors.New("inserted by another request")

// Store keeps applications and credentials in PostgreSQL.
type Store struct{ pool *pgxpool.Pool }

// NewStore returns a Store over a pool.
func NewStore(pool *pgxpool.Pool) *Store { return &Store{pool} }

// Migrate brings the schema up to date.
func (s *Store) Migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("open migrations: %w", err)
	}
	return postgres.Migrate(ctx, s.pool, Schema, files)
}

// Ping tells whether PostgreSQL answers.
func (s *Store) Ping(ctx context.Context) error { return s.pool.Ping(ctx) }

// selectApplication reads an application with its credentials in one statement, so that both are of one moment.
const selectApplication = `
SELECT a.uid, a.namespace, a.name, a.client_id, a.policy::text, a.deleted_at IS NOT NULL, a.revision, a.cluster, a.deletion_policy,
       ARRAY(SELECT id FROM auth.credentials c WHERE c.application = a.uid ORDER BY id),
       ARRAY(SELECT sha256 FROM auth.credentials c WHERE c.application = a.uid ORDER BY id),
       ARRAY(SELECT not_after FROM auth.credentials c WHERE c.application = a.uid ORDER BY id)
FROM auth.applications a `

func scanApplication(row pgx.CollectableRow) (registry.Application, error) {
	var app registry.Application
	var policy []byte
	var ids []string
	var hashes [][]byte
	var ends []*time.Time
	if err := row.Scan(&app.UID, &app.Namespace, &app.Name, &app.ClientID, &policy, &app.Deleted, &app.Revision,
		&app.Cluster, &app.DeletionPolicy, &ids, &hashes, &ends); err != nil {
		return app, err
	}
	for i, id := range ids {
		c := registry.Credential{ID: id, SHA256: registry.Digest(hashes[i])}
		if ends[i] != nil {
			c.NotAfter = moment(*ends[i])
		}
		app.Credentials = append(app.Credentials, c)
	}
	return app, json.Unmarshal(policy, &app.Policy)
}

// moment is a time as the database keeps it, so that what was stored compares equal to what is sent again.
func moment(t time.Time) *time.Time {
	t = t.UTC().Truncate(time.Microsecond)
	return &t
}

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func load(ctx context.Context, db querier, uid uuid.UUID) (registry.Application, error) {
	rows, err := db.Query(ctx, selectApplication+"WHERE a.uid = $1", uid)
	if err != nil {
		return registry.Application{}, fmt.Errorf("read application: %w", err)
	}
	app, err := pgx.CollectExactlyOneRow(rows, scanApplication)
	if errors.Is(err, pgx.ErrNoRows) {
		return app, errUnknown
	}
	if err != nil {
		return app, fmt.Errorf("read application: %w", err)
	}
	return app, nil
}

// Load returns an application, also one that was deleted, or errUnknown.
func (s *Store) Load(ctx context.Context, uid uuid.UUID) (registry.Application, error) {
	return load(ctx, s.pool, uid)
}

// changeAttempts is two, for who loses the race to insert finds the row the next time, and one to spare.
const changeAttempts = 3

// edit changes an application to what is desired, or refuses. Revision 0 says that the database has never seen it.
type edit func(app *registry.Application) error

// Change edits an application under its row's lock and returns it before and after. The revision grows when anything
// changed; an unknown application is inserted in any case.
func (s *Store) Change(ctx context.Context, uid uuid.UUID, now time.Time, edit edit) (before, after registry.Application, err error) {
	for range changeAttempts {
		err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			if before, err = lock(ctx, tx, uid); err != nil {
				return err
			}
			after = before
			if err := edit(&after); err != nil {
				return err
			}
			if same, err := equal(before, after); err != nil || same && before.Revision > 0 {
				return err
			}
			after.Revision = nextRevision(before.Revision, now)
			return save(ctx, tx, before.Revision == 0, after, now)
		})
		if !errors.Is(err, errRaced) {
			break
		}
	}
	return before, after, err
}

// lock reads an application for changing it. The row is locked by a statement of its own: one that waits for a lock
// sees the locked row's new version, but the credentials of the moment before it waited.
func lock(ctx context.Context, tx pgx.Tx, uid uuid.UUID) (registry.Application, error) {
	if _, err := tx.Exec(ctx, "SELECT FROM auth.applications WHERE uid = $1 FOR UPDATE", uid); err != nil {
		return registry.Application{}, fmt.Errorf("lock application: %w", err)
	}
	app, err := load(ctx, tx, uid)
	if errors.Is(err, errUnknown) {
		return registry.Application{UID: uid, ClientID: apikey.ClientID(uid), Deleted: true}, nil
	}
	return app, err
}

// equal compares what a reader of the two records would see.
func equal(a, b registry.Application) (bool, error) {
	x, err := json.Marshal(a)
	if err != nil {
		return false, fmt.Errorf("encode application: %w", err)
	}
	y, err := json.Marshal(b)
	if err != nil {
		return false, fmt.Errorf("encode application: %w", err)
	}
	return string(x) == string(y), nil
}

// nextRevision grows with every change, and also across a lost database: a new one's revisions begin at the present
// microsecond, which is above all that were counted up from earlier ones.
func nextRevision(previous int64, now time.Time) int64 { return max(previous+1, now.UnixMicro()) }

func save(ctx context.Context, tx pgx.Tx, insert bool, app registry.Application, now time.Time) error {
	policy, err := json.Marshal(app.Policy)
	if err != nil {
		return fmt.Errorf("encode policy: %w", err)
	}
	// No conflict target: of two that insert one uid at once, the second may meet the first in client_id's index.
	statement := `UPDATE auth.applications SET namespace = $2, name = $3, client_id = $4, policy = $5, revision = $6,
		deleted_at = CASE WHEN $7 THEN $8::timestamptz END, cluster = $9, deletion_policy = $10 WHERE uid = $1`
	if insert {
		statement = `INSERT INTO auth.applications (uid, namespace, name, client_id, policy, revision, deleted_at,
			cluster, deletion_policy)
			VALUES ($1, $2, $3, $4, $5, $6, CASE WHEN $7 THEN $8::timestamptz END, $9, $10) ON CONFLICT DO NOTHING`
	}
	tag, err := tx.Exec(ctx, statement,
		app.UID, app.Namespace, app.Name, app.ClientID, string(policy), app.Revision, app.Deleted, now,
		app.Cluster, app.DeletionPolicy)
	if err != nil {
		return fmt.Errorf("write application: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return errRaced
	}
	return saveCredentials(ctx, tx, app)
}

// saveCredentials replaces them all: there are never more than a handful.
func saveCredentials(ctx context.Context, tx pgx.Tx, app registry.Application) error {
	if _, err := tx.Exec(ctx, "DELETE FROM auth.credentials WHERE application = $1", app.UID); err != nil {
		return fmt.Errorf("replace credentials: %w", err)
	}
	for _, c := range app.Credentials {
		_, err := tx.Exec(ctx, "INSERT INTO auth.credentials (application, id, sha256, not_after) VALUES ($1, $2, $3, $4)",
			app.UID, c.ID, c.SHA256[:], c.NotAfter)
		if err != nil {
			return fmt.Errorf("write credential: %w", err)
		}
	}
	return nil
}
