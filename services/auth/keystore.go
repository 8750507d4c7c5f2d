package auth

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// keyLock is the advisory lock under which signing keys change, so that replicas agree on one new key.
const keyLock = 0x7468656579650004

const selectKeys = `SELECT id, issuer, public_key, sealed, sign_from, sign_until, revision
	FROM auth.signing_keys ORDER BY sign_from, id`

// allKeys returns all signing keys, sealed.
func (s *Store) allKeys(ctx context.Context) ([]signingKey, error) {
	return signingKeys(ctx, s.pool)
}

func signingKeys(ctx context.Context, db querier) ([]signingKey, error) {
	rows, err := db.Query(ctx, selectKeys)
	if err != nil {
		return nil, fmt.Errorf("read signing keys: %w", err)
	}
	keys, err := pgx.CollectRows(rows, pgx.RowToStructByPos[signingKey])
	if err != nil {
		return nil, fmt.Errorf("read signing keys: %w", err)
	}
	return keys, nil
}

// changeKeys replaces all signing keys by what edit makes of them, and returns these. Nobody else changes them
// meanwhile.
func (s *Store) changeKeys(
	ctx context.Context, edit func([]signingKey) ([]signingKey, error),
) (after []signingKey, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(keyLock)); err != nil {
			return fmt.Errorf("lock signing keys: %w", err)
		}
		before, err := signingKeys(ctx, tx)
		if err != nil {
			return err
		}
		if after, err = edit(before); err != nil {
			return err
		}
		return saveSigningKeys(ctx, tx, after)
	})
	return after, err
}

// saveSigningKeys replaces them all: there are never more than a handful.
func saveSigningKeys(ctx context.Context, tx pgx.Tx, keys []signingKey) error {
	if _, err := tx.Exec(ctx, "DELETE FROM auth.signing_keys"); err != nil {
		return fmt.Errorf("replace signing keys: %w", err)
	}
	for _, k := range keys {
		_, err := tx.Exec(ctx, `INSERT INTO auth.signing_keys
			(id, issuer, public_key, sealed, sign_from, sign_until, revision) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			k.ID, k.Issuer, k.PublicKey, k.Sealed, k.SignFrom, k.SignUntil, k.Revision)
		if err != nil {
			return fmt.Errorf("write signing key: %w", err)
		}
	}
	return nil
}
