package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/theeye-dev/theeye/hack/chaos/build"
	"github.com/theeye-dev/theeye/hack/chaos/scale"
	"github.com/theeye-dev/theeye/hack/chaos/world"
)

// measure measures one, two and four replicas, and four of which always one is being replaced.
func (c *config) measure(ctx context.Context) error {
	dir, err := c.workplace()
	if err != nil {
		return err
	}
	binaries := filepath.Join(dir, "bin")
	if err := build.Services(ctx, build.Options{Dir: binaries, Race: c.race}); err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	say("| replicas of each | events/s | ingest µs | persistence µs | Redis µs | PostgreSQL µs | largest share | entries delivered again | claimed |")
	say("|---|---|---|---|---|---|---|---|---|")
	for i, m := range []scale.Config{{Replicas: 1}, {Replicas: 2}, {Replicas: 4}, {Replicas: 4, Turnover: true}} {
		m.Dir, m.Binaries, m.Cluster = filepath.Join(dir, fmt.Sprint("scale-", i)), binaries, c.cluster
		m.Duration, m.Clients, m.RedisReplicas = c.duration, c.clients, c.replicas()
		result, err := scale.Run(ctx, m)
		if err != nil {
			return fmt.Errorf("measure %d replicas: %w; files are in %s", m.Replicas, err, m.Dir)
		}
		tell(m, result)
	}
	return os.RemoveAll(dir) //nolint:wrapcheck // says which
}

// tell prints a row: CPU in microseconds for each event.
func tell(m scale.Config, r scale.Result) {
	replicas := fmt.Sprint(m.Replicas)
	if m.Turnover {
		replicas += fmt.Sprintf(", %d stopped and started", r.Turnovers)
	}
	cost := func(kind string) float64 {
		return float64(r.CPU[kind]) / float64(time.Microsecond) / float64(r.Accepted)
	}
	say("| %s | %.0f | %.1f | %.1f | %.1f | %.1f | %.0f %% | %.0f | %.0f |", replicas, float64(r.Stored)/r.Took.Seconds(),
		cost(string(world.Ingest)), cost(string(world.Persistence)), cost(scale.Redis), cost(scale.Postgres),
		100*slices.Max(r.Shares), r.Redelivered, r.Claimed)
}
