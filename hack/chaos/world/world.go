package world

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/theeye-dev/theeye/hack/servers"
)

// Options of an installation.
type Options struct {
	Dir      string // of this run: logs stay there, data does not
	Binaries string // directory with auth, ingest and persistence
	Ingests  int
	// Persistences run from the start, Spares only when somebody scales.
	Persistences, Spares int
	// RedisSettings and PostgresSettings are added to the durable ones.
	RedisSettings, PostgresSettings map[string]string
	// Args are added to those of a kind of service.
	Args map[Kind][]string
	// RelaxedRedis has the services take settings that are not durable.
	RelaxedRedis bool
	// SmallDisk puts Redis' files on a file system of their own that can be filled; it needs root.
	SmallDisk bool
	// Cluster runs a Redis Cluster of three masters and their replicas instead of one Redis.
	Cluster bool
	// Replicas of Redis must have an event before it is accepted.
	Replicas int
	// Plain puts no proxies between the processes: for what is measured.
	Plain bool
}

// World is a running installation.
type World struct {
	Redis      *servers.Redis        // nil in a world with a cluster
	Cluster    *servers.RedisCluster // nil in a world without
	Postgres   *servers.Postgres
	Services   []*Service
	AdminToken string
	DiskDir    string // of the small disk; "": there is none

	options Options
	single  *redis.Client         // nil in a world with a cluster
	client  redis.UniversalClient // past all links
	links   []*Link
	others  []func(context.Context) error // end servers beside Redis and Postgres
	nodes   []*Link                       // to the nodes of the cluster

	mu    sync.Mutex
	notes []string // what is wrong without any row
}

// startTimeout bounds the start of servers and services, also under the race detector on a busy machine.
const startTimeout = 90 * time.Second

// New starts Redis and PostgreSQL and makes the services and the links, without starting the services.
func New(ctx context.Context, o Options) (*World, error) {
	w := &World{options: o, AdminToken: servers.NewPassword()}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := errors.Join(w.startRedis(ctx), w.startPostgres(ctx), w.make()); err != nil {
		return nil, errors.Join(err, w.Close(ctx))
	}
	return w, nil
}

func (w *World) startRedis(ctx context.Context) (err error) {
	redisDir := w.RedisDir()
	if err := os.MkdirAll(redisDir, 0o700); err != nil {
		return fmt.Errorf("start servers: %w", err)
	}
	if w.options.Cluster {
		return w.startCluster(ctx)
	}
	if w.options.SmallDisk {
		if err := mountSmall(redisDir); err != nil {
			return err
		}
		w.DiskDir = redisDir
	}
	w.Redis, err = servers.StartRedis(ctx, servers.RedisOptions{
		Dir: redisDir, LogFile: filepath.Join(w.options.Dir, "redis.log"), Settings: w.options.RedisSettings, Env: w.noting(),
	})
	if err != nil {
		return fmt.Errorf("start servers: %w", err)
	}
	options, err := redis.ParseURL(w.Redis.URL())
	if err != nil {
		return fmt.Errorf("start servers: %w", err)
	}
	w.single = redis.NewClient(options)
	w.client = w.single
	return nil
}

func (w *World) startPostgres(ctx context.Context) (err error) {
	w.Postgres, err = servers.StartPostgres(ctx, servers.PostgresOptions{
		Dir: w.PostgresDir(), LogFile: filepath.Join(w.options.Dir, "postgres.log"),
		Settings: w.options.PostgresSettings,
	})
	if err != nil {
		return fmt.Errorf("start servers: %w", err)
	}
	return nil
}

// RedisDir is where Redis works.
func (w *World) RedisDir() string { return filepath.Join(w.options.Dir, "redis") }

// PostgresDir is where PostgreSQL works.
func (w *World) PostgresDir() string { return filepath.Join(w.options.Dir, "postgres") }

// note keeps what is wrong with the installation itself.
func (w *World) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.notes = append(w.notes, fmt.Sprintf(format, args...))
}

// Notes are what is wrong with the installation itself: processes that ended without being told to, races, panics.
func (w *World) Notes() []string {
	notes := w.logged()
	w.mu.Lock()
	defer w.mu.Unlock()
	return append(notes, w.notes...)
}

// Close ends everything and removes the data; the logs stay.
func (w *World) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), startTimeout)
	defer cancel()
	var errs []error
	for _, s := range w.Services {
		errs = append(errs, s.Stop(ctx))
	}
	for _, link := range w.links {
		link.close()
	}
	if w.client != nil {
		errs = append(errs, w.client.Close())
	}
	if w.Redis != nil && w.Redis.Process != nil {
		errs = append(errs, w.Redis.Kill())
	}
	if w.Cluster != nil {
		errs = append(errs, w.Cluster.Kill())
	}
	if w.Postgres != nil && w.Postgres.Process != nil {
		errs = append(errs, w.Postgres.Kill(), servers.EndPostgresOrphans(ctx, w.PostgresDir()))
	}
	for _, end := range w.others {
		errs = append(errs, end(ctx))
	}
	if w.DiskDir != "" {
		errs = append(errs, unmount(w.DiskDir))
	}
	return errors.Join(append(errs, os.RemoveAll(w.RedisDir()), os.RemoveAll(w.PostgresDir()))...)
}
