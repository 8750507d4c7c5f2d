package services_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/theeye-dev/theeye/hack/servers"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// What PostgreSQL answers whoever must not do something, and whoever pg_hba.conf does not know.
const (
	insufficientPrivilege = "42501"
	noEntry               = "28000"
)

// checkRoles checks that each of the two roles has its own schema and nothing else. connect connects as theeye_auth or
// theeye_persistence.
func checkRoles(t *testing.T, connect func(role string) *pgx.Conn) {
	t.Helper()
	roles := map[string]*pgx.Conn{"auth": connect("auth"), "persistence": connect("persistence")}
	for role, conn := range roles {
		if _, err := conn.Exec(t.Context(), "CREATE TABLE "+role+".probe (n int); INSERT INTO "+role+".probe VALUES (1)"); err != nil {
			t.Errorf("%s in its own schema: %v", role, err)
		}
	}
	for role, other := range map[string]string{"auth": "persistence", "persistence": "auth"} {
		for _, statement := range []string{
			"SELECT * FROM " + other + ".probe", "INSERT INTO " + other + ".probe VALUES (2)", "DELETE FROM " + other + ".probe",
			"TRUNCATE " + other + ".probe", "DROP SCHEMA " + other + " CASCADE",
			"CREATE TABLE " + other + ".mine (n int)", "GRANT USAGE ON SCHEMA " + other + " TO theeye_" + role,
			"SET ROLE theeye_" + other, "ALTER ROLE theeye_" + other + " PASSWORD 'x'", "GRANT theeye_" + other + " TO CURRENT_USER",
			"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'theeye_" + other + "'",
			"CREATE TABLE public.mine (n int)", "CREATE TEMPORARY TABLE mine (n int)", "CREATE SCHEMA mine", "CREATE DATABASE mine", "CREATE ROLE mine",
			"CREATE PUBLICATION mine", "ALTER SYSTEM SET fsync = off", "SELECT pg_read_file('PG_VERSION')",
			"COPY (SELECT 1) TO PROGRAM 'true'", "COPY " + role + ".probe FROM '/etc/passwd'", "SELECT rolpassword FROM pg_authid", "SELECT pg_reload_conf()",
			"SET log_statement = 'all'",
		} {
			_, err := roles[role].Exec(t.Context(), statement)
			var answer *pgconn.PgError
			if !errors.As(err, &answer) || answer.Code != insufficientPrivilege {
				t.Errorf("%s: %s: %v", role, statement, err)
			}
		}
	}
}

func TestRolesMayDoNothingElse(t *testing.T) {
	t.Parallel()
	p := newChartPostgres(t)
	p.start()
	checkRoles(t, p.connect)
	admin := p.connect("admin")
	for _, database := range []string{"postgres", "template1"} {
		var answer *pgconn.PgError
		_, err := pgx.Connect(t.Context(), strings.Replace(p.url("auth"), "/theeye?", "/"+database+"?", 1))
		if !errors.As(err, &answer) || answer.Code != noEntry {
			t.Errorf("theeye_auth connects to %s: %v", database, err)
		}
		var may bool
		if err := admin.QueryRow(t.Context(), "SELECT has_database_privilege('theeye_auth', $1, 'CONNECT')", database).Scan(&may); err != nil || may {
			t.Errorf("theeye_auth may connect to %s: %v, %v", database, may, err)
		}
	}
	p.passwords["admin"], p.passwords["auth"] = p.passwords["auth"], p.passwords["admin"]
	for _, role := range []string{"admin", "auth"} {
		if conn, err := pgx.Connect(t.Context(), p.url(role)); err == nil {
			_ = conn.Close(t.Context())
			t.Errorf("%s connects with another's password", role)
		}
	}
}

