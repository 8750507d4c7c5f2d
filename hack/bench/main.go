package main

import (
	"context"
	"encoding/json"
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

	"github.com/theeye-dev/theeye/hack/bench/build"
)

// config is what the flags say, and where things are.
type config struct {
	duration    time.Duration
	warmUp      time.Duration
	rounds      int
	connections int
	maxEvents   int
	batches     []int
	freshRate   int
	jsonFile    string
	profiles    string
	keep        bool

	dir      string // of everything that the bench makes
	binaries string
	began    time.Time
}

const usage = `bench: what an event costs in TheEye, beside a bare net/http handler, a handler that decodes and makes one
XADD, and raw COPY.

It builds the services, starts a private Redis and PostgreSQL for every round and prints Markdown tables. Run it inside
the repository, on a machine that does nothing else:

  go run ./hack/bench            3 rounds of 10 s for each target and batch size, about ten minutes
  go run ./hack/bench -short     one round of 2 s each: to see that it works, not to publish

It exits with 1 when an answer is not 202 or a stored count does not match what was accepted.

Flags:
`

func parseFlags(args []string) (*config, error) {
	c := &config{batches: []int{1, 100}}
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.Usage = func() { _, _ = fmt.Fprint(fs.Output(), usage); fs.PrintDefaults() }
	fs.DurationVar(&c.duration, "duration", 10*time.Second, "how long each target is measured")
	fs.DurationVar(&c.warmUp, "warm-up", 2*time.Second, "how long each target is warmed up before it")
	fs.IntVar(&c.rounds, "rounds", 3, "`number` of rounds; the report has their medians")
	fs.IntVar(&c.connections, "connections", 32, "`number` of kept connections, each sending one request at a time")
	fs.IntVar(&c.maxEvents, "max-events", 500_000, "stop a measurement that keeps its events earlier, after this `number`; 0: never")
	fs.Func("batches", "events of a request: comma-separated `sizes` (default 1,100)", c.setBatches)
	fs.IntVar(&c.freshRate, "fresh-rate", 500, "`events` per second while the time until they are readable is measured")
	fs.StringVar(&c.jsonFile, "json", "", "write every round and the medians to this `file`, too (- for standard output, instead of the tables)")
	fs.StringVar(&c.profiles, "profiles", "", "save CPU profiles of the services in this `directory`; taking them costs some CPU itself")
	fs.BoolVar(&c.keep, "keep", false, "keep the servers' data and logs, and say where they are")
	brief := fs.Bool("short", false, "one round of 2 s each")
	if err := fs.Parse(args); err != nil {
		return nil, err //nolint:wrapcheck // printed by the flag package already
	}
	if *brief {
		c.duration, c.warmUp, c.rounds = 2*time.Second, time.Second/2, 1
	}
	return c, c.validate(fs.Args())
}

func (c *config) setBatches(text string) error {
	c.batches = nil
	for size := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(size)
		if err != nil {
			return fmt.Errorf("batch size: %w", err)
		}
		c.batches = append(c.batches, n)
	}
	return nil
}

func (c *config) validate(rest []string) error {
	var errs []error
	check := func(ok bool, text string) {
		if !ok {
			errs = append(errs, errors.New(text))
		}
	}
	check(len(rest) == 0, "no arguments are taken besides the flags")
	check(c.duration > 0 && c.warmUp > 0, "-duration and -warm-up must be above 0")
	check(c.rounds > 0 && c.connections > 0, "-rounds and -connections must be at least 1")
	check(c.maxEvents >= 0, "-max-events must not be negative")
	const maxRate = 10_000
	check(c.freshRate > 0 && c.freshRate <= maxRate, "-fresh-rate must be between 1 and 10000")
	for _, n := range c.batches {
		check(n >= 1 && n <= poolEvents, fmt.Sprintf("batch sizes must be between 1 and %d", poolEvents))
	}
	return errors.Join(errs...)
}

func main() {
	if len(os.Args) > 1 {
		if part, ok := parts[os.Args[1]]; ok {
			os.Exit(runPart(part))
		}
	}
	switch err := run(os.Args[1:]); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
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

func (c *config) bench(ctx context.Context) error {
	c.progress("building the services")
	if err := build.Services(ctx, c.binaries, serviceAuth, serviceIngest, servicePersistence); err != nil {
		return err
	}
	report, err := c.measureAll(ctx)
	if err != nil {
		return err
	}
	return c.write(report)
}

// measureAll runs the rounds, each with every batch size.
func (c *config) measureAll(ctx context.Context) (*report, error) {
	m, err := inspectMachine(ctx, c)
	if err != nil {
		return nil, err
	}
	r := &report{Machine: m}
	for round := 1; round <= c.rounds; round++ {
		for i, batch := range c.batches {
			c.progress("round %d of %d, batch %d", round, c.rounds, batch)
			stage, err := runStage(ctx, c, round, batch, i == 0)
			if err != nil {
				return nil, err
			}
			r.add(stage)
		}
	}
	r.summarize(c.batches)
	return r, nil
}

func (c *config) makeDirs() (err error) {
	c.began = time.Now()
	if c.dir, err = os.MkdirTemp("", "theeye-bench-"); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	if err := makePassable(c.dir); err != nil {
		return err
	}
	c.binaries = filepath.Join(c.dir, "bin")
	if c.profiles != "" {
		if err := os.MkdirAll(c.profiles, 0o755); err != nil { //nolint:gosec // for anyone to read
			return fmt.Errorf("make directory of profiles: %w", err)
		}
	}
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

// write shows the report as asked.
func (c *config) write(r *report) error {
	if c.jsonFile == "-" {
		return encodeReport(json.NewEncoder(os.Stdout), r)
	}
	fmt.Print(r.markdown())
	if c.jsonFile == "" {
		return nil
	}
	f, err := os.Create(c.jsonFile)
	if err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return errors.Join(encodeReport(json.NewEncoder(f), r), f.Close())
}

func encodeReport(e *json.Encoder, r *report) error {
	e.SetIndent("", "  ")
	if err := e.Encode(r); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}

// progress tells on standard error what goes on, with the time since the start.
func (c *config) progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%5.0fs  %s\n", time.Since(c.began).Seconds(), fmt.Sprintf(format, args...))
}
