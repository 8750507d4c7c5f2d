package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/theeye-dev/theeye/hack/servers"
	"github.com/theeye-dev/theeye/services/internal/postgres"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// open returns a pool on a URL, closed with the test.
func open(t *testing.T, target string, conns int32) *pgxpool.Pool {
	t.Helper()
	pool, err := postgres.Open(t.Context(), postgres.Options{URL: target, MaxConns: conns})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func setting(t *testing.T, pool *pgxpool.Pool, name string) (value string) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), "SELECT current_setting($1)", name).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

// with adds a parameter to a URL.
func with(t *testing.T, target, name, value string) string {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	query.Set(name, value)
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
	return u.String()
}

func TestOpenHidesThePassword(t *testing.T) {
	t.Parallel()
	const password = "hunter-number-two"
	for _, target := range []string{
		"postgres://theeye:" + password + "@127.0.0.1:notaport/theeye",
		"postgres://theeye:" + password + "@127.0.0.1:5432/theeye?sslmode=perhaps",
		"host=127.0.0.1 port=5432 password=" + password + " sslmode",
		"postgres://theeye:" + password + "@127.0.0.1/%zz",
		"postgres://theeye:" + password + "@127.0.0.1:1/theeye?sslmode=disable",
	} {
		pool, err := postgres.Open(t.Context(), postgres.Options{URL: target, MaxConns: 1})
		if err == nil {
			err = pool.Ping(t.Context())
			pool.Close()
		}
		if err == nil || strings.Contains(err.Error(), password) {
			t.Errorf("got error %v", err)
		}
	}
}

func TestOpenWaitsForNoServer(t *testing.T) {
	t.Parallel()
	open(t, "postgres://theeye:secret@127.0.0.1:1/theeye?sslmode=disable", 1)
}

func TestCommitsWaitForTheDiskWhateverTheDefaults(t *testing.T) {
	t.Parallel()
	target := testenv.Postgres(t)
	owner := open(t, target, 1)
	var name string
	if err := owner.QueryRow(t.Context(), "SELECT current_database()").Scan(&name); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		"ALTER DATABASE " + name + " SET synchronous_commit = off",
		"ALTER DATABASE " + name + " SET timezone = 'Asia/Tokyo'",
		"ALTER ROLE CURRENT_USER IN DATABASE " + name + " SET synchronous_commit = off",
	} {
		if _, err := owner.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	for label, target := range map[string]string{
		"defaults of database and role": target,
		"the URL's own parameter":       with(t, target, "synchronous_commit", "off"),
		"the URL's options":             with(t, target, "options", "-c synchronous_commit=off"),
	} {
		pool := open(t, target, 1)
		if got := setting(t, pool, "synchronous_commit"); got != "on" {
			t.Errorf("%s: synchronous_commit is %s", label, got)
		}
		if got := setting(t, pool, "timezone"); got != "UTC" {
			t.Errorf("%s: timezone is %s", label, got)
		}
		if got := setting(t, pool, "statement_timeout"); got != "15s" {
			t.Errorf("%s: statement_timeout is %s", label, got)
		}
	}
}

