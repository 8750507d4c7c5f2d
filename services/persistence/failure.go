package persistence

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/api/event"
)

// failureQuestion asks for one Failure.
type failureQuestion struct {
	id    uuid.UUID
	scope Scope  // whose it must be, once that is found out
	who   sender // asks
}

// conditions find it.
func (q failureQuestion) conditions() *conditions {
	var c conditions
	c.add("sequence = %s", [16]byte(q.id))
	q.scope.narrow(&c, "application")
	return &c
}

const oneFailure = `SELECT ` + failureFields + `, attempts,
	(SELECT s.schema FROM persistence.schemas s WHERE s.digest = f.schema_digest)
	FROM persistence.failures f WHERE `

// Failure finds one with the schema that refused it; nil where there is none that is the sender's.
func (p *Postgres) Failure(ctx context.Context, q failureQuestion) (*Failure, error) {
	c := q.conditions()
	rows, err := p.pool.Query(ctx, oneFailure+c.String(), c.args...)
	if err != nil {
		return nil, fmt.Errorf("read failure: %w", err)
	}
	failure, err := pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (Failure, error) {
		var attempts []Attempted
		var schema []byte
		f, err := scanFailureAnd(row, &attempts, &schema)
		f.tried(attempts)
		if utf8.Valid(schema) { // a faulty one may not be
			f.Schema = schema
		}
		return f, err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read failure: %w", err)
	}
	if _, err := p.room(ctx, maxPageBytes).has(failure.weight()); err != nil { // it is the only one
		return nil, err
	}
	return &failure, nil
}

// outcome of what became a Failure.
func (f *Failure) outcome() Outcome {
	switch {
	case f.Stage == string(StageIngest):
		return Refused
	case f.Code == string(event.CodeConflict):
		return Conflict
	}
	return Failed
}
