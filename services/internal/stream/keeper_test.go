package stream

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/theeye-dev/theeye/api/event"
)

// keeper returns a Keeper of n partitions. Redis keeps entries in nodes and trims whole ones: here nodes of one entry.
func (f *fixture) keeper(n int) (*Keeper, *meter) {
	f.Helper()
	f.set("stream-node-max-entries", "1")
	m := newMeter(f)
	k, err := NewKeeper(f.client, n, f.log(), m.provider.Meter(""))
	if err != nil {
		f.Fatal(err)
	}
	return k, m
}

func (f *fixture) keep(k *Keeper) Backlog {
	f.Helper()
	if err := k.Keep(f.Context()); err != nil {
		f.Fatal(err)
	}
	return k.Backlog()
}

// ids returns what is in a stream.
func (f *fixture) ids(key string) (ids []string) {
	f.Helper()
	messages, err := f.client.XRange(f.Context(), key, "-", "+").Result()
	if err != nil {
		f.Fatal(err)
	}
	for _, m := range messages {
		ids = append(ids, m.ID)
	}
	return ids
}

// read gives a group's consumer up to count new entries of stream0.
func (f *fixture) read(group string, count int64) (ids []string) {
	f.Helper()
	read, err := f.client.XReadGroup(f.Context(), &redis.XReadGroupArgs{
		Group: group, Consumer: "c", Streams: []string{stream0, ">"}, Count: count, Block: -1,
	}).Result()
	if errors.Is(err, redis.Nil) {
		return nil
	}
	if err != nil {
		f.Fatal(err)
	}
	for _, m := range read[0].Messages {
		ids = append(ids, m.ID)
	}
	return ids
}

func (f *fixture) ack(group string, ids ...string) {
	f.Helper()
	if n, err := f.client.XAck(f.Context(), stream0, group, ids...).Result(); err != nil || int(n) != len(ids) {
		f.Fatalf("%d of %d acknowledged, %v", n, len(ids), err)
	}
}

// TestTrimStory takes five entries through two groups.
func TestTrimStory(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	k, _ := f.keeper(1)
	const mine, other = event.PersistenceGroup, "other"
	for i := range 5 {
		f.add(stream0, fmt.Sprintf("1000-%d", i+1), "x")
	}
	for _, step := range []struct {
		name string
		do   func()
		left string // sequence numbers
		want Backlog
	}{
		{"no group", func() {}, "12345", Backlog{Pending: 0, Length: 5}},
		{"a group that is not required", func() { f.group(other) }, "12345", Backlog{Length: 5}},
		{"the other stores all", func() { f.ack(other, f.read(other, 5)...) }, "12345", Backlog{Length: 5}},
		{"the required group, undelivered", func() { f.group(mine) }, "12345", Backlog{Length: 5}},
		{"delivered", func() { f.read(mine, 3) }, "12345", Backlog{Pending: 3, Length: 5}},
		{"acknowledged behind a pending one", func() { f.ack(mine, "1000-2", "1000-3") }, "12345", Backlog{Pending: 1, Length: 5}},
		{"acknowledged", func() { f.ack(mine, "1000-1") }, "45", Backlog{Length: 2}},
		{"the last delivered", func() { f.read(mine, 2) }, "45", Backlog{Pending: 2, Length: 2}},
		{"the last acknowledged", func() { f.ack(mine, "1000-5", "1000-4") }, "", Backlog{}},
		{"again", func() {}, "", Backlog{}},
		{"a group made later", func() { f.group("third"); f.add(stream0, "1000-6", "x"); f.ack(mine, f.read(mine, 1)...) }, "6", Backlog{Length: 1}},
		{"and read by the other", func() { f.read(other, 1) }, "6", Backlog{Pending: 1, Length: 1}},
		{"only the third has not", func() { f.ack(other, "1000-6") }, "6", Backlog{Length: 1}},
		{"all have", func() { f.ack("third", f.read("third", 1)...) }, "", Backlog{}},
	} {
		step.do()
		got := f.keep(k)
		var left strings.Builder
		for _, id := range f.ids(stream0) {
			left.WriteString(strings.TrimPrefix(id, "1000-"))
		}
		if left.String() != step.left {
			t.Errorf("%s: %q left, want %q", step.name, left.String(), step.left)
		}
		if age := time.Since(time.UnixMilli(1000)) - got.OldestAge; step.left == "" && got.OldestAge != 0 ||
			step.left != "" && (age < -time.Minute || age > time.Minute) {
			t.Errorf("%s: oldest age %s", step.name, got.OldestAge)
		}
		got.OldestAge = 0
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}
}