func TestCheckDurability(t *testing.T) {
	t.Parallel()
	t.Run("safe", func(t *testing.T) {
		t.Parallel()
		if err := postgres.CheckDurability(t.Context(), open(t, testenv.Postgres(t), 1)); err != nil {
			t.Error(err)
		}
	})
	t.Run("unreachable", func(t *testing.T) {
		t.Parallel()
		pool := open(t, "postgres://theeye:secret@127.0.0.1:1/theeye?sslmode=disable", 1)
		if err := postgres.CheckDurability(t.Context(), pool); err == nil || errors.Is(err, postgres.ErrUnsafe) {
			t.Errorf("got %v, want an error that says nothing of the settings", err)
		}
	})
	t.Run("fsync and full_page_writes off", func(t *testing.T) {
		t.Parallel()
		pool := open(t, unsafePostgres(t), 1)
		err := postgres.CheckDurability(t.Context(), pool)
		if !errors.Is(err, postgres.ErrUnsafe) || !strings.Contains(err.Error(), "fsync is off") ||
			!strings.Contains(err.Error(), "full_page_writes is off") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("sessions that don't wait", func(t *testing.T) {
		t.Parallel()
		pool := open(t, testenv.Postgres(t), 1)
		exec(t, pool, "SET synchronous_commit = off") // as behind a pooler that drops what a session asks for
		err := postgres.CheckDurability(t.Context(), pool)
		if !errors.Is(err, postgres.ErrUnsafe) || !strings.Contains(err.Error(), "synchronous_commit is off") {
			t.Errorf("got %v", err)
		}
	})
}

// unsafePostgres starts a server that does not care for its disk.
func unsafePostgres(t *testing.T) (target string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "theeye-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil { // PostgreSQL's own user passes through it
		t.Fatal(err)
	}
	server, err := servers.StartPostgres(t.Context(), servers.PostgresOptions{
		Dir: dir, Settings: map[string]string{"fsync": "off", "full_page_writes": "off"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return server.URL()
}

func exec(t *testing.T, pool *pgxpool.Pool, statement string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// TestIsDataError makes PostgreSQL answer with each kind of error.
func TestIsDataError(t *testing.T) {
	t.Parallel()
	pool := open(t, testenv.Postgres(t), 2)
	exec(t, pool, `
		CREATE TABLE parent (n int NOT NULL CHECK (n < 100), day date) PARTITION BY RANGE (day);
		CREATE TABLE child PARTITION OF parent FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
		CREATE TABLE keyed (id text PRIMARY KEY);
		INSERT INTO keyed VALUES ('a')`)
	for name, c := range map[string]struct {
		sql  string
		args []any
		code string
		data bool
	}{
		"no JSON":                {"SELECT $1::text::jsonb", []any{`{"a":`}, "22P02", true},
		"NUL in JSON":            {"SELECT $1::text::jsonb", []any{`{"a":"\u0000"}`}, "22P05", true},
		"lone surrogate in JSON": {"SELECT $1::text::jsonb", []any{`{"a":"\ud800"}`}, "22P02", true},
		"NUL in text":            {"SELECT $1::text", []any{"a\x00b"}, "22021", true},
		"no UTF-8":               {"SELECT $1::text", []any{"a\xffb"}, "22021", true},
		"number out of range":    {"SELECT 1e200000::numeric", nil, "22003", true},
		"JSON number too large":  {"SELECT $1::text::jsonb", []any{`1e200000`}, "22003", true},
		"division by zero":       {"SELECT 1/0", nil, "22012", true},
		"not null":               {"INSERT INTO parent VALUES (NULL, '2024-02-02')", nil, "23502", true},
		"unique":                 {"INSERT INTO keyed VALUES ('a')", nil, "23505", true},
		"nested too deep":        {"SELECT $1::text::jsonb", []any{strings.Repeat("[", 100_000)}, "54001", true},
		"index row too long":     {"INSERT INTO keyed SELECT string_agg(md5(n::text), '') FROM generate_series(1, 400) n", nil, "54000", true},

		"missing partition": {"INSERT INTO parent VALUES (1, '1999-01-01')", nil, "23514", false},
		"check":             {"INSERT INTO parent VALUES (100, '2024-02-02')", nil, "23514", false},
		"missing table":     {"SELECT * FROM missing", nil, "42P01", false},
		"syntax":            {"SELEKT", nil, "42601", false},
		"read-only":         {"BEGIN READ ONLY; INSERT INTO keyed VALUES ('b'); COMMIT", nil, "25006", false},
		"timed out":         {"BEGIN; SET LOCAL statement_timeout = 1; SELECT pg_sleep(10); COMMIT", nil, "57014", false},
		"lock not to be had": {
			"BEGIN; SET LOCAL lock_timeout = 1; LOCK TABLE keyed NOWAIT; SELECT pg_advisory_xact_lock(1); COMMIT",
			nil, "55P03", false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := pool.Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Release()
			if name == "lock not to be had" {
				other, err := pool.Begin(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = other.Rollback(context.WithoutCancel(t.Context())) }()
				if _, err := other.Exec(t.Context(), "SELECT pg_advisory_xact_lock(1)"); err != nil {
					t.Fatal(err)
				}
			}
			_, err = conn.Exec(t.Context(), c.sql, c.args...)
			var answer *pgconn.PgError
			if !errors.As(err, &answer) || answer.Code != c.code {
				t.Fatalf("got %v, want SQLSTATE %s", err, c.code)
			}
			if got := postgres.IsDataError(fmt.Errorf("wrapped: %w", err)); got != c.data {
				t.Errorf("IsDataError is %v for %v", got, err)
			}
			if reason := postgres.Reason(err); !strings.Contains(reason, c.code) || strings.Contains(reason, "md5") {
				t.Errorf("reason %q", reason)
			}
			_, _ = conn.Exec(t.Context(), "ROLLBACK")
		})
	}
	for name, err := range map[string]error{
		"none": nil, "another": errors.New("x"), "time-out": context.DeadlineExceeded,
		"unreachable": open(t, "postgres://theeye:secret@127.0.0.1:1/theeye?sslmode=disable", 1).Ping(t.Context()),
	} {
		if postgres.IsDataError(err) {
			t.Errorf("%s: IsDataError is true for %v", name, err)
		}
	}
}

// TestMigrateConcurrently has replicas of two services start at the same moment on an empty database.
func TestMigrateConcurrently(t *testing.T) {
	t.Parallel()
	target := testenv.Postgres(t)
	schemas := []string{"one", "two"}
	migrations := map[string]fstest.MapFS{}
	for _, schema := range schemas {
		migrations[schema] = fstest.MapFS{
			"001_first.sql":  {Data: []byte("CREATE TABLE " + schema + ".runs (n int); INSERT INTO " + schema + ".runs VALUES (1);")},
			"002_second.sql": {Data: []byte("INSERT INTO " + schema + ".runs VALUES (2);")},
		}
	}
	const replicas = 4
	var wg sync.WaitGroup
	errs := make(chan error, replicas*len(schemas))
	for _, schema := range schemas {
		for range replicas {
			pool := open(t, target, 2)
			wg.Go(func() { errs <- postgres.Migrate(t.Context(), pool, schema, migrations[schema]) })
		}
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	pool := open(t, target, 1)
	for _, schema := range schemas {
		var runs int
		if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM "+schema+".runs").Scan(&runs); err != nil || runs != 2 {
			t.Errorf("%s: %d steps ran (%v), want 2", schema, runs, err)
		}
	}
}

// TestMigrateLeavesTheSessionAsItWas: a pooled connection goes on to serve requests.
func TestMigrateLeavesTheSessionAsItWas(t *testing.T) {
	t.Parallel()
	pool := open(t, with(t, testenv.Postgres(t), "statement_timeout", "7s"), 1)
	good := fstest.MapFS{"001_first.sql": {Data: []byte("SELECT 1;")}}
	if err := postgres.Migrate(t.Context(), pool, "kept", good); err != nil {
		t.Fatal(err)
	}
	if got := setting(t, pool, "statement_timeout"); got != "7s" {
		t.Errorf("statement_timeout is %s after a migration", got)
	}
	bad := fstest.MapFS{"001_first.sql": {Data: []byte("SELECT 1;")}, "002_second.sql": {Data: []byte("SELEKT;")}}
	if err := postgres.Migrate(t.Context(), pool, "kept", bad); err == nil {
		t.Error("a faulty migration passed")
	}
	if got := setting(t, pool, "statement_timeout"); got != "7s" {
		t.Errorf("statement_timeout is %s after a failed migration", got)
	}
}

// TestMigrateLeavesNewerSchemasAlone: while a release is rolled out, a replica of the one before starts again beside it.
func TestMigrateLeavesNewerSchemasAlone(t *testing.T) {
	t.Parallel()
	pool := open(t, testenv.Postgres(t), 1)
	before := fstest.MapFS{"001_first.sql": {Data: []byte("CREATE TABLE kept.t (n int);")}}
	after := fstest.MapFS{"001_first.sql": before["001_first.sql"], "002_second.sql": {Data: []byte("ALTER TABLE kept.t ADD m int;")}}
	for _, migrations := range []fstest.MapFS{after, before} {
		if err := postgres.Migrate(t.Context(), pool, "kept", migrations); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := pool.Exec(t.Context(), "SELECT n, m FROM kept.t"); err != nil {
		t.Error(err)
	}
}
