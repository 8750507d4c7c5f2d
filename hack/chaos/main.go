package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/theeye-dev/theeye/hack/chaos/nemesis"
	"github.com/theeye-dev/theeye/hack/chaos/rig"
)

// config is what the flags say.
type config struct {
	seeds    []uint64
	duration time.Duration
	faults   []nemesis.Fault
	all      bool // of the catalogue
	race     bool
	dir      string
	keep     bool
	check    string
	bugs     string
	failover string
	cluster  bool
	scale    bool

	unreplicated bool

	ingests, persistences, clients int
}

const intro = `chaos: break everything around TheEye, and look that nothing accepted is lost or kept twice

For each seed: Redis, PostgreSQL, auth, ingest and persistence as processes, a proxy on every link; clients that post,
resend, collide and misbehave, with a history on disk; faults, one after the other in two lanes; then rest, and the
judgement. The exit status is 1 when anything was found, or too little was tried.

`

func parse(args []string) (*config, error) {
	c := &config{}
	fs := flag.NewFlagSet("chaos", flag.ContinueOnError)
	fs.Usage = func() {
		fmt.Fprint(fs.Output(), intro)
		fs.PrintDefaults()
		fmt.Fprintf(fs.Output(), "\nfaults: %s\nfaults with -cluster: %s\n", strings.Join(nemesis.Names(nemesis.Catalogue()), " "),
			strings.Join(nemesis.Names(nemesis.ClusterCatalogue()), " "))
	}
	seeds := fs.String("seeds", "1-3", "`numbers` of the runs: 7, 1-30, 1,5,9")
	faults := fs.String("faults", "all", "`names` of the faults, separated by commas; all, or none")
	fs.DurationVar(&c.duration, "duration", 20*time.Second, "`time` of each run's faults; starting, resting and judging come on top")
	fs.BoolVar(&c.race, "race", false, "build the services with the race detector")
	fs.StringVar(&c.dir, "dir", "", "`directory` for histories and logs, which PostgreSQL's user can reach (default: a new one in the system's for temporary files)")
	fs.BoolVar(&c.keep, "keep", false, "keep history and logs also of runs in which nothing was found")
	fs.StringVar(&c.check, "check", "", "judge the run in this `directory` again, and do nothing else")
	fs.StringVar(&c.bugs, "bugs", "", "plant bugs, by their `names` or all, and tell after how many seeds each was caught; list lists them")
	fs.StringVar(&c.failover, "failover", "", "fail over to replicas and standbys, in the settings with these `names` or in all, and tell what was lost; list lists them")
	fs.BoolVar(&c.cluster, "cluster", false, "a Redis Cluster of three masters and three replicas instead of one Redis")
	fs.BoolVar(&c.unreplicated, "unreplicated", false, "with -cluster, accept events before a replica has them: what that loses is found")
	fs.BoolVar(&c.scale, "scale", false, "break nothing, and measure what one, two and four replicas of ingest and persistence do and cost, for "+
		"the duration each")
	fs.IntVar(&c.ingests, "ingest", 2, "`replicas` of ingest, at least 2")
	fs.IntVar(&c.persistences, "persistence", 2, "`replicas` of persistence, at least 2")
	fs.IntVar(&c.clients, "clients", 8, "`number` of clients that post at once")
	if err := fs.Parse(args); err != nil {
		return nil, err //nolint:wrapcheck // printed by the flag package already
	}
	var err1, err2 error
	c.seeds, err1 = parseSeeds(*seeds)
	c.faults, err2 = nemesis.Choose(c.catalogue(), *faults)
	c.all = *faults == "all"
	return c, errors.Join(err1, err2, c.validate(fs.Args()))
}

// catalogue is what can be done to the world that is to be run.
func (c *config) catalogue() []nemesis.Fault {
	if c.cluster {
		return nemesis.ClusterCatalogue()
	}
	return nemesis.Catalogue()
}

func (c *config) validate(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q", rest[0])
	case c.duration < time.Second:
		return errors.New("-duration must be at least 1s")
	case c.ingests < 2 || c.persistences < 2:
		return errors.New("-ingest and -persistence must be at least 2: events meet at several replicas")
	case c.cluster && c.bugs != "":
		return errors.New("-bugs are caught on one Redis, without -cluster")
	case c.clients < 1:
		return errors.New("-clients must be at least 1")
	}
	return nil
}

// parseSeeds reads numbers and ranges.
func parseSeeds(text string) (seeds []uint64, err error) {
	for part := range strings.SplitSeq(text, ",") {
		first, last, ranged := strings.Cut(part, "-")
		if !ranged {
			last = first
		}
		from, err1 := strconv.ParseUint(first, 10, 32)
		to, err2 := strconv.ParseUint(last, 10, 32)
		if errors.Join(err1, err2) != nil || to < from {
			return nil, fmt.Errorf("-seeds: %q is neither a number nor a range such as 1-30", part)
		}
		for seed := from; seed <= to; seed++ {
			seeds = append(seeds, seed)
		}
	}
	return seeds, nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	c, err := parse(args)
	switch {
	case err != nil:
		return err
	case c.check != "":
		return recheck(c.check)
	case c.bugs != "":
		return c.plant(ctx)
	case c.failover != "":
		return c.failOver(ctx)
	case c.scale:
		return c.measure(ctx)
	default:
		return c.run(ctx)
	}
}

// recheck judges a run again from its files.
func recheck(dir string) error {
	found, err := rig.Judge(dir)
	if err != nil {
		return err //nolint:wrapcheck // says what
	}
	for _, f := range found {
		fmt.Println(f)
	}
	if len(found) > 0 {
		return fmt.Errorf("%d violations", len(found))
	}
	fmt.Println("nothing found")
	return nil
}
