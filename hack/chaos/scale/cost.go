package scale

import (
	"time"

	"github.com/theeye-dev/theeye/hack/bench/proc"
	"github.com/theeye-dev/theeye/hack/chaos/world"
)

// The servers, beside the kinds of services, whose CPU time is told.
const (
	Redis    = "redis"
	Postgres = "postgres"
)

// cpuOf is the CPU time of a process and its children.
func cpuOf(pid int) (cpu time.Duration, err error) {
	all, err := proc.All()
	for _, p := range proc.Tree(pid, all) {
		cpu += p.CPU
	}
	return cpu, err //nolint:wrapcheck // says what
}

// spent is the CPU time of everything that runs so far, by kind. A process that has ended takes its own with it.
func spent(w *world.World) (map[string]time.Duration, error) {
	all, err := proc.All()
	if err != nil {
		return nil, err //nolint:wrapcheck // says what
	}
	cpu := map[string]time.Duration{}
	add := func(kind string, pid int) {
		for _, p := range proc.Tree(pid, all) {
			cpu[kind] += p.CPU
		}
	}
	for _, s := range w.Running() {
		add(string(s.Kind), s.PID())
	}
	add(Postgres, w.Postgres.PID())
	if w.Redis != nil {
		add(Redis, w.Redis.PID())
		return cpu, nil
	}
	for _, node := range w.Cluster.Nodes {
		add(Redis, node.PID())
	}
	return cpu, nil
}

// consumed is the metric of entries that a replica of persistence has stored and acknowledged.
const consumed = "messaging_client_consumed_messages_total"

// shares of the entries that each replica stored.
func shares(counters *world.Counters, replicas []*world.Service) []float64 {
	all := make([]float64, len(replicas))
	total := counters.Sum(consumed)
	for i, s := range replicas {
		all[i] = counters.SumOf(s, consumed) / max(1, total)
	}
	return all
}
