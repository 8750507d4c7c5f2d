// Command flood measures what hostile clients cost a running TheEye and its good clients: the memory of ingest against
// its bound, the answer times that good clients see without and with the flood, and what was stored afterwards.
//
//	make bench-flood
//
// Good clients post at a fixed rate, each from its schedule, so that a slow answer delays none but itself in the figures.
// The hostile ones are a process of their own with the lowest priority: on a network they have other machines. The same
// -seed floods with the same bodies. It exits with 1 when memory or storage are not as they must be, never for times.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/hack/bench/flood/attack"
	"github.com/theeye-dev/theeye/hack/bench/proc"
)

// hostilePart is the hidden argument of the hostile process.
const hostilePart = "part-hostile"

// config is what is measured.
type config struct {
	env      map[string]string
	envFile  string
	duration time.Duration
	clients  int
	rate     float64 // requests a second of each good client
	bound    int64   // MiB
	plan     attack.Plan
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == hostilePart {
		hostile()
		return
	}
	switch err := run(os.Args[1:]); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "flood:", err)
		os.Exit(1)
	}
}

func parse(args []string) (*config, error) {
	c := &config{}
	fs := flag.NewFlagSet("flood", flag.ContinueOnError)
	fs.StringVar(&c.envFile, "env", ".local/env", "`file` of make up")
	fs.DurationVar(&c.duration, "duration", 30*time.Second, "`time` of each phase: quiet, flood, quiet again")
	fs.IntVar(&c.clients, "clients", 16, "`number` of good clients, each with one connection")
	fs.Float64Var(&c.rate, "rate", 10, "requests a `second` of each good client")
	fs.Int64Var(&c.bound, "bound", 256, "`MiB` that ingest may have: its container's limit")
	fs.Uint64Var(&c.plan.Seed, "seed", 1, "`number` that the hostile bodies follow from")
	fs.Float64Var(&c.plan.PerSecond, "per-second", 2, "hostile requests a `second` of each kind: 2 are 18, and 36 MB")
	fs.StringVar(&c.plan.Only, "only", "", "send only the kinds of requests whose `name` begins so, to find what costs most")
	fs.IntVar(&c.plan.Idle, "idle", 10_000, "`number` of idle connections")
	fs.IntVar(&c.plan.Slow, "slow", 200, "`number` of slow connections of each kind")
	fs.Float64Var(&c.plan.Connects, "connects", 1000, "connections of each kind that are opened a `second` in the beginning; 0: all at once")
	if err := fs.Parse(args); err != nil {
		return nil, err //nolint:wrapcheck // printed by the flag package already
	}
	text, err := os.ReadFile(c.envFile)
	if err != nil {
		return nil, fmt.Errorf("is TheEye up? (make up): %w", err)
	}
	c.env = map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			c.env[name] = value
		}
	}
	c.plan.Address = strings.TrimPrefix(c.env["THEEYE_INGEST_URL"], "http://")
	return c, nil
}

func run(args []string) error {
	c, err := parse(args)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	pid, err := c.ingestPID()
	if err != nil {
		return err
	}
	good, err := c.register(ctx, "good", registry.Policy{})
	if err != nil {
		return err
	}
	bad, err := c.register(ctx, "hostile", attack.Policy())
	if err != nil {
		return err
	}
	c.plan.Key = bad.key
	g := newGood(c, good)
	r := &report{config: c}
	if r.quiet, err = g.phase(ctx, "quiet"); err != nil {
		return err
	}
	if err := proc.ForgetPeak(pid); err != nil {
		return fmt.Errorf("forget the peak of ingest: %w", err)
	}
	if r.flood, r.tally, err = c.flooded(ctx, g); err != nil {
		return err
	}
	if r.peak, err = proc.Memory(pid, "VmHWM"); err != nil {
		return fmt.Errorf("read the memory of ingest: %w", err)
	}
	if r.after, err = g.phase(ctx, "after"); err != nil {
		return err
	}
	if r.stored, err = c.stored(ctx, good); err != nil {
		return err
	}
	if r.hostile, err = c.stored(ctx, bad); err != nil {
		return err
	}
	r.accepted = g.accepted
	fmt.Print(r.markdown())
	return r.verdict()
}

func (c *config) ingestPID() (int, error) {
	text, err := os.ReadFile(filepath.Join(filepath.Dir(c.envFile), "run", "ingest.pid"))
	if err != nil {
		return 0, fmt.Errorf("find ingest: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("find ingest: %w", err)
	}
	return pid, nil
}

// flooded is a phase with the hostile process beside it.
func (c *config) flooded(ctx context.Context, g *good) (p phase, tally attack.Tally, err error) {
	self, err := os.Executable()
	if err != nil {
		return p, nil, fmt.Errorf("find own program: %w", err)
	}
	cmd := exec.CommandContext(ctx, "nice", "-n", "19", self, hostilePart) //nolint:gosec // ourselves
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // for lowest
	in, err := cmd.StdinPipe()
	if err != nil {
		return p, nil, fmt.Errorf("connect to the flood: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return p, nil, fmt.Errorf("connect to the flood: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return p, nil, fmt.Errorf("start the flood: %w", err)
	}
	if err := lowest(cmd.Process.Pid); err != nil {
		return p, nil, errors.Join(err, cmd.Process.Kill(), cmd.Wait())
	}
	if err := json.NewEncoder(in).Encode(c.plan); err != nil {
		return p, nil, fmt.Errorf("tell the flood: %w", err)
	}
	p, err = g.phase(ctx, "flood")
	_ = in.Close() // the flood ends with it
	return p, tally, errors.Join(err, json.NewDecoder(out).Decode(&tally), cmd.Wait())
}

// lowest gives the session of a process the lowest priority. Linux shares processors among sessions first: the niceness
// of a process counts only inside its own (sched(7), "The autogroup feature").
func lowest(pid int) error {
	err := os.WriteFile(fmt.Sprintf("/proc/%d/autogroup", pid), []byte("19"), 0)
	if err != nil && !errors.Is(err, os.ErrNotExist) { // a kernel without it
		return fmt.Errorf("lower the priority of the flood: %w", err)
	}
	return nil
}

// hostile is the whole of the hostile process.
func hostile() {
	var plan attack.Plan
	in := json.NewDecoder(os.Stdin)
	if err := in.Decode(&plan); err != nil {
		fmt.Fprintln(os.Stderr, "flood:", err)
		os.Exit(1)
	}
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		_ = in.Decode(new(any)) // until the other end is closed
		stop()
	}()
	_ = json.NewEncoder(os.Stdout).Encode(attack.Run(ctx, plan)) // the other end may be gone
}
