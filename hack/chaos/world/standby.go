package world

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/theeye-dev/theeye/hack/servers"
)

// Standby follows Redis or PostgreSQL over a link of its own, and can take its place.
type Standby struct {
	Link *Link // from the standby to what it follows

	world    *World
	redis    *servers.Redis
	client   *redis.Client
	postgres *servers.Postgres
}

// follow opens the link of a standby, on which everything takes its time.
func (w *World) follow(name, target string, delay time.Duration) (*Standby, error) {
	link, err := newLinks().open(name, target)
	if err != nil {
		return nil, err
	}
	w.links = append(w.links, link)
	for _, d := range []Direction{Up, Down} {
		if _, err := link.Poison(Toxic{"latency", d, map[string]any{"latency": delay.Milliseconds()}}); err != nil {
			return nil, err
		}
	}
	return &Standby{Link: link, world: w}, nil
}

// FollowRedis starts a replica of Redis with the same settings, and returns when it has all that is there. What travels
// between the two takes a delay each way.
func (w *World) FollowRedis(ctx context.Context, delay time.Duration) (*Standby, error) {
	s, err := w.follow("replica → redis", w.Redis.Address(), delay)
	if err != nil {
		return nil, err
	}
	settings := map[string]string{"replicaof": "127.0.0.1 " + s.Link.port()}
	maps.Copy(settings, w.options.RedisSettings)
	dir := filepath.Join(w.options.Dir, "redis-replica")
	s.redis, err = servers.StartRedis(ctx, servers.RedisOptions{Dir: dir, LogFile: filepath.Join(w.options.Dir, "redis-replica.log"), Settings: settings})
	if err != nil {
		return nil, fmt.Errorf("start replica: %w", err)
	}
	w.others = append(w.others, func(context.Context) error { return errors.Join(s.redis.Kill(), os.RemoveAll(dir)) })
	if s.client, err = open(s.redis); err != nil {
		return nil, err
	}
	w.others = append(w.others, func(context.Context) error { return s.client.Close() })
	return s, s.following(ctx, w.client)
}

// following waits until a Redis has a replica that answers it.
func (s *Standby) following(ctx context.Context, client redis.UniversalClient) error {
	err := servers.Await(ctx, nil, "", func(ctx context.Context) error {
		n, err := client.Do(ctx, "WAIT", 1, 100).Int()
		if err == nil && n == 0 {
			err = errors.New("no replica answers")
		}
		return err //nolint:wrapcheck // below
	})
	if err != nil {
		return fmt.Errorf("await replica: %w", err)
	}
	return nil
}

func open(r *servers.Redis) (*redis.Client, error) {
	options, err := redis.ParseURL(r.URL())
	if err != nil {
		return nil, fmt.Errorf("open Redis: %w", err)
	}
	return redis.NewClient(options), nil
}

// port of the near end.
func (l *Link) port() string { return l.Address()[len("127.0.0.1:"):] }

// FollowPostgres starts a standby of PostgreSQL and returns when it streams; synchronous: when commits wait for it.
func (w *World) FollowPostgres(ctx context.Context, delay time.Duration, synchronous bool) (*Standby, error) {
	s, err := w.follow("standby → postgres", w.Postgres.Address(), delay)
	if err != nil {
		return nil, err
	}
	if s.postgres, err = w.copyPostgres(ctx, "postgres-standby", s.Link.port(), true); err != nil {
		return nil, err
	}
	conn, err := w.Database(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx) //nolint:errcheck // only read from now on
	state := "async"
	if synchronous {
		state = "sync"
		for _, statement := range []string{"ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"} {
			if _, err := conn.Exec(ctx, statement); err != nil {
				return nil, fmt.Errorf("make commits wait: %w", err)
			}
		}
	}
	err = servers.Await(ctx, nil, "", func(ctx context.Context) error {
		var found string
		err := conn.QueryRow(ctx, "SELECT sync_state FROM pg_stat_replication WHERE state = 'streaming'").Scan(&found)
		if err == nil && found != state {
			err = fmt.Errorf("the standby is %s, not yet %s", found, state)
		}
		return err //nolint:wrapcheck // below
	})
	if err != nil {
		return nil, fmt.Errorf("await standby: %w", err)
	}
	return s, nil
}

// copyPostgres makes a copy of PostgreSQL as it is now and starts it.
func (w *World) copyPostgres(ctx context.Context, name, port string, standby bool) (*servers.Postgres, error) {
	dir := filepath.Join(w.options.Dir, name)
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, fmt.Errorf("copy PostgreSQL: %w", err)
	}
	if err := w.Postgres.Backup(ctx, dir, number, standby); err != nil {
		return nil, fmt.Errorf("copy PostgreSQL: %w", err)
	}
	return w.RestorePostgres(ctx, name)
}

// RestorePostgres starts the copy that lies in a directory of the run; it becomes what the services use only by Use.
func (w *World) RestorePostgres(ctx context.Context, name string) (*servers.Postgres, error) {
	dir := filepath.Join(w.options.Dir, name)
	p, err := servers.StartPostgres(ctx, servers.PostgresOptions{
		Dir: dir, LogFile: filepath.Join(w.options.Dir, name+".log"), Settings: w.options.PostgresSettings,
	})
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	w.others = append(w.others, func(ctx context.Context) error { return errors.Join(p.Crash(ctx), os.RemoveAll(dir)) })
	return p, nil
}
