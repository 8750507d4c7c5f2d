package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/theeye-dev/theeye/hack/bench/build"
)

// config is what the flags say, and where things are.
type config struct {
	applications int
	idle         time.Duration
	jsonFile     string
	keep         bool

	dir      string // of everything that the bench makes
	binaries string
	began    time.Time
}

const usage = `operator: what many Applications cost the operator, the API server and auth.

It builds the services and starts a private control plane (make it first: hack/setup --control-plane), Redis, PostgreSQL,
auth and persistence. The operator runs with its own service account and the rights of config/rbac, elects its leader,
and shows auth and persistence projected tokens. Measured are, in this order:

  cold      Applications that are there before the operator: until all are Ready
  idle      nothing changes: what is asked all the same
  restart   the operator is killed and started again: until it has looked at all of them
  change    one more Application, 20 times: until its Secret is there

Run it inside the repository, on a machine that does nothing else; the API server works on the same cores:

  go run ./hack/bench/operator                             2,000 Applications, about five minutes
  go run ./hack/bench/operator -applications 50 -idle 20s  to see that it works, not to publish

It exits with 1 when a count is wrong: an Application that is not Ready, a Secret too few or too many, a write to the API
server while nothing changed. A goal of time or memory that was missed is shown as such, and is no failure: that may be
the machine's.

Flags:
`

func parseFlags(args []string) (*config, error) {
	c := &config{}
	fs := flag.NewFlagSet("operator", flag.ContinueOnError)
	fs.Usage = func() { fmt.Fprint(fs.Output(), usage); fs.PrintDefaults() }
	fs.IntVar(&c.applications, "applications", 2000, "`number` of Applications, in 20 namespaces")
	fs.DurationVar(&c.idle, "idle", 2*time.Minute, "how long nothing changes; auth is compared once a minute, usage read every five minutes")
	fs.StringVar(&c.jsonFile, "json", "", "write everything counted to this `file`, too (- for standard output, instead of the table)")
	fs.BoolVar(&c.keep, "keep", false, "keep the servers' data and logs, and say where they are")
	if err := fs.Parse(args); err != nil {
		return nil, err //nolint:wrapcheck // printed by the flag package already
	}
	switch {
	case fs.NArg() > 0:
		return nil, errors.New("no arguments are taken besides the flags")
	case c.applications < 1:
		return nil, errors.New("-applications must be at least 1")
	case c.idle <= 0 || c.idle > maxIdle:
		return nil, fmt.Errorf("-idle must be above 0 and at most %s", maxIdle)
	}
	return c, nil
}

// maxIdle is well before the certificates and tokens of the control plane end, after a day.
const maxIdle = 12 * time.Hour

func main() {
	switch err := run(os.Args[1:]); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "operator:", err)
		os.Exit(1)
	}
}

var errStopped = errors.New("stopped before the end: nothing to report")

func run(args []string) (err error) {
	c, err := parseFlags(args)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := c.makeDirs(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.removeDirs()) }()
	err = c.bench(ctx)
	if ctx.Err() != nil {
		return errStopped // what failed did so because of it
	}
	return err
}

func (c *config) bench(ctx context.Context) (err error) {
	c.progress("building the services")
	if err := build.Services(ctx, c.binaries, serviceAuth, servicePersistence, serviceOperator); err != nil {
		return err
	}
	c.progress("starting the control plane, Redis, PostgreSQL, auth and persistence")
	w, err := startWorld(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.stop(ctx)) }()
	r, err := w.measure(ctx)
	if err != nil {
		return err
	}
	r.describe(ctx, c)
	return errors.Join(r.write(c.jsonFile), r.verdict())
}

func (c *config) makeDirs() (err error) {
	c.began = time.Now()
	if c.dir, err = os.MkdirTemp("", "theeye-bench-operator-"); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	if err := os.Chmod(c.dir, 0o711); err != nil { //nolint:gosec // PostgreSQL's user passes it
		return fmt.Errorf("open directory: %w", err)
	}
	c.binaries = filepath.Join(c.dir, "bin")
	if err := os.Mkdir(c.binaries, 0o700); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	return nil
}

func (c *config) removeDirs() error {
	if c.keep {
		c.progress("kept in %s", c.dir)
		return nil
	}
	if err := os.RemoveAll(c.dir); err != nil {
		return fmt.Errorf("remove directory: %w", err)
	}
	return nil
}

// progress tells on standard error what goes on, with the time since the start.
func (c *config) progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%5.0fs  %s\n", time.Since(c.began).Seconds(), fmt.Sprintf(format, args...))
}
