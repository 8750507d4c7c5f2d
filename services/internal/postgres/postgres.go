// Package postgres is what every service needs of PostgreSQL: a pool whose commits are durable, migrations, and the
// difference between data that PostgreSQL refuses and a server that is out of order.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/tern/v2/migrate"
)

// Options of a pool.
type Options struct {
	URL      string
	MaxConns int32
	Tracing  bool
}

// URLUsage is the help of a flag with the URL.
const URLUsage = "PostgreSQL `URL`: postgres://user:password@host:port/database; for TLS with ?sslmode=verify-full&sslrootcert=PATH, " +
	"or with PGSSLMODE and PGSSLROOTCERT in the environment"

const (
	connectTimeout   = 5 * time.Second
	statementTimeout = "15s" // a batch takes well under a second; a lock held longer is somebody's fault and tried again
)

// Open returns a pool. It does not wait for the server: a service starts without it and heals. What the URL leaves out is
// taken from the PG* variables of the environment, as libpq does, and so TLS can be configured without touching a URL.
// Sessions set synchronous_commit themselves, so that a server's default of off cannot break the promise of an
// acknowledged commit.
func Open(ctx context.Context, o Options) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		return nil, unparsed(err)
	}
	config.MaxConns = o.MaxConns
	config.ConnConfig.ConnectTimeout = connectTimeout
	config.ConnConfig.OnNotice = noteWarning
	params := config.ConnConfig.RuntimeParams
	params["synchronous_commit"] = "on"
	params["timezone"] = "UTC"
	params["jit"] = "off" // over many partitions much is compiled for the little that each runs
	if params["statement_timeout"] == "" {
		params["statement_timeout"] = statementTimeout
	}
	config.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error {
		// Authorities are renewed: the file of sslrootcert as it is now, or as it was when it cannot be used now.
		if now, err := pgx.ParseConfig(o.URL); err == nil {
			c.TLSConfig, c.Fallbacks = now.TLSConfig, now.Fallbacks
		}
		return nil
	}
	if o.Tracing {
		config.ConnConfig.Tracer = otelpgx.NewTracer()
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open postgres pool: %w", err)
	}
	return pool, nil
}

// unparsed says what is wrong with a connection string without the cause, which would show the password. Only what TLS
// lacks is told: names of files, and modes.
func unparsed(err error) error {
	if parsing, ok := errors.AsType[*pgconn.ParseConfigError](err); ok {
		if cause := parsing.Unwrap(); cause != nil && strings.HasSuffix(parsing.Error(), "failed to configure TLS ("+cause.Error()+")") {
			return fmt.Errorf("parse postgres url: configure TLS: %w", cause)
		}
	}
	return errors.New("parse postgres url: not a PostgreSQL connection string")
}

// Migrate brings a schema up to date by the numbered SQL files of migrations, one replica at a time: tern holds an
// advisory lock meanwhile. The schema's own table keeps the version.
func Migrate(ctx context.Context, pool *pgxpool.Pool, schema string, migrations fs.FS) error {
	return Unhurried(ctx, pool, func(conn *pgxpool.Conn) error {
		if err := createSchema(ctx, conn.Conn(), schema); err != nil {
			return fmt.Errorf("create schema %s: %w", schema, err)
		}
		migrator, err := migrate.NewMigrator(ctx, conn.Conn(), schema+".schema_version")
		if err != nil {
			return fmt.Errorf("prepare migrations of %s: %w", schema, err)
		}
		if err := migrator.LoadMigrations(migrations); err != nil {
			return fmt.Errorf("load migrations of %s: %w", schema, err)
		}
		version, err := migrator.GetCurrentVersion(ctx)
		if err != nil {
			return fmt.Errorf("read version of %s: %w", schema, err)
		}
		if int(version) > len(migrator.Migrations) {
			return nil // a newer release is being rolled out: its migrations leave room for this one
		}
		if err := migrator.Migrate(ctx); err != nil {
			return fmt.Errorf("migrate %s: %w", schema, err)
		}
		return nil
	})
}

// Unhurried lends a connection whose statements may take as long as they need.
func Unhurried(ctx context.Context, pool *pgxpool.Pool, f func(*pgxpool.Conn) error) error {
	return pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
		if _, err := conn.Exec(ctx, "SET statement_timeout = 0"); err != nil {
			return fmt.Errorf("lift statement timeout: %w", err)
		}
		defer resetTimeout(ctx, conn)
		return f(conn)
	})
}

// resetTimeout gives a connection the statement_timeout it was opened with, also when ctx has ended: it goes back to the
// pool. One that cannot be reset is closed.
func resetTimeout(ctx context.Context, conn *pgxpool.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectTimeout)
	defer cancel()
	if _, err := conn.Exec(ctx, "RESET statement_timeout"); err != nil {
		_ = conn.Conn().Close(ctx)
	}
}

// schemaLock is the advisory lock under which schemas are created: CREATE SCHEMA IF NOT EXISTS fails when two race.
const schemaLock = 0x7468656579650001

func createSchema(ctx context.Context, conn *pgx.Conn, schema string) error {
	var exists bool
	err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", schema).Scan(&exists)
	if err != nil || exists { // an owner who may not create schemas gets one made beforehand
		return err
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(schemaLock)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+pgx.Identifier{schema}.Sanitize())
		return err
	})
}

// IsDataError tells whether PostgreSQL refused the data itself, so that trying the same again cannot help: SQLSTATE
// classes 22 (data exception), 23 (integrity constraint) and 54 (program limit), but not 23514, which is also a
// missing partition. Everything else is the server's trouble and passes.
func IsDataError(err error) bool {
	var e *pgconn.PgError
	if !errors.As(err, &e) || e.Code == "23514" {
		return false
	}
	return strings.HasPrefix(e.Code, "22") || strings.HasPrefix(e.Code, "23") || strings.HasPrefix(e.Code, "54")
}

// Reason says what PostgreSQL found wrong, without the values it found it in.
func Reason(err error) string {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return err.Error()
	}
	return "PostgreSQL refused it: " + e.Message + " (SQLSTATE " + e.Code + ")"
}
