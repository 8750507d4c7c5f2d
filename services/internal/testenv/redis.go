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
