package failover

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/theeye-dev/theeye/hack/chaos/checker"
	"github.com/theeye-dev/theeye/hack/chaos/history"
	"github.com/theeye-dev/theeye/hack/chaos/rig"
	"github.com/theeye-dev/theeye/hack/chaos/world"
)

// Result is what a failover has cost.
type Result struct {
	Acknowledged int64
	Lost         int // events, and refusals, that were answered and are not there
	Duplicated   int
	// Refused is how many requests were refused although their credential was valid: what auth had published or stored in
	// the last moments is lost as well, until it is published or sent again.
	Refused int
	Others  []checker.Finding // what else is not as promised: mostly what follows from a loss
	// Unavailable is the longest time in which no request was accepted, from the fault on.
	Unavailable time.Duration
	// Recovery is how long it took, after the last request, until all that was accepted was stored.
	Recovery time.Duration
}

const (
	// delay is what travels to a replica takes, each way: another zone of the same region.
	delay = 5 * time.Millisecond
	// before and after are how long clients post around the failover: long enough for credentials to rotate, and for
	// the streams to be trimmed.
	before, after = 5 * time.Second, 5 * time.Second
	// detection is how long nobody acts after a kill: what tells a dead server from a slow one. Sentinel's own default is
	// 30 s, Patroni's about as much.
	detection = 2 * time.Second
)

// Run does one failover while clients post. Config has seed, directory, binaries, clients and replicas.
func Run(ctx context.Context, c rig.Config, s Setting) (r Result, err error) {
	var standby *world.Standby
	var struck time.Time
	c.Args, c.RedisSettings = s.Args, s.RedisSettings
	c.Prepare = func(ctx context.Context, w *world.World) (err error) {
		if s.Redis {
			standby, err = w.FollowRedis(ctx, delay)
			return err //nolint:wrapcheck // says what
		}
		return nil
	}
	c.Instead = func(ctx context.Context, w *world.World) (err error) {
		if !s.Redis { // the tables are there by now, and the standby is what is there
			if standby, err = w.FollowPostgres(ctx, delay, s.Synchronous); err != nil {
				return err //nolint:wrapcheck // says what
			}
		}
		pause(ctx, before)
		struck = time.Now()
		if err := s.strike(ctx, w, standby); err != nil {
			return err
		}
		if err := standby.Promote(ctx); err != nil {
			return err //nolint:wrapcheck // says what
		}
		pause(ctx, after)
		return nil
	}
	judged, err := rig.Run(ctx, c)
	if err != nil {
		return r, fmt.Errorf("fail over (%s): %w", s.Name, err)
	}
	h, err := rig.History(c.Dir)
	if err != nil {
		return r, fmt.Errorf("fail over (%s): %w", s.Name, err)
	}
	r.Acknowledged, r.Recovery, r.Unavailable = judged.Evidence[checker.Acknowledged], judged.Recovery, silence(h, struck)
	for _, f := range judged.Findings {
		switch f.Invariant {
		case checker.Lost:
			r.Lost++
		case checker.Duplicate:
			r.Duplicated++
		case checker.Credential, checker.Answer:
			r.Refused++
		default:
			r.Others = append(r.Others, f)
		}
	}
	return r, nil
}

// strike takes the server away with its machine, and so what is on the way to the standby; or cuts it off and lets clients
// go on.
func (s *Setting) strike(ctx context.Context, w *world.World, standby *world.Standby) error {
	standby.Link.Break()
	switch {
	case s.Partition > 0:
		pause(ctx, s.Partition)
		return nil
	case s.Redis:
		if err := w.Redis.Kill(); err != nil {
			return err //nolint:wrapcheck // says which
		}
	default:
		if err := w.Postgres.Crash(ctx); err != nil {
			return err //nolint:wrapcheck // says which
		}
	}
	pause(ctx, detection)
	return nil
}

// silence is the longest time without any accepted request since a moment.
func silence(h history.History, since time.Time) (longest time.Duration) {
	var accepted []time.Time
	for _, o := range h.Outcomes {
		if o.Status == http.StatusAccepted && o.At.After(since) {
			accepted = append(accepted, o.At)
		}
	}
	slices.SortFunc(accepted, time.Time.Compare)
	for _, at := range accepted {
		longest, since = max(longest, at.Sub(since)), at
	}
	return longest
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
