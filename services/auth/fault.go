package auth

import (
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/postgres"
)

var errNoApplication = fault.New(fault.CodeNotFound, "there is no application with this uid")

// storeFault makes an error of PostgreSQL or Redis one for the client.
func storeFault(err error) error {
	var known *fault.Error
	var answer *pgconn.PgError
	switch {
	case err == nil, errors.As(err, &known):
		return err
	case postgres.IsDataError(err):
		return fault.Wrap(fault.CodeInvalid, "the database cannot keep this content", err)
	case isUndefined(err):
		return fault.Wrap(fault.CodeStarting, "the database is not migrated yet", err)
	case errors.As(err, &answer) && strings.HasPrefix(answer.Code, "42"): // a statement of ours is wrong
		return err
	}
	return fault.Wrap(fault.CodeUnavailable, "the database or the application log does not answer; repeat the request", err)
}

// isUndefined tells whether the schema is missing or older than this release, as a restored backup may be: SQLSTATE
// 42P01 (undefined table), 42703 (undefined column) and 3F000 (undefined schema).
func isUndefined(err error) bool {
	var answer *pgconn.PgError
	return errors.As(err, &answer) && (answer.Code == "42P01" || answer.Code == "42703" || answer.Code == "3F000")
}
