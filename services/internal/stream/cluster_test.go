package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/hack/servers"
)

// TestClusterClientRepeatsNothing freezes a master until the client's patience is over: what it was sent it does
// afterwards, as often as it was sent.
func TestClusterClientRepeatsNothing(t *testing.T) {
	t.Parallel()
	f := newClusterFixture(t)
	script := redis.NewScript(`return redis.call('INCRBY', KEYS[1], 1)`)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	const alone, piped, stream = "{0}:alone", "{0}:piped", "theeye:events:{0}"
	for _, key := range []string{alone, piped} {
		f.must(script.Run(ctx, f.client, []string{key}).Err())
	}
	f.must(f.client.XGroupCreateMkStream(ctx, stream, "g", "0").Err())
	for _, node := range f.cluster.Nodes { // nobody is given up meanwhile
		f.must(node.Client.ConfigSet(ctx, "cluster-node-timeout", "600000").Err())
	}
	var wg sync.WaitGroup
	for range 16 { // connections, so that nothing has to wait for a new one
		wg.Go(func() {
			f.client.XRead(ctx, &redis.XReadArgs{Streams: []string{stream, "$"}, Block: 200 * time.Millisecond})
		})
	}
	wg.Wait()
	master, _, _ := f.master(stream)
	f.must(master.Signal(syscall.SIGSTOP))
	for name, do := range map[string]func() error{
		"EVALSHA": func() error { return script.EvalSha(ctx, f.client, []string{alone}).Err() },
		"a pipeline": func() error {
			_, err := f.client.Pipelined(ctx, func(p redis.Pipeliner) error {
				script.EvalSha(ctx, p, []string{piped})
				return nil
			})
			return err
		},
		"XADD": func() error {
			return f.client.XAdd(ctx, &redis.XAddArgs{Stream: stream, Values: []any{"a", "b"}}).Err()
		},
	} {
		wg.Go(func() {
			if err := do(); err == nil || isAnswer(err) {
				t.Errorf("%s: answered %v by who stands still", name, err)
			}
		})
	}
	wg.Wait()
	f.must(master.Signal(syscall.SIGCONT))
	f.await("what was sent", func() bool { return f.client.XLen(ctx, stream).Val() > 0 })
	f.await("an answer", func() bool { return f.client.Ping(ctx).Err() == nil })
	n, one, other := f.client.XLen(ctx, stream).Val(), f.client.Get(ctx, alone).Val(), f.client.Get(ctx, piped).Val()
	if n != 1 || one != "2" || other != "2" {
		t.Errorf("%d entries; scripts ran %s and %s times, want 1, 2 and 2", n, one, other)
	}
}

// TestAClusterGoesOnWithoutAMaster: who appends goes round a master that is away, who reads reads the others' streams, and
// trims them. Afterwards nothing is missing.
func TestAClusterGoesOnWithoutAMaster(t *testing.T) {
	t.Parallel()
	f := newClusterFixture(t)
	c := f.consumer("replica")
	var mu sync.Mutex
	var got []string
	go func() {
		for {
			select {
			case h := <-c.handed:
				mu.Lock()
				got = append(got, h.batches()...)
				mu.Unlock()
				h.answer <- nil
			case <-t.Context().Done():
				return
			}
		}
	}()
	seen := func(want ...string) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			return !slices.ContainsFunc(want, func(w string) bool { return !slices.Contains(got, w) })
		}
	}
	p := f.producer(partitionsOfCluster)
	start(t, p.Run)
	var want []string
	say := func(text string, times int) {
		t.Helper()
		for i := range times {
			want = append(want, fmt.Sprintf("%s %02d", text, i))
			if err := p.Publish(t.Context(), []byte(want[len(want)-1]), ""); err != nil {
				t.Fatalf("%s %d: %v", text, i, err)
			}
		}
		f.await(text, seen(want...))
	}
	say("whole", partitionsOfCluster)
	dead, its, others := f.master(f.expendable())
	f.must(dead.Redis.Kill())
	begin := time.Now()
	say("without "+dead.Name, 4*partitionsOfCluster)
	if took := time.Since(begin); took > restTime {
		t.Errorf("%d entries took %s without %s", 4*partitionsOfCluster, took, dead.Name)
	}
	k, err := NewKeeper(f.open(), partitionsOfCluster, f.log(), newMeter(t).provider.Meter(""))
	f.must(err)
	if err := k.Keep(t.Context()); err == nil {
		t.Error("everything was measured")
	}
	for _, key := range others {
		f.await("trimmed streams", func() bool {
			_ = k.Keep(t.Context())
			return f.client.XLen(t.Context(), key).Val() == 0
		})
	}
	f.must(dead.Restart(t.Context()))
	say("whole again", 4*partitionsOfCluster)
	f.await("entries where none were", func() bool {
		say("and on", partitionsOfCluster)
		info, err := f.client.XInfoStream(t.Context(), its[0]).Result()
		return err == nil && info.EntriesAdded > 1
	})
	mu.Lock()
	defer mu.Unlock()
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(slices.Compact(want), slices.Compact(got)); diff != "" {
		t.Errorf("entries (-appended +read):\n%s", diff)
	}
}