// TestRolesOnAnExistingServer runs roles.sql as somebody who is no superuser, twice, in a database of another name.
func TestRolesOnAnExistingServer(t *testing.T) {
	t.Parallel()
	server := testenv.OwnPostgres(t)
	open := func(user, password, database string) (*pgx.Conn, error) {
		return pgx.Connect(t.Context(), fmt.Sprintf("postgres://%s:%s@%s/%s?sslmode=disable", user, password, server.Address(), database))
	}
	admin, err := pgx.Connect(t.Context(), server.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(t.Context()) //nolint:errcheck // the test's end
	execute := func(conn *pgx.Conn, statements ...string) {
		for _, statement := range statements {
			if _, err := conn.Exec(t.Context(), statement); err != nil {
				t.Fatalf("%s: %v", statement, err)
			}
		}
	}
	execute(admin, "CREATE ROLE owner LOGIN CREATEROLE PASSWORD 'o'", "CREATE ROLE stranger LOGIN PASSWORD 's'", `CREATE DATABASE "their own" OWNER owner`)
	bin, err := servers.FindPostgres()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := try(t, servers.Command{
			Path: filepath.Join(bin, "psql"), Args: []string{"--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-f", filepath.Join(chartFiles, "postgres/roles.sql")},
			Env:     []string{"PGHOST=127.0.0.1", fmt.Sprintf("PGPORT=%d", server.Port()), "PGUSER=owner", "PGPASSWORD=o", "PGDATABASE=their own"},
			LogFile: filepath.Join(t.TempDir(), "log"),
		}); err != nil {
			t.Fatal(err)
		}
	}
	execute(admin, "ALTER ROLE theeye_auth PASSWORD 'p'", "ALTER ROLE theeye_persistence PASSWORD 'p'")
	checkRoles(t, func(role string) *pgx.Conn {
		conn, err := open("theeye_"+role, "p", "their%20own")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
		return conn
	})
	var answer *pgconn.PgError
	if _, err := open("stranger", "s", "their%20own"); !errors.As(err, &answer) || answer.Code != insufficientPrivilege {
		t.Errorf("a stranger: %v", err)
	}
}

// TestFirstStartThatIsCutOff kills the preparation at several of its steps, and then finds nothing missing. The image's
// own entry point would leave a server without roles for ever.
func TestFirstStartThatIsCutOff(t *testing.T) {
	t.Parallel()
	p := newChartPostgres(t)
	for step, reached := range []func() bool{
		func() bool { return exists(p.path("data.new/base/1")) },
		func() bool { return exists(p.path("data.new/global/pg_control")) && !exists(p.path("data")) },
		func() bool { return exists(p.path("data/postmaster.pid")) },
		func() bool { return exists(p.path(".s.PGSQL.5432")) },
	} {
		preparing, err := servers.Start(p.preparing())
		if err != nil {
			t.Fatal(err)
		}
		p.await(preparing, reached)
		_ = syscall.Kill(-preparing.PID(), syscall.SIGKILL) // initdb, which has a server of its own
		p.killAll()
		select {
		case <-preparing.Done():
		case <-t.Context().Done():
		}
		if preparing.Err() == nil {
			t.Errorf("step %d: it had ended before it was killed", step)
		}
	}
	p.start()
	checkRoles(t, p.connect)
	if left := exists(p.path("data.new")); left {
		t.Error("half-made data is left")
	}
}

// await waits until a preparation is as far as that.
func (p *chartPostgres) await(preparing *servers.Process, reached func() bool) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	err := servers.Await(ctx, preparing, p.path("log"), func(context.Context) error {
		if !reached() {
			return errors.New("not there yet")
		}
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// TestEveryStartMakesTheRolesRight: whatever an administrator or a restored backup did to them, and with the passwords of
// the day.
func TestEveryStartMakesTheRolesRight(t *testing.T) {
	t.Parallel()
	p := newChartPostgres(t)
	p.start()
	persistence, admin := p.connect("persistence"), p.connect("admin")
	for conn, statement := range map[*pgx.Conn]string{
		persistence: "CREATE TABLE persistence.kept AS SELECT 7 AS n",
		admin:       "DROP SCHEMA auth; GRANT ALL ON DATABASE theeye TO PUBLIC; ALTER ROLE theeye_persistence PASSWORD NULL",
	} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	p.passwords["auth"] = servers.NewPassword()
	writeFiles(t, p.path("passwords"), p.passwords)
	p.restart() // a kill
	checkRoles(t, p.connect)
	var n int
	if err := p.connect("persistence").QueryRow(t.Context(), "SELECT n FROM persistence.kept").Scan(&n); err != nil || n != 7 {
		t.Errorf("what was stored is %d, %v", n, err)
	}
	writeFiles(t, p.path("passwords"), map[string]string{"auth": ""})
	p.killAll()
	if err := try(t, p.preparing()); err == nil || !strings.Contains(err.Error(), "the password of auth is missing") {
		t.Errorf("with an empty password: %v", err)
	}
	if left := servers.Inside(p.path("data"), "postgres"); !slices.Equal(left, nil) {
		t.Errorf("processes %v are left", left)
	}
}
