package nemesis

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/redis/go-redis/v9"

	"github.com/theeye-dev/theeye/hack/chaos/world"
)

// redisFaults are about Redis.
func redisFaults() []Fault {
	return []Fault{
		{Name: "kill-redis", On: Redis, Do: killRedis},
		{Name: "kill-redis-busy-disk", On: Redis, Do: killRedisBusy},
		{Name: powerLossRedis, On: Redis, Do: loseRedisPower},
		{Name: "freeze-redis", On: Redis, Do: freezeRedis},
		{Name: "restart-redis", On: Redis, Do: restartRedis},
		{Name: "redis-out-of-memory", On: Redis, Do: outOfMemory},
		{
			Name: "redis-disk-full", On: Redis, Do: diskFull,
			Needs: func(w *world.World) bool { return w.DiskDir != "" },
		},
	}
}

// killRedis ends Redis by SIGKILL and starts it again after a while.
func killRedis(ctx context.Context, s *Strike) (string, error) {
	pid := s.World.Redis.PID()
	if err := s.World.Redis.Kill(); err != nil {
		return "", err //nolint:wrapcheck // says which process
	}
	pause(ctx, s.Hold/2)
	return fmt.Sprintf("process %d killed", pid), s.World.Redis.Restart(ctx) //nolint:wrapcheck // says what
}

// powerLossRedis is a kill by another name: what was not synced goes with the process.
const powerLossRedis = "redis-power-loss"

// loseRedisPower ends Redis as a power cut does, and starts it again after a while.
func loseRedisPower(ctx context.Context, s *Strike) (string, error) {
	pid := s.World.Redis.PID()
	lost, err := s.World.CutRedisPower(ctx)
	if err != nil {
		return "", err //nolint:wrapcheck // says what
	}
	pause(ctx, s.Hold/2)
	return fmt.Sprintf("process %d lost power, and %d bytes that it had not synced", pid, lost), s.World.Redis.Restart(ctx) //nolint:wrapcheck // says what
}

// killRedisBusy kills Redis while its disk has much to do: what it has not yet written is the most then.
func killRedisBusy(ctx context.Context, s *Strike) (string, error) {
	busy, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- occupy(busy, s.World.RedisDir()) }()
	pause(ctx, s.Hold)
	effect, err := killRedis(ctx, s)
	stop()
	return effect + " on a busy disk", errors.Join(err, <-done)
}

// occupied is how much is written between two fsyncs: enough to keep a disk for a moment.
const occupied = 32 << 20

// occupy writes and syncs a file until the context ends.
func occupy(ctx context.Context, dir string) error {
	path := filepath.Join(dir, "busy")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("occupy the disk: %w", err)
	}
	defer func() { _, _ = file.Close(), os.Remove(path) }()
	for block := make([]byte, occupied); ctx.Err() == nil; {
		if _, err := file.WriteAt(block, 0); err != nil {
			return fmt.Errorf("occupy the disk: %w", err)
		}
		if err := file.Sync(); err != nil {
			return fmt.Errorf("occupy the disk: %w", err)
		}
	}
	return nil
}

// freezeRedis stops Redis for a while: what it was sent it carries out afterwards, when nobody waits any more.
func freezeRedis(ctx context.Context, s *Strike) (string, error) {
	if err := s.World.Redis.Signal(syscall.SIGSTOP); err != nil {
		return "", err //nolint:wrapcheck // says which process
	}
	pause(ctx, s.Hold)
	if err := s.World.Redis.Signal(syscall.SIGCONT); err != nil {
		return "", err //nolint:wrapcheck // says which process
	}
	return fmt.Sprintf("process %d stood still", s.World.Redis.PID()), nil
}

// restartRedis stops Redis in order and starts it again.
func restartRedis(ctx context.Context, s *Strike) (string, error) {
	if err := s.World.Redis.Restart(ctx); err != nil {
		return "", err //nolint:wrapcheck // says what
	}
	return fmt.Sprintf("process %d", s.World.Redis.PID()), nil
}

// outOfMemory takes Redis' memory away: it refuses to write, and still lets what is there be read and acknowledged.
func outOfMemory(ctx context.Context, s *Strike) (string, error) {
	client := s.World.Client()
	before, err := refusals(ctx, client)
	if err != nil {
		return "", err
	}
	if err := client.ConfigSet(ctx, "maxmemory", "1mb").Err(); err != nil {
		return "", fmt.Errorf("take memory away: %w", err)
	}
	pause(ctx, s.Hold)
	after, err := refusals(ctx, client)
	if err := errors.Join(err, client.ConfigSet(ctx, "maxmemory", "0").Err()); err != nil {
		return "", fmt.Errorf("give memory back: %w", err)
	}
	if after <= before {
		return "", nil
	}
	return fmt.Sprintf("%d commands refused", after-before), nil
}

// refusals is how many commands Redis has refused for want of memory.
func refusals(ctx context.Context, client *redis.Client) (int, error) {
	info, err := client.Info(ctx, "errorstats").Result()
	if err != nil {
		return 0, fmt.Errorf("read errors of Redis: %w", err)
	}
	_, rest, found := strings.Cut(info, "errorstat_OOM:count=")
	if !found {
		return 0, nil
	}
	digits, _, _ := strings.Cut(rest, "\r")
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0, fmt.Errorf("read errors of Redis: %w", err)
	}
	return n, nil
}

// diskFull leaves nothing free where Redis writes its log. It then ends, for it could not keep what it would acknowledge;
// it is started again when there is room.
func diskFull(ctx context.Context, s *Strike) (string, error) {
	process := s.World.Redis.Process
	free, err := s.World.FillDisk()
	if err != nil {
		return "", err //nolint:wrapcheck // says what
	}
	pause(ctx, s.Hold)
	effect := ""
	select {
	case <-process.Done():
		effect = fmt.Sprintf("process %d ended: %v", process.PID(), process.Err())
	default:
	}
	if err := free(); err != nil {
		return "", fmt.Errorf("free the disk: %w", err)
	}
	return effect, s.World.Redis.Restart(ctx) //nolint:wrapcheck // says what
}