// TestEveryNodeOfAClusterIsAsked for its settings: a replica may take over. One that is away keeps nobody from working.
func TestEveryNodeOfAClusterIsAsked(t *testing.T) {
	t.Parallel()
	f := newClusterFixture(t)
	f.must(CheckDurability(t.Context(), f.client, Strict))
	replica, dead := f.cluster.Nodes[3], f.cluster.Nodes[1]
	f.must(dead.Redis.Kill())
	f.must(CheckDurability(t.Context(), f.client, Strict))
	f.must(replica.Client.ConfigSet(t.Context(), "appendfsync", "everysec").Err())
	f.must(f.client.Set(t.Context(), "{"+f.keyOf(f.cluster.Nodes[0])+"}", "x", 0).Err()) // a replica without anything is not named
	f.await("the verdict on an unsafe replica", func() bool {
		err := CheckDurability(t.Context(), f.client, Strict)
		return errors.Is(err, ErrUnsafe) && strings.Contains(err.Error(), "appendfsync")
	})
}

// TestASlotMovesWhileEventsFlow moves a stream with its group and what is pending in it, and stays half way for a while.
func TestASlotMovesWhileEventsFlow(t *testing.T) {
	t.Parallel()
	f := newClusterFixture(t)
	c := f.consumer("replica")
	p := f.producer(partitionsOfCluster)
	start(t, p.Run)
	key := event.StreamKey(0)
	from, _, others := f.master(key)
	target, err := f.cluster.SlotOf(t.Context(), others[0])
	f.must(err)
	var published []string
	publishAll := func(text string) {
		t.Helper()
		for i := range 2 * partitionsOfCluster {
			published = append(published, fmt.Sprintf("%s %02d", text, i))
			f.must(p.Publish(t.Context(), []byte(published[len(published)-1]), ""))
		}
	}
	publishAll("before")
	inHand := receive(t, "entries", c.handed)
	keys, err := f.cluster.Move(t.Context(), key, target.Master, func() {
		publishAll("meanwhile")
		if n := target.Master.Client.Do(t.Context(), "CLUSTER", "COUNTKEYSINSLOT", f.slot(key)).Val(); n != int64(1) {
			t.Errorf("%v keys are there half way", n)
		}
	})
	f.must(err)
	if moved, _, _ := f.master(key); keys != 1 || moved != target.Master || moved == from {
		t.Errorf("%d keys are now at %s, want %s", keys, moved.Name, target.Master.Name)
	}
	publishAll("after")
	got := inHand.batches()
	inHand.answer <- nil
	done := map[string]bool{}
	for len(done) < len(published) {
		for _, b := range got {
			done[b] = true
		}
		if len(done) == len(published) {
			break
		}
		h := receive(t, "the rest", c.handed)
		got = h.batches()
		h.answer <- nil
	}
	f.await("acknowledgements", func() bool {
		n := 0
		for i := range partitionsOfCluster {
			n += f.pending(event.StreamKey(i), event.PersistenceGroup)
		}
		return n == 0
	})
	for _, b := range published {
		if !done[b] {
			t.Errorf("%s is missing", b)
		}
	}
}

// TestAReplicaTakesOver in order: what was delivered and not acknowledged comes again from there.
func TestAReplicaTakesOver(t *testing.T) {
	t.Parallel()
	f := newClusterFixture(t)
	key := event.StreamKey(0)
	f.must(createGroups(t.Context(), f.client, event.PersistenceGroup, []string{key}))
	f.add(key, "*", "pending")
	f.readAs("replica")
	f.add(key, "*", "waits")
	master, _, _ := f.master(key)
	replica := f.cluster.ReplicaOf(t.Context(), master)
	f.must(replica.Client.ClusterFailover(t.Context()).Err())
	f.await("another master", func() bool {
		slot, err := f.cluster.SlotOf(t.Context(), key)
		return err == nil && slot.Master == replica
	})
	c := f.consumer("replica")
	got := map[string]int{}
	for len(got) < 2 {
		h := receive(t, "entries", c.handed)
		for _, b := range h.batches() {
			got[b]++
		}
		h.answer <- nil
	}
	f.await("acknowledgements", func() bool { return f.pending(key, event.PersistenceGroup) == 0 })
	if n := c.meter.value("theeye.redeliveries"); n < 1 {
		t.Errorf("%v redeliveries counted", n)
	}
}

// TestReplicasHaveWhatWasAnswered freezes the replica of one master, which then gets nothing, and of all, with which nothing
// is accepted.
func TestReplicasHaveWhatWasAnswered(t *testing.T) {
	t.Parallel()
	f := newClusterFixture(t)
	p := f.producer(partitionsOfCluster)
	p.RequireReplicas(1)
	start(t, p.Run)
	publish := func() (err error) {
		for range 2 * partitionsOfCluster {
			err = errors.Join(err, p.Publish(t.Context(), []byte("x"), ""))
		}
		return err
	}
	signal := func(s syscall.Signal, nodes ...*servers.ClusterNode) {
		t.Helper()
		for _, node := range nodes {
			f.must(node.Signal(s))
		}
	}
	f.must(publish())
	master, its, _ := f.master(f.expendable())
	replica := f.cluster.ReplicaOf(t.Context(), master)
	before := f.lengths(its)
	signal(syscall.SIGSTOP, replica)
	f.must(publish())
	if n := f.lengths(its) - before; n > 1 { // the one after which its streams rest
		t.Errorf("%d entries were appended to %v, of which no replica has anything", n, its)
	}
	replicas := f.cluster.Nodes[len(f.cluster.Nodes)/2:]
	signal(syscall.SIGSTOP, replicas...)
	if err := p.Publish(t.Context(), []byte("y"), ""); !errors.Is(err, ErrUnavailable) {
		t.Errorf("without any replica: %v", err)
	}
	signal(syscall.SIGCONT, replicas...)
	f.await("a replica", func() bool { return p.Publish(t.Context(), []byte("z"), "") == nil })
}
