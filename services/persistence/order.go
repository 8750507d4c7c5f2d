package persistence

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
)

// unsorted has a transaction read rows by an index that has them in their order, where there is one.
//
// PostgreSQL takes category and name for independent, and so a type for much rarer than it is; to read all of few rows and
// sort them costs it a trifle less than to look into an index of a day that is still empty. Of what was a tenth of a percent of
// ten million events, a page read them all. And when it plans for any arguments, it expects so few Failures of an application
// that it reads them all by another index, which has not even their order: 30,000 for a hundred.
const unsorted = "SELECT set_config('enable_sort', 'off', true), set_config('enable_incremental_sort', 'off', true)"

// inOrder asks for rows that an index has in their order; more are further settings, as unsorted has them.
func (p *Postgres) inOrder(ctx context.Context, sql string, args []any, more ...string) (pgx.Rows, error) {
	batch := &pgx.Batch{} // one round trip, and one transaction, within which the setting holds
	batch.Queue(unsorted + strings.Join(more, ""))
	batch.Queue(sql, args...)
	results := p.pool.SendBatch(ctx, batch)
	_, err := results.Exec()
	if err == nil {
		var rows pgx.Rows
		if rows, err = results.Query(); err == nil {
			return ordered{rows, results}, nil
		}
	}
	return nil, errors.Join(err, results.Close())
}

// ordered are rows whose batch ends with them.
type ordered struct {
	pgx.Rows
	batch pgx.BatchResults
}

// Close ends both. What was wrong is told by Err.
func (o ordered) Close() {
	o.Rows.Close()
	_ = o.batch.Close()
}
