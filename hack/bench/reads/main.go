// Command reads measures what each documented question costs at growing numbers of stored events: a table of p50 and
// p99, answered by persistence over HTTP, and the plan that PostgreSQL had for it.
//
//	make bench-reads ARGS="-events 100000,1000000"
//
// It starts a private PostgreSQL, Redis and persistence, and loads events by COPY: of ten applications, one of which has
// more than half of them, over thirty days, of types from common to rare. Questions are drawn at random from the same
// seed. Sizes are loaded one after the other into the same tables, which are analysed, and vacuumed as autovacuum would.
// With -tail the live tail is measured beside the last size.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/hack/bench/build"
	"github.com/theeye-dev/theeye/hack/servers"
)

// config is what is measured.
type config struct {
	sizes   []int
	samples int
	seed    uint64
	plans   string
	tail    time.Duration
}

func main() {
	switch err := run(os.Args[1:]); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "reads:", err)
		os.Exit(1)
	}
}

func parse(args []string) (*config, error) {
	c := &config{}
	sizes := ""
	fs := flag.NewFlagSet("reads", flag.ContinueOnError)
	fs.StringVar(&sizes, "events", "100000,1000000,10000000", "`numbers` of stored events, growing")
	fs.IntVar(&c.samples, "samples", 300, "`number` of times that each question is asked: a p99 needs some hundred")
	fs.Uint64Var(&c.seed, "seed", 1, "`number` that events and questions follow from")
	fs.StringVar(&c.plans, "plans", "", "`file` for the plans of all questions at the last size")
	fs.DurationVar(&c.tail, "tail", 0, "`time` for which, beside the last size, a thousand clients listen to the live tail while 2,000 events a second are posted; 0: none")
	if err := fs.Parse(args); err != nil {
		return nil, err //nolint:wrapcheck // printed by the flag package already
	}
	for text := range strings.SplitSeq(sizes, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1000 || len(c.sizes) > 0 && n <= c.sizes[len(c.sizes)-1] {
			return nil, errors.New("-events must be growing numbers of at least 1000, separated by commas")
		}
		c.sizes = append(c.sizes, n)
	}
	if c.samples < 1 {
		return nil, errors.New("-samples must be at least 1")
	}
	if c.tail < 0 {
		return nil, errors.New("-tail must not be negative")
	}
	return c, nil
}

func run(args []string) error {
	c, err := parse(args)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "reads")
	if err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	defer os.RemoveAll(dir)                      //nolint:errcheck // a temporary directory
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // PostgreSQL's own account passes it
		return fmt.Errorf("open directory: %w", err)
	}
	w := &world{dir: dir}
	defer w.stop() //nolint:errcheck // what is measured is told
	if err := w.start(ctx); err != nil {
		return err
	}
	r := newReport(c, build.Commit(ctx))
	l := newLoader(c.seed, time.Now())
	if err := w.register(ctx, l); err != nil {
		return err
	}
	for _, size := range c.sizes {
		if err := l.load(ctx, w.conn, size); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "%d events are loaded\n", size)
		if err := w.prepare(ctx, l); err != nil {
			return err
		}
		if err := w.measure(ctx, c, l, r); err != nil {
			return err
		}
	}
	if c.tail > 0 {
		if err := w.measureTail(ctx, c, r); err != nil {
			return err
		}
	}
	fmt.Print(r.markdown())
	if c.plans == "" {
		return nil
	}
	return w.explain(ctx, c, l)
}

// world is what is measured, and what it needs.
type world struct {
	dir         string
	redis       *servers.Redis
	postgres    *servers.Postgres
	auth        *servers.Process // begins the application log, without which nobody logs in
	persistence *servers.Process
	ingest      *servers.Process // of the tail; nil: none is measured
	conn        *pgx.Conn
	url, token  string
	authURL     string
	cookie      string // of a session of the console
}

const startTimeout = time.Minute

func (w *world) start(ctx context.Context) (err error) {
	if err := build.Services(ctx, w.dir, "auth", "ingest", "persistence"); err != nil {
		return fmt.Errorf("build: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if w.redis, err = servers.StartRedis(ctx, servers.RedisOptions{Dir: filepath.Join(w.dir, "redis")}); err != nil {
		return fmt.Errorf("start servers: %w", err)
	}
	w.postgres, err = servers.StartPostgres(ctx, servers.PostgresOptions{Dir: filepath.Join(w.dir, "postgres"), Settings: map[string]string{
		"max_wal_size": "4GB", "maintenance_work_mem": "256MB", // loading is not what is measured
	}})
	if err != nil {
		return fmt.Errorf("start servers: %w", err)
	}
	if w.conn, err = pgx.Connect(ctx, w.postgres.URL()); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	w.token = servers.NewPassword()
	if w.auth, w.authURL, err = w.service("auth", "THEEYE_POSTGRES_URL="+w.postgres.URL()); err != nil {
		return err
	}
	return w.serve(ctx, "")
}

// serve starts persistence, which makes its tables, with options for its connections to PostgreSQL.
func (w *world) serve(ctx context.Context, options string) error {
	url, err := withOptions(w.postgres.URL(), options)
	if err != nil {
		return err
	}
	w.persistence, w.url, err = w.service("persistence", "THEEYE_POSTGRES_URL="+url, "THEEYE_REPLICA=bench")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	err = servers.Await(ctx, w.persistence, w.log("persistence"), func(ctx context.Context) error {
		_, err := w.ask(ctx, "/v1/events?limit=1")
		return errors.Join(err, w.logIn(ctx)) // which needs the log that auth begins
	})
	if err != nil {
		return fmt.Errorf("start persistence: %w", err)
	}
	return nil
}

func (w *world) log(name string) string { return filepath.Join(w.dir, name+".log") }

// service starts one.
func (w *world) service(name string, env ...string) (p *servers.Process, url string, err error) {
	public, err1 := servers.FreePort()
	opsPort, err2 := servers.FreePort()
	if err := errors.Join(err1, err2); err != nil {
		return nil, "", fmt.Errorf("start %s: %w", name, err)
	}
	p, err = servers.Start(servers.Command{
		Path: filepath.Join(w.dir, name), LogFile: w.log(name),
		Args: []string{"--listen=" + servers.Address(public), "--ops-listen=" + servers.Address(opsPort), "--log-level=warn"},
		Env:  append(env, "THEEYE_ADMIN_TOKEN="+w.token, "THEEYE_REDIS_URL="+w.redis.URL(), "TZ=UTC"),
	})
	if err != nil {
		return nil, "", fmt.Errorf("start %s: %w", name, err)
	}
	return p, "http://" + servers.Address(public), nil
}

func (w *world) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	var errs []error
	for _, p := range []*servers.Process{w.ingest, w.persistence, w.auth} {
		if p != nil {
			errs = append(errs, p.Stop(ctx, syscall.SIGTERM))
		}
	}
	if w.conn != nil {
		errs = append(errs, w.conn.Close(ctx))
	}
	if w.postgres != nil {
		errs = append(errs, w.postgres.Stop(ctx))
	}
	if w.redis != nil {
		errs = append(errs, w.redis.Stop(ctx))
	}
	return errors.Join(errs...)
}
