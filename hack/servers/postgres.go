package servers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Database is the database that StartPostgres makes, and its superuser's name.
const Database = "theeye"

// PostgresOptions say how to run a PostgreSQL.
type PostgresOptions struct {
	Dir      string // for data and password; made when missing. PostgresAccount must reach it.
	Port     int    // 0: a free one
	LogFile  string // default Dir/postgres.log
	Detach   bool   // outlive this process
	Settings map[string]string
}

// Postgres is a running instance with fsync and synchronous_commit on, UTF8 and byte-wise collation, and the database
// theeye.
type Postgres struct {
	*Process
	options  PostgresOptions
	bin      string
	account  *Account
	password string
}

// StartPostgres starts PostgreSQL, making a cluster in Dir the first time, and returns when it takes connections, or
// when ctx ends.
func StartPostgres(ctx context.Context, options PostgresOptions) (*Postgres, error) {
	p := &Postgres{options: options}
	if err := p.prepare(ctx); err != nil {
		return nil, err
	}
	attempts := 1
	if options.Port == 0 {
		attempts = portAttempts
	}
	for ; ; attempts-- {
		port, err := choosePort(options.Port)
		if err != nil {
			return nil, err
		}
		p.options.Port = port
		if err = p.start(ctx); err == nil {
			return p, nil
		}
		if attempts == 1 || ctx.Err() != nil {
			return nil, err
		}
	}
}

// PostgresURL is the URL of the database theeye on a port of 127.0.0.1.
func PostgresURL(port int, password string) string { return postgresURL(port, password, Database) }

func postgresURL(port int, password, database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(Database, password), Host: Address(port),
		Path: "/" + database, RawQuery: "sslmode=disable",
	}
	return u.String()
}

// URL is how clients reach the database theeye as its superuser.
func (p *Postgres) URL() string { return PostgresURL(p.options.Port, p.password) }

// DatabaseURL is URL for another database of the same server.
func (p *Postgres) DatabaseURL(name string) string {
	return postgresURL(p.options.Port, p.password, name)
}

// Address is host:port.
func (p *Postgres) Address() string { return Address(p.options.Port) }

// Port is the port, the same after every Restart.
func (p *Postgres) Port() int { return p.options.Port }

// Stop shuts PostgreSQL down in order, ending open sessions ("fast").
func (p *Postgres) Stop(ctx context.Context) error { return p.Process.Stop(ctx, syscall.SIGINT) }

// Restart starts PostgreSQL again on the same port and data, after ending it when it still runs.
func (p *Postgres) Restart(ctx context.Context) error {
	if err := p.Stop(ctx); err != nil {
		return err
	}
	return p.start(ctx)
}

func (p *Postgres) data() string { return dataDir(p.options.Dir) }

func dataDir(dir string) string { return filepath.Join(dir, "data") }

func (p *Postgres) start(ctx context.Context) error {
	if err := p.clear(ctx); err != nil {
		return err
	}
	process, err := Start(Command{
		Path: filepath.Join(p.bin, "postgres"), Args: p.arguments(), Env: []string{"LC_ALL=C", "TZ=UTC"},
		Dir: p.data(), LogFile: p.options.LogFile, Account: p.account, Detach: p.options.Detach,
		Orphaned: syscall.SIGQUIT, // "immediate": unlike SIGKILL it takes the backends along
	})
	if err != nil {
		return err
	}
	p.Process = process
	err = Await(ctx, process, p.options.LogFile, func(ctx context.Context) error {
		return AskPostgres(ctx, p.options.Dir, p.options.Port, process.PID())
	})
	if err != nil {
		stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), killTimeout)
		defer cancel()
		_ = process.Stop(stopCtx, syscall.SIGQUIT)
		return fmt.Errorf("start PostgreSQL on %s: %w", p.Address(), err)
	}
	return nil
}

func (p *Postgres) arguments() []string {
	args := []string{"-D", p.data(), "-p", strconv.Itoa(p.options.Port)}
	for _, setting := range []string{
		"listen_addresses=127.0.0.1",
		"unix_socket_directories=", // off: their path length is limited, and TCP is what services use
		"fsync=on",
		"full_page_writes=on",
		"synchronous_commit=on",
		"max_connections=100",
		"shared_buffers=128MB",
		"timezone=UTC",
		"log_timezone=UTC",
		"log_min_messages=warning",
	} {
		args = append(args, "-c", setting)
	}
	for name, value := range p.options.Settings {
		args = append(args, "-c", name+"="+value)
	}
	return args
}

// clear ends what a killed server left behind: its backends, which hold the shared memory that a new server would
// refuse to share, and its pid file, which a new process with the same id would make look alive.
func (p *Postgres) clear(ctx context.Context) error {
	left := Inside(p.data(), "postgres")
	if err := End(ctx, syscall.SIGKILL, left...); err != nil {
		return fmt.Errorf("end what an earlier PostgreSQL left: %w", err)
	}
	if err := os.Remove(pidPath(p.options.Dir)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove stale pid file: %w", err)
	}
	return nil
}

// pidPath is PostgreSQL's own pid file.
func pidPath(dir string) string { return filepath.Join(dataDir(dir), "postmaster.pid") }

// pidFile reads it: the first line is the pid, the eighth the state.
func pidFile(dir string) (pid int, state string) {
	content, _ := os.ReadFile(pidPath(dir))
	lines := bytes.Split(content, []byte("\n"))
	const pidLine, stateLine = 0, 7
	pid, _ = strconv.Atoi(string(lines[pidLine]))
	if len(lines) <= stateLine {
		return pid, "starting"
	}
	return pid, strings.TrimSpace(string(lines[stateLine]))
}

// askTimeout bounds one connection attempt to a server that is starting.
const askTimeout = 5 * time.Second

// AskPostgres answers nil when the PostgreSQL of a directory is the process pid and takes connections on the port. It
// makes the database when it is missing.
func AskPostgres(ctx context.Context, dir string, port, pid int) error {
	if found, state := pidFile(dir); found != pid || state != "ready" && state != "standby" {
		return fmt.Errorf("%w: PostgreSQL says %q", ErrStarting, state)
	}
	password, err := PostgresPassword(dir)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, postgresURL(port, password, "postgres"))
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing is lost with it
	return ensureDatabase(ctx, conn)
}

func ensureDatabase(ctx context.Context, conn *pgx.Conn) error {
	var exists bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", Database).Scan(&exists); err != nil {
		return fmt.Errorf("look for database: %w", err)
	}
	if exists {
		return nil
	}
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{Database}.Sanitize()); err != nil {
		return fmt.Errorf("create database: %w", err)
	}
	return nil
}

// EndPostgresOrphans ends every process of a PostgreSQL in a directory at once, and waits until they are gone.
func EndPostgresOrphans(ctx context.Context, dir string) error {
	return End(ctx, syscall.SIGKILL, Inside(dataDir(dir), "postgres")...)
}
