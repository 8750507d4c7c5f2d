package world

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/theeye-dev/theeye/hack/chaos/build"
	"github.com/theeye-dev/theeye/hack/servers"
)

// A power cut that takes too little catches nothing, and one that takes what was synced finds fault with a sound Redis.
func TestPowerCutTakesWhatWasNotSynced(t *testing.T) {
	t.Parallel()
	for setting, kept := range map[string]bool{"always": true, "no": false} {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
			defer cancel()
			w := &World{options: Options{Dir: t.TempDir(), Binaries: t.TempDir()}}
			if err := build.Synced(ctx, w.options.Binaries); err != nil {
				t.Fatal(err)
			}
			client := w.redisAlone(ctx, t, setting)
			const keys = 100
			for i := range keys {
				if err := client.Set(ctx, strconv.Itoa(i), "x", 0).Err(); err != nil {
					t.Fatal(err)
				}
			}
			lost, err := w.CutRedisPower(ctx)
			if err != nil || lost > 0 == kept {
				t.Errorf("%d bytes are gone, %v", lost, err)
			}
			if err := w.Redis.Restart(ctx); err != nil {
				t.Fatal(err)
			}
			if n := client.DBSize(ctx).Val(); n == keys != kept {
				t.Errorf("%d of %d keys are left", n, keys)
			}
		})
	}
}

func (w *World) redisAlone(ctx context.Context, t *testing.T, fsync string) *redis.Client {
	t.Helper()
	r, err := servers.StartRedis(ctx, servers.RedisOptions{
		Dir: w.RedisDir(), Env: w.noting(), Settings: map[string]string{"appendfsync": fsync},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Redis = r
	t.Cleanup(func() { _ = r.Kill() })
	options, err := redis.ParseURL(r.URL())
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func TestPowerCutNeedsNotes(t *testing.T) {
	t.Parallel()
	w := &World{options: Options{Dir: t.TempDir(), Binaries: t.TempDir()}} // nothing to preload
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	w.redisAlone(ctx, t, "always")
	if err := os.WriteFile(filepath.Join(w.options.Dir, "redis-synced"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := w.CutRedisPower(ctx); err == nil {
		t.Error("power was cut without knowing what was synced")
	}
}
