package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/hack/servers"
)

// backend is a private Redis and PostgreSQL with nothing in them, and connections for looking after them.
type backend struct {
	redis    *servers.Redis
	postgres *servers.Postgres
	client   *redis.Client
	conn     *pgx.Conn
}

func startBackend(ctx context.Context, dir string) (*backend, error) {
	if err := makePassable(dir); err != nil {
		return nil, err
	}
	b := &backend{}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	err := b.start(ctx, dir)
	if err != nil {
		return nil, errors.Join(err, b.stop(ctx))
	}
	return b, nil
}

// makePassable makes a directory that PostgreSQL's user can pass, when this is root and whatever the umask says.
func makePassable(dir string) error {
	if err := os.MkdirAll(dir, 0o711); err != nil { //nolint:gosec // see above
		return fmt.Errorf("make directory: %w", err)
	}
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // see above
		return fmt.Errorf("open directory: %w", err)
	}
	return nil
}

func (b *backend) start(ctx context.Context, dir string) (err error) {
	if b.redis, err = servers.StartRedis(ctx, servers.RedisOptions{Dir: filepath.Join(dir, "redis")}); err != nil {
		return fmt.Errorf("start servers: %w", err)
	}
	options, err := redis.ParseURL(b.redis.URL())
	if err != nil {
		return fmt.Errorf("parse Redis URL: %w", err)
	}
	options.DisableIdentity = true
	b.client = redis.NewClient(options)
	if b.postgres, err = servers.StartPostgres(ctx, servers.PostgresOptions{Dir: filepath.Join(dir, "postgres")}); err != nil {
		return fmt.Errorf("start servers: %w", err)
	}
	if b.conn, err = pgx.Connect(ctx, b.postgres.URL()); err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	return nil
}

func (b *backend) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	var errs []error
	if b.client != nil {
		errs = append(errs, b.client.Close())
	}
	if b.conn != nil {
		errs = append(errs, b.conn.Close(ctx))
	}
	if b.redis != nil && b.redis.Process != nil {
		errs = append(errs, b.redis.Kill()) // nothing of it is kept
	}
	if b.postgres != nil && b.postgres.Process != nil {
		errs = append(errs, b.postgres.Stop(ctx))
	}
	return errors.Join(errs...)
}

func (b *backend) roles() meter {
	return meter{{name: roleRedis, pid: b.redis.PID()}, {name: rolePostgres, pid: b.postgres.PID()}}
}

// pollEvery is how often the bench asks whether something is done: seldom enough to cost nothing that shows.
const pollEvery = 20 * time.Millisecond

// poll asks until done answers true, or an error.
func poll(ctx context.Context, done func() (bool, error)) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err() //nolint:wrapcheck // callers say what they waited for
		case <-ticker.C:
		}
	}
}

// rest gives every target the same start: Redis' log rewritten to what is left, so that its next rewrite is as far
// away for all, and PostgreSQL's dirty pages written.
func (b *backend) rest(ctx context.Context) error {
	// Redis may be at one of its own: then that is waited for.
	if err := b.client.BgRewriteAOF(ctx).Err(); err != nil && !strings.Contains(err.Error(), "in progress") {
		return fmt.Errorf("rewrite Redis' log: %w", err)
	}
	err := poll(ctx, func() (bool, error) {
		info, err := b.client.InfoMap(ctx, "persistence").Result()
		section := info["Persistence"]
		return section["aof_rewrite_in_progress"] == "0" && section["aof_rewrite_scheduled"] == "0", err //nolint:wrapcheck // below
	})
	if err != nil {
		return fmt.Errorf("wait for Redis: %w", err)
	}
	if _, err := b.conn.Exec(ctx, "CHECKPOINT"); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}

// drained waits until persistence has acknowledged every entry of every event stream: it does so after it committed.
// Asking Redis for two numbers costs next to nothing; counting rows would not.
func (b *backend) drained(ctx context.Context) error {
	partitions, err := b.client.Get(ctx, event.PartitionsKey).Int()
	if err != nil {
		return fmt.Errorf("read number of event streams: %w", err)
	}
	for p := range partitions {
		err := poll(ctx, func() (bool, error) { return b.streamDrained(ctx, event.StreamKey(p)) })
		if err != nil {
			return fmt.Errorf("wait for persistence: %w", err)
		}
	}
	return nil
}

func (b *backend) streamDrained(ctx context.Context, key string) (bool, error) {
	exists, err := b.client.Exists(ctx, key).Result()
	if err != nil || exists == 0 {
		return exists == 0, err //nolint:wrapcheck // drained says what for
	}
	groups, err := b.client.XInfoGroups(ctx, key).Result()
	if err != nil {
		return false, err //nolint:wrapcheck // as above
	}
	for _, g := range groups {
		if g.Name != event.PersistenceGroup || g.Pending > 0 {
			continue
		}
		rest, err := b.client.XRangeN(ctx, key, "("+g.LastDeliveredID, "+", 1).Result()
		return err == nil && len(rest) == 0, err //nolint:wrapcheck // as above
	}
	return false, nil
}

// stored counts the events in PostgreSQL.
func (b *backend) stored(ctx context.Context) (uint64, error) {
	var count uint64
	if err := b.conn.QueryRow(ctx, "SELECT count(*) FROM persistence.events").Scan(&count); err != nil {
		return 0, fmt.Errorf("count events: %w", err)
	}
	return count, nil
}
