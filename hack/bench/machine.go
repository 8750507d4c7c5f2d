package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"time"

	"github.com/theeye-dev/theeye/hack/bench/build"
	"github.com/theeye-dev/theeye/hack/bench/proc"
)

// machine is where the figures are from; without it they mean nothing.
type machine struct {
	Time        time.Time     `json:"time"`
	Commit      string        `json:"commit"` // of the repository, with -dirty when files differ from it
	Cores       int           `json:"cores"`
	CPU         string        `json:"cpu"`
	MemoryMiB   float64       `json:"memory_mib"`
	Kernel      string        `json:"kernel"`
	Go          string        `json:"go"`
	Redis       string        `json:"redis"`
	Postgres    string        `json:"postgres"`
	Durability  string        `json:"durability"` // as the servers themselves say
	Connections int           `json:"connections"`
	EventBytes  int           `json:"event_bytes"`
	Rounds      int           `json:"rounds"`
	Duration    time.Duration `json:"duration_ns"`
	Profiled    bool          `json:"profiled,omitempty"`
}

// inspectMachine asks the machine, and servers that are started for it and as those of the rounds.
func inspectMachine(ctx context.Context, c *config) (m machine, err error) {
	m = machine{
		Time: time.Now().UTC().Truncate(time.Second), Cores: runtime.NumCPU(), CPU: proc.CPUModel(),
		Kernel: proc.Kernel(), Go: runtime.Version(), Commit: build.Commit(ctx),
		Connections: c.connections, EventBytes: eventBytes, Rounds: c.rounds, Duration: c.duration, Profiled: c.profiles != "",
		MemoryMiB: mebibytes(proc.TotalMemory()),
	}
	b, err := startBackend(ctx, filepath.Join(c.dir, "inspect"))
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, b.stop(ctx)) }()
	return m, m.askServers(ctx, b)
}

func (m *machine) askServers(ctx context.Context, b *backend) error {
	info, err := b.client.InfoMap(ctx, "server").Result()
	if err != nil {
		return fmt.Errorf("ask Redis: %w", err)
	}
	m.Redis = info["Server"]["redis_version"]
	settings, err := b.client.ConfigGet(ctx, "append*").Result()
	if err != nil {
		return fmt.Errorf("ask Redis: %w", err)
	}
	if settings["appendonly"] != "yes" || settings["appendfsync"] != "always" {
		return fmt.Errorf("redis runs with appendonly %s, appendfsync %s: that is not what is to be measured",
			settings["appendonly"], settings["appendfsync"])
	}
	var fsync, commit, pages string
	err = b.conn.QueryRow(ctx, `SELECT current_setting('server_version'), current_setting('fsync'),
		current_setting('synchronous_commit'), current_setting('full_page_writes')`).Scan(&m.Postgres, &fsync, &commit, &pages)
	if err != nil {
		return fmt.Errorf("ask PostgreSQL: %w", err)
	}
	if fsync != "on" || commit != "on" {
		return fmt.Errorf("postgres runs with fsync %s, synchronous_commit %s: that is not what is to be measured", fsync, commit)
	}
	m.Durability = fmt.Sprintf("Redis appendonly yes, appendfsync always; PostgreSQL fsync %s, synchronous_commit %s, full_page_writes %s",
		fsync, commit, pages)
	return nil
}
