package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
)

// ErrUnsafe is wrapped by what CheckDurability answers for settings with which committed transactions can be lost.
var ErrUnsafe = errors.New("postgres settings are unsafe")

// CheckDurability answers nil when the server keeps what it has committed over a crash; an error that wraps ErrUnsafe
// when fsync or full_page_writes is off, or when commits of the pool's own sessions don't wait for the disk (a
// connection pooler between may drop what Open asks for); and another error when the server does not answer.
func CheckDurability(ctx context.Context, pool *pgxpool.Pool) error {
	var fsync, fullPages, commit string
	err := pool.QueryRow(ctx, `
		SELECT current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit')`,
	).Scan(&fsync, &fullPages, &commit)
	if err != nil {
		return fmt.Errorf("read postgres settings: %w", err)
	}
	var errs []error
	for _, s := range []struct{ name, value string }{
		{"fsync", fsync}, {"full_page_writes", fullPages}, {"synchronous_commit", commit},
	} {
		if s.value == "off" { // the other values of synchronous_commit all wait for this server's own disk
			errs = append(errs, fmt.Errorf("%w: %s is off", ErrUnsafe, s.name))
		}
	}
	return errors.Join(errs...)
}
