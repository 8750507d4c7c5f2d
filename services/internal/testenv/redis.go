package testenv

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/hack/servers"
)

// startTimeout is generous: a loaded machine of two cores runs several test binaries at once.
const startTimeout = 60 * time.Second

// Redis starts a Redis for one test, which may Kill, Stop and Restart it. It takes some 50 ms and a few MiB, which is
// cheaper than keeping tests apart that share one: stream names are fixed.
func Redis(t testing.TB) *servers.Redis {
	t.Helper()
	return RedisWith(t, nil)
}

// RedisWith is Redis with other settings than those that make it durable, or with more.
func RedisWith(t testing.TB, settings map[string]string) *servers.Redis {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	redis, err := servers.StartRedis(ctx, servers.RedisOptions{Dir: filepath.Join(t.TempDir(), "redis"), Settings: settings})
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	t.Cleanup(func() {
		if err := redis.Kill(); err != nil {
			t.Errorf("testenv: %v", err)
		}
	})
	return redis
}

// OwnRedis is Redis, for a test that wants to say that it kills it.
func OwnRedis(t testing.TB) *servers.Redis {
	t.Helper()
	return Redis(t)
}

// nodeTimeout is how long a node of a cluster is away before another takes over: short, for a test waits for it.
const nodeTimeout = "1000"

// RedisCluster starts a Redis Cluster of three masters with a replica each for one test, which may do with the nodes what it
// likes. It takes some two seconds.
func RedisCluster(t testing.TB) *servers.RedisCluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	cluster, err := servers.StartRedisCluster(ctx, servers.RedisClusterOptions{
		Dir: filepath.Join(t.TempDir(), "cluster"), Masters: 3, Settings: map[string]string{"cluster-node-timeout": nodeTimeout},
	})
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	t.Cleanup(func() {
		if err := cluster.Kill(); err != nil {
			t.Errorf("testenv: %v", err)
		}
	})
	return cluster
}
