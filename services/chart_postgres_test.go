package services_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/hack/servers"
)

// chartPostgres is a PostgreSQL as the chart runs it: prepared by the chart's own script and with the chart's own
// settings, on another port and in other folders.
type chartPostgres struct {
	*servers.Process
	t              testing.TB
	dir, bin, port string
	account        *servers.Account
	passwords      map[string]string
}

// newChartPostgres has all that the server needs, and neither data nor a process.
func newChartPostgres(t testing.TB) *chartPostgres {
	t.Helper()
	account, err := servers.PostgresAccount()
	port, err2 := servers.FreePort()
	bin, err3 := servers.FindPostgres()
	dir, err4 := os.MkdirTemp("", "theeye-test-")
	if err := errors.Join(err, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	p := &chartPostgres{t: t, dir: dir, bin: bin, port: strconv.Itoa(port), account: account, passwords: map[string]string{}}
	t.Cleanup(func() {
		p.killAll()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := errors.Join(os.Chmod(dir, 0o755), account.Own(dir)); err != nil {
		t.Fatal(err)
	}
	for _, role := range []string{"admin", "auth", "persistence"} {
		p.passwords[role] = servers.NewPassword()
	}
	writeFiles(t, p.path("passwords"), p.passwords)
	files, err := os.ReadDir(filepath.Join(chartFiles, "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	config := map[string]string{}
	for _, file := range files {
		config[file.Name()] = readFile(t, filepath.Join(chartFiles, "postgres", file.Name()))
	}
	writeFiles(t, p.path("config"), config)
	return p
}

func (p *chartPostgres) path(name string) string { return filepath.Join(p.dir, name) }

// preparing is the init container.
func (p *chartPostgres) preparing() servers.Command {
	return servers.Command{
		Path: "/bin/sh", Args: []string{p.path("config/prepare.sh"), p.path("config")}, LogFile: p.path("log"), Dir: p.dir,
		Account: p.account, Env: []string{
			"PATH=" + p.bin + ":" + os.Getenv("PATH"), "LC_ALL=C", "PGDATA=" + p.path("data"), "PGHOST=" + p.dir,
			"PASSWORDS=" + p.path("passwords"),
		},
	}
}

// start is the pod: the init container, and then the server until it takes connections.
func (p *chartPostgres) start() {
	p.t.Helper()
	if err := try(p.t, p.preparing()); err != nil {
		p.t.Fatal(err)
	}
	args := []string{"-c", "config_file=" + p.path("config/postgresql.conf")}
	for _, elsewhere := range []string{"hba_file=" + p.path("config/pg_hba.conf"), "unix_socket_directories=" + p.dir, "listen_addresses=127.0.0.1", "port=" + p.port} {
		args = append(args, "-c", elsewhere)
	}
	process, err := servers.Start(servers.Command{
		Path: filepath.Join(p.bin, "postgres"), Args: args, Env: []string{"LC_ALL=C", "PGDATA=" + p.path("data")}, Dir: p.path("data"),
		LogFile: p.path("log"), Account: p.account, Orphaned: syscall.SIGQUIT,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.Process = process
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	err = servers.Await(ctx, process, p.path("log"), func(ctx context.Context) error {
		conn, err := pgx.Connect(ctx, p.url("auth"))
		if err != nil {
			return err
		}
		return conn.Close(ctx)
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

// restart is a pod that is killed and comes again.
func (p *chartPostgres) restart() {
	p.t.Helper()
	p.killAll()
	p.start()
}

// killAll kills whatever runs on the data, as the end of a container does, and waits until even its ids are free: the next
// server would take them for one that still runs, as it can't in a container of its own.
func (p *chartPostgres) killAll() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.t.Context()), patience)
	defer cancel()
	for _, data := range []string{"data", "data.new"} {
		pids := servers.Inside(p.path(data), "postgres")
		gone := func(context.Context) error {
			for _, pid := range pids {
				if syscall.Kill(pid, 0) == nil {
					return fmt.Errorf("process %d is still there", pid)
				}
			}
			return nil
		}
		if err := errors.Join(servers.End(ctx, syscall.SIGKILL, pids...), servers.Await(ctx, nil, "", gone)); err != nil {
			p.t.Error(err)
		}
	}
}

// url is that of a service's role, or of the administrator's in TheEye's database.
func (p *chartPostgres) url(role string) string {
	user := "theeye_" + role
	if role == "admin" {
		user = "postgres"
	}
	return fmt.Sprintf("postgres://%s:%s@127.0.0.1:%s/theeye?sslmode=disable", user, p.passwords[role], p.port)
}

// connect connects as a role; the connection ends with the test.
func (p *chartPostgres) connect(role string) *pgx.Conn {
	p.t.Helper()
	conn, err := pgx.Connect(p.t.Context(), p.url(role))
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}