func (f *fixture) group(name string) {
	f.Helper()
	if err := createGroups(f.Context(), f.client, name, []string{stream0}); err != nil {
		f.Fatal(err)
	}
}

// TestNothingUnacknowledgedVanishes lets two groups read and acknowledge at random, with a Keeper between them.
func TestNothingUnacknowledgedVanishes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	k, _ := f.keeper(1)
	f.set("stream-node-max-entries", "3") // so that nodes hold entries of both kinds
	groups := []string{event.PersistenceGroup, "other"}
	const rounds, steps = 8, 60
	for seed := range uint64(rounds) {
		random := rand.New(rand.NewPCG(seed, 1))
		f.client.FlushAll(t.Context())
		owed := map[string]map[string]bool{} // group → ids that it has not acknowledged
		delivered := map[string][]string{}
		for _, g := range groups {
			f.group(g)
			owed[g] = map[string]bool{}
		}
		for range steps {
			g := groups[random.IntN(2)]
			switch random.IntN(4) {
			case 0:
				for range random.IntN(6) {
					id := f.add(stream0, "*", "x")
					owed[groups[0]][id], owed[groups[1]][id] = true, true
				}
			case 1:
				delivered[g] = append(delivered[g], f.read(g, int64(1+random.IntN(5)))...)
			case 2:
				for range random.IntN(5) {
					if n := len(delivered[g]); n > 0 {
						i := random.IntN(n)
						f.ack(g, delivered[g][i])
						delete(owed[g], delivered[g][i])
						delivered[g] = slices.Delete(delivered[g], i, i+1)
					}
				}
			case 3:
				got := f.keep(k)
				ids := f.ids(stream0)
				for _, g := range groups {
					for id := range owed[g] {
						if !slices.Contains(ids, id) {
							t.Fatalf("seed %d: %s has vanished before %s had acknowledged it", seed, id, g)
						}
					}
				}
				pending := len(delivered[groups[0]]) + len(delivered[groups[1]])
				if int(got.Pending) != pending || int(got.Length) != len(ids) || (got.OldestAge > 0) && len(owed[groups[0]])+len(owed[groups[1]]) == 0 {
					t.Fatalf("seed %d: backlog %+v of %d pending, %d entries", seed, got, pending, len(ids))
				}
			}
		}
		for _, g := range groups {
			f.read(g, 1000)
			if ids := slices.Collect(maps.Keys(owed[g])); len(ids) > 0 {
				f.ack(g, ids...)
			}
		}
		if got := f.keep(k); got != (Backlog{}) {
			t.Errorf("seed %d: %+v is left after all was acknowledged", seed, got)
		}
	}
}

// TestKeeperRun measures several partitions, shows them as metrics, and outlives Redis.
func TestKeeperRun(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	k, m := f.keeper(3)
	hour := time.Now().Add(-time.Hour).UnixMilli()
	f.group(event.PersistenceGroup)
	f.add(stream0, "*", "x")
	f.add(stream0, "*", "y")
	f.read(event.PersistenceGroup, 2)
	f.add(stream1, fmt.Sprint(hour), "of a stream that has no group")
	start(t, k.Run)
	f.await("a measurement", func() bool { return k.Backlog().Length == 3 })
	if b := k.Backlog(); b.Pending != 2 || b.OldestAge < time.Hour || b.OldestAge > 2*time.Hour {
		t.Errorf("backlog %+v", b)
	}
	for name, want := range map[string]float64{"theeye.pending_entries": 2, "theeye.stream_entries": 3} {
		if got := m.value(name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if got := m.value("theeye.oldest_unpersisted"); got < 3600 || got > 7200 {
		t.Errorf("theeye.oldest_unpersisted is %v", got)
	}
	if err := f.server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.add(stream1, "*", "z")
	f.await("a measurement after a restart", func() bool { return k.Backlog().Length == 4 })
}
