package failover

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/theeye-dev/theeye/hack/chaos/world"
)

// Setting is how an installation is set up, and what becomes of its server.
type Setting struct {
	Name string
	Why  string // for people
	// Redis fails over; else PostgreSQL.
	Redis bool
	// Partition is how long the server goes on alone, cut off from who follows it, before that one takes over; 0: it is
	// killed.
	Partition time.Duration
	// Synchronous has commits of PostgreSQL wait for the standby.
	Synchronous   bool
	RedisSettings map[string]string
	Args          map[world.Kind][]string
	// Lossless settings must lose nothing.
	Lossless bool
}

const (
	// partition is longer than replicas may lag where that is limited, and than clients wait for an answer.
	partition = 8 * time.Second
	// longPartition is longer than a statement of the services may take (15 s): whoever waits for the standby gives up.
	longPartition = 20 * time.Second
)

// Settings are those that are measured.
func Settings() []Setting {
	replicas := map[string]string{"min-replicas-to-write": "1", "min-replicas-max-lag": "2"}
	wait := map[world.Kind][]string{world.Ingest: {"--redis-replicas=1"}}
	tail := map[world.Kind][]string{world.Persistence: {"--tail=10m"}}
	return []Setting{
		{Name: "redis-kill", Why: "a replica of Redis that is written to afterwards", Redis: true},
		{Name: "redis-partition", Why: "the same, cut off", Redis: true, Partition: partition},
		{Name: "redis-min-replicas-kill", Why: "min-replicas-to-write 1, min-replicas-max-lag 2", Redis: true, RedisSettings: replicas},
		{Name: "redis-min-replicas-partition", Why: "the same, cut off", Redis: true, RedisSettings: replicas, Partition: partition},
		{Name: "redis-wait-kill", Why: "ingest --redis-replicas=1", Redis: true, Args: wait, Lossless: true},
		{Name: "redis-wait-partition", Why: "the same, cut off", Redis: true, Args: wait, Partition: partition, Lossless: true},
		{Name: "postgres-kill", Why: "a standby that streams"},
		{Name: "postgres-partition", Why: "the same, cut off", Partition: partition},
		{Name: "postgres-tail-kill", Why: "persistence --tail=10m", Args: tail, Lossless: true},
		{Name: "postgres-tail-partition", Why: "the same, cut off", Args: tail, Partition: partition, Lossless: true},
		{Name: "postgres-synchronous-kill", Why: "synchronous_standby_names = '*'", Synchronous: true, Lossless: true},
		{Name: "postgres-synchronous-partition", Why: "the same, cut off for longer than a statement may take", Synchronous: true, Partition: longPartition, Lossless: true},
	}
}

// Choose returns the settings that are named; all is a name, too.
func Choose(names string) (chosen []Setting, err error) {
	if names == "all" {
		return Settings(), nil
	}
	for name := range strings.SplitSeq(names, ",") {
		at := slices.IndexFunc(Settings(), func(s Setting) bool { return s.Name == name })
		if at < 0 {
			return nil, fmt.Errorf("there is no setting %q", name)
		}
		chosen = append(chosen, Settings()[at])
	}
	return chosen, nil
}
