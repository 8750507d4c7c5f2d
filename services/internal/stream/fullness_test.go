package stream

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// shows are the names of what a meter shows now.
func (m *meter) shows() (names []string) {
	m.Helper()
	var collected metricdata.ResourceMetrics
	if err := m.reader.Collect(m.Context(), &collected); err != nil {
		m.Fatal(err)
	}
	for _, scope := range collected.ScopeMetrics {
		for _, metric := range scope.Metrics {
			names = append(names, metric.Name)
		}
	}
	return names
}

// How full Redis is shows as soon as it has a limit, and only then.
func TestKeeperTellsHowFullRedisIs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	k, m := f.keeper(1)
	const name = "theeye.redis.memory"
	f.keep(k)
	if slices.Contains(m.shows(), name) {
		t.Error("a Redis without a limit is full to some part")
	}
	f.set("maxmemory", "100mb")
	for range 50 {
		f.add(stream0, "*", strings.Repeat("x", 1<<20))
	}
	f.keep(k)
	if got := m.value(name); got < .5 || got > .9 {
		t.Errorf("half of what it may hold, and some, shows as %v", got)
	}
	if err := f.client.Do(t.Context(), "ACL", "SETUSER", "default", "-info").Err(); err != nil {
		t.Fatal(err)
	}
	f.keep(k)
	if shown := m.shows(); slices.Contains(shown, name) || !slices.Contains(shown, "theeye.oldest_unpersisted") {
		t.Errorf("without the right to ask shows %v", shown)
	}
}

// An old measurement is none: nobody can tell then how old the oldest event is.
func TestKeeperShowsNothingOld(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	k, m := f.keeper(1)
	var later atomic.Int64
	k.now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	if shown := m.shows(); len(shown) > 0 {
		t.Errorf("before the first measurement shows %v", shown)
	}
	f.add(stream0, fmt.Sprint(time.Now().Add(-time.Hour).UnixMilli()), "x")
	f.keep(k)
	for _, step := range []struct {
		after time.Duration
		shows int
	}{{keepFor - time.Second, 3}, {keepFor + time.Second, 0}} {
		later.Store(int64(step.after))
		if shown := m.shows(); len(shown) != step.shows {
			t.Errorf("%s later shows %v", step.after, shown)
		}
	}
}
