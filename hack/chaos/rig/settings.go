package rig

import (
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/theeye-dev/theeye/hack/chaos/nemesis"
	"github.com/theeye-dev/theeye/hack/chaos/world"
)

// installation is what is run: settings as documented, made as unkind as they may be.
func (c *Config) installation() world.Options {
	redis := map[string]string{
		"auto-aof-rewrite-min-size": "1mb", // the log is rewritten again and again, and Redis killed meanwhile
	}
	maps.Copy(redis, c.RedisSettings)
	return world.Options{
		Dir: c.Dir, Binaries: c.Binaries, Ingests: c.Ingests, Persistences: c.Persistences, Spares: spares,
		Args: c.Args, RedisSettings: redis, RelaxedRedis: c.RedisSettings["appendfsync"] != "",
		PostgresSettings: map[string]string{
			"max_connections":  "60",  // they run out
			"wal_writer_delay": "10s", // what a commit does not wait for stays unwritten for long
		},
		Cluster: c.Cluster, Replicas: c.Replicas,
		SmallDisk: world.CanMount() && !c.Cluster && slices.ContainsFunc(c.Faults, func(f nemesis.Fault) bool { return f.Needs != nil }) && len(c.RedisSettings) == 0,
	}
}

// makeDir makes a directory that must not be there; PostgreSQL's user has to pass it.
func makeDir(dir string) error {
	if err := os.Mkdir(dir, 0o711); err != nil { //nolint:gosec // passable, not readable
		return fmt.Errorf("make directory of the run: %w", err)
	}
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // whatever the umask says
		return fmt.Errorf("make directory of the run: %w", err)
	}
	return nil
}
