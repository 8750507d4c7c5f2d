package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/theeye-dev/theeye/api/event"
)

// TestWaitingRequestsShareAnEntry freezes Redis while requests come in, one after the other.
func TestWaitingRequestsShareAnEntry(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	sent := make(chan struct{}, 8)
	p := f.producer(1, appends(func(_ context.Context, send func() error) error {
		sent <- struct{}{}
		return send()
	}))
	start(t, p.Run)
	if err := p.Publish(t.Context(), []byte("first "), ""); err != nil {
		t.Fatal(err)
	}
	<-sent
	f.signal(syscall.SIGSTOP)
	want := []string{"first ", "alone ", ""}
	results := []<-chan error{publish(t.Context(), p, "alone ")}
	receive(t, "XADD", sent)
	for i := range 40 {
		payload := fmt.Sprintf("request %d ", i)
		want[2] += payload
		results = append(results, f.queued(t.Context(), p, i+1, payload))
	}
	f.signal(syscall.SIGCONT)
	for _, r := range results {
		if err := receive(t, "an answer", r); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff(want, f.batches(1)); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if n := p.queued.Load(); n != 0 {
		t.Errorf("%d bytes are counted as waiting", n)
	}
}

// TestLargeRequestsTravelAlone has them between small ones; none may be lost on the way.
func TestLargeRequestsTravelAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.producer(1)
	large := strings.Repeat("L", 3*maxEntryBytes/2)
	half := strings.Repeat("h", maxEntryBytes/2)
	var results []<-chan error
	for i, payload := range []string{"a", "b", large, "c", large, large, half, half, half} {
		results = append(results, f.queued(t.Context(), p, i+1, payload))
	}
	start(t, p.Run)
	for _, r := range results {
		if err := receive(t, "an answer", r); err != nil {
			t.Error(err)
		}
	}
	want := []string{"ab", large, "c", large, large, half + half, half}
	if got := f.batches(1); !slices.Equal(got, want) {
		t.Errorf("got %d entries, want %d", len(got), len(want))
		for _, e := range got {
			t.Logf("%.10s… %d bytes", e, len(e))
		}
	}
}

func TestOverloadIsAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for name, fill := range map[string]func(t *testing.T, p *Producer){
		"bytes": func(t *testing.T, p *Producer) {
			t.Helper()
			if err := p.Publish(gone, make([]byte, maxQueuedBytes-1), ""); !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		},
		"requests": func(t *testing.T, p *Producer) {
			t.Helper()
			for range maxQueued {
				if err := p.Publish(gone, nil, ""); !errors.Is(err, context.Canceled) {
					t.Fatal(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			p := f.producer(1)
			fill(t, p)
			if err := p.Publish(t.Context(), []byte("more"), ""); !errors.Is(err, ErrOverloaded) {
				t.Fatalf("got %v", err)
			}
			start(t, p.Run)
			await(t, "room in the queue", func() bool { return p.queued.Load() == 0 && len(p.queue) == 0 })
			if err := p.Publish(t.Context(), []byte("later"), ""); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"later"}, f.batches(1)); diff != "" {
				t.Errorf("abandoned requests were appended (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFullRedisRefusesAndHeals(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.producer(2)
	start(t, p.Run)
	f.set("maxmemory", "1")
	for range 2 { // before the streams exist, and after
		if err := p.Publish(t.Context(), []byte("no"), ""); !errors.Is(err, ErrRefused) || errors.Is(err, ErrUnavailable) {
			t.Fatalf("got %v, want ErrRefused", err)
		}
		f.set("maxmemory", "0")
		if err := p.Publish(t.Context(), []byte("yes"), ""); err != nil {
			t.Fatal(err)
		}
		f.set("maxmemory", "1")
	}
	if diff := cmp.Diff([]string{"yes", "yes"}, f.batches(2)); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

// TestRefusalAfterALostAnswer must not be told as "nothing was appended".
func TestRefusalAfterALostAnswer(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	attempts := 0
	p := f.producer(1, appends(func(_ context.Context, send func() error) error {
		err := send()
		if attempts++; attempts == 1 {
			f.client.ConfigSet(context.Background(), "maxmemory", "1")
			return io.EOF
		}
		return err
	}))
	start(t, p.Run)
	err := p.Publish(t.Context(), []byte("there"), "")
	if !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrRefused) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
	if diff := cmp.Diff([]string{"there"}, f.batches(1)); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

// TestLostAnswersAreRetried makes Redis append without its client ever learning it, in the ways that happen.
func TestLostAnswersAreRetried(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		// lose is called around the first XADD.
		lose     func(f *fixture, send func() error) error
		min, max int // entries
	}{
		"connection lost after": {func(_ *fixture, send func() error) error {
			_ = send()
			return io.ErrUnexpectedEOF
		}, 2, 2},
		"frozen beyond the time-out": {func(f *fixture, send func() error) error {
			f.signal(syscall.SIGSTOP)
			defer f.signal(syscall.SIGCONT)
			return send()
		}, 1, 2},
		"connection killed before": {func(f *fixture, send func() error) error {
			f.client.Do(context.Background(), "CLIENT", "PAUSE", "60000", "WRITE")
			err := make(chan error, 1)
			go func() { err <- send() }()
			f.await("a client that is held up", func() bool {
				return strings.Contains(f.client.Info(context.Background(), "clients").Val(), "blocked_clients:1")
			})
			f.client.Do(context.Background(), "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
			f.client.Do(context.Background(), "CLIENT", "UNPAUSE")
			return <-err
		}, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			var attempts atomic.Int32
			var lost error
			p := f.producer(1, appends(func(_ context.Context, send func() error) error {
				if attempts.Add(1) > 1 {
					return send()
				}
				lost = c.lose(f, send)
				return lost
			}))
			start(t, p.Run)
			if err := p.Publish(t.Context(), []byte("same bytes"), ""); err != nil {
				t.Fatal(err)
			}
			got := f.batches(1)
			if lost == nil || len(got) < c.min || len(got) > c.max {
				t.Errorf("%d entries after %v, want %d to %d", len(got), lost, c.min, c.max)
			}
			for _, batch := range got {
				if batch != "same bytes" {
					t.Errorf("entry has %q", batch)
				}
			}
		})
	}
}

func TestGoneCallersDisturbNobody(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	sent, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	p := f.producer(1, appends(func(_ context.Context, send func() error) error {
		once.Do(func() { close(sent); <-release })
		return send()
	}))
	start(t, p.Run)
	ctx, cancel := context.WithCancel(t.Context())
	sending := publish(ctx, p, "sending;")
	receive(t, "XADD", sent)
	before := f.queued(t.Context(), p, 1, "before;")
	waiting := f.queued(ctx, p, 2, "waiting;")
	after := f.queued(t.Context(), p, 3, "after;")
	cancel()
	for _, r := range []<-chan error{sending, waiting} {
		if err := receive(t, "the end of a gone caller", r); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
	close(release)
	for _, r := range []<-chan error{before, after} {
		if err := receive(t, "an answer", r); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff([]string{"sending;", "before;after;"}, f.batches(1)); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

// TestNobodyWaitsLongBehindADeadRedis has many more requests waiting than one entry holds.
func TestNobodyWaitsLongBehindADeadRedis(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var attempts atomic.Int32
	p := f.producer(1, appends(func(ctx context.Context, _ func() error) error {
		attempts.Add(1)
		<-ctx.Done()
		return ctx.Err()
	}))
	p.budget = 250 * time.Millisecond
	var results []<-chan error
	const requests = 20 // of which none share
	for i := range requests {
		results = append(results, f.queued(t.Context(), p, i+1, strings.Repeat("x", maxEntryBytes/2+1)))
	}
	start(t, p.Run)
	overloaded := 0
	for _, r := range results {
		switch err := receive(t, "an answer", r); {
		case errors.Is(err, ErrOverloaded):
			overloaded++
		case !errors.Is(err, ErrUnavailable):
			t.Errorf("got %v", err)
		}
	}
	if n := attempts.Load(); n > 3 || int(n)+overloaded != requests {
		t.Errorf("%d requests were tried one after the other, %d answered at once", n, overloaded)
	}
	if n := p.queued.Load(); n != 0 {
		t.Errorf("%d bytes are counted as waiting", n)
	}
}

func TestStopDrains(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.producer(1)
	var results []<-chan error
	for i, payload := range []string{"a", "b", strings.Repeat("c", maxEntryBytes), "d"} {
		results = append(results, f.queued(t.Context(), p, i+1, payload))
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Run(stopped); err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if err := receive(t, "an answer", r); err != nil {
			t.Error(err)
		}
	}
	if n := len(f.batches(1)); n != 3 {
		t.Errorf("%d entries", n)
	}
	if err := p.Publish(t.Context(), []byte("late"), ""); !errors.Is(err, ErrStopped) {
		t.Errorf("after stop: %v", err)
	}
	if n := len(f.batches(1)); n != 3 {
		t.Errorf("%d entries after stop", n)
	}
}

func TestProducerOutlivesRedis(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.producer(2)
	p.budget = patience // restarting may take longer than publishBudget on a loaded machine
	start(t, p.Run)
	var want []string
	for i := range 3 {
		payload := fmt.Sprint("life ", i)
		if err := p.Publish(t.Context(), []byte(payload), ""); err != nil {
			t.Fatal(err)
		}
		if err := f.server.Kill(); err != nil {
			t.Fatal(err)
		}
		meanwhile := publish(t.Context(), p, "meanwhile")
		if err := f.server.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := receive(t, "an answer", meanwhile); err != nil {
			t.Fatal(err)
		}
		want = append(want, payload, "meanwhile")
	}
	got := f.batches(2)
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

func TestUnavailableWithinTheBudget(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.producer(1)
	p.budget = 100 * time.Millisecond
	start(t, p.Run)
	if err := f.server.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := p.Publish(t.Context(), []byte("x"), ""); !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

// TestStreamsLost checks that a producer which lived through FLUSHALL follows what is recorded anew: entries elsewhere
// would be read by nobody.
func TestStreamsLost(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.producer(4)
	start(t, p.Run)
	if err := p.Publish(t.Context(), []byte("lost"), ""); err != nil {
		t.Fatal(err)
	}
	f.client.FlushAll(t.Context())
	if err := f.client.Set(t.Context(), event.PartitionsKey, 1, 0).Err(); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if err := p.Publish(t.Context(), []byte("found"), ""); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"found", "found", "found", "found"}, f.batches(4)); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	groups, err := f.client.XInfoGroups(t.Context(), event.StreamKey(0)).Result()
	if err != nil || len(groups) != 1 || groups[0].Name != event.PersistenceGroup || groups[0].LastDeliveredID != "0-0" {
		t.Errorf("groups %+v, %v", groups, err)
	}
}

func TestTracesTravel(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.producer(1)
	var wg sync.WaitGroup
	parent := func(i int) string { return fmt.Sprintf("00-%032x-%016x-01", i+1, i+1) }
	for i := range maxTraces + 2 {
		wg.Go(func() {
			if err := p.Publish(t.Context(), []byte("x"), parent(i)); err != nil {
				t.Error(err)
			}
		})
	}
	await(t, "all requests in the queue", func() bool { return len(p.queue) == maxTraces+2 })
	start(t, p.Run)
	wg.Wait()
	messages, err := f.client.XRange(t.Context(), event.StreamKey(0), "-", "+").Result()
	if err != nil || len(messages) != 1 {
		t.Fatalf("%d entries, %v", len(messages), err)
	}
	traces, _ := messages[0].Values[event.FieldTraces].(string)
	if n := len(links(traces)); n != maxTraces {
		t.Errorf("%d links", n)
	}
}

// TestManyCallers publishes from many goroutines while Redis is killed and connections die: every acknowledged payload
// must be there.
func TestManyCallers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.producer(3)
	p.budget = patience
	start(t, p.Run)
	const callers, each = 32, 20
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for i := range each {
				if err := p.Publish(t.Context(), fmt.Appendf(nil, "%d.%d;", caller, i), ""); err != nil {
					t.Error(err)
				}
			}
		})
	}
	await(t, "the first entries", func() bool { return f.client.XLen(t.Context(), event.StreamKey(1)).Val() > 0 })
	if err := f.server.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := f.server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	found := map[string]bool{}
	for _, batch := range f.batches(3) {
		for payload := range strings.SplitSeq(strings.TrimSuffix(batch, ";"), ";") {
			found[payload] = true
		}
	}
	if len(found) != callers*each {
		t.Errorf("%d of %d payloads", len(found), callers*each)
	}
}

func TestPartitionsAreRecordedOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, want := range []int{0, -1, maxPartitions + 1} {
		if keys, err := Partitions(t.Context(), f.client, want, f.log()); err == nil {
			t.Errorf("%d wanted: got %d", want, len(keys))
		}
	}
	for _, want := range []int{3, 8, 1, maxPartitions + 1} {
		keys, err := Partitions(t.Context(), f.client, want, f.log())
		if diff := cmp.Diff([]string{"theeye:events:{0}", "theeye:events:{1}", "theeye:events:{2}"}, keys); diff != "" {
			t.Errorf("%d wanted (-want +got), %v:\n%s", want, err, diff)
		}
	}
	for _, recorded := range []string{"0", "1025", "x", ""} {
		f.client.Set(t.Context(), event.PartitionsKey, recorded, 0)
		if keys, err := Partitions(t.Context(), f.client, 1, f.log()); err == nil {
			t.Errorf("%q recorded: got %d", recorded, len(keys))
		}
	}
}

func TestGroupsBeginAtTheBeginning(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	keys := []string{event.StreamKey(0), event.StreamKey(1)}
	id := f.add(keys[0], "*", "early")
	for range 2 {
		if err := createGroups(t.Context(), f.client, "g", keys); err != nil {
			t.Fatal(err)
		}
	}
	read, err := f.client.XReadGroup(t.Context(), &redis.XReadGroupArgs{
		Group: "g", Consumer: "c", Streams: []string{keys[0], keys[1], ">", ">"}, Block: -1,
	}).Result()
	if err != nil || len(read) != 1 || len(read[0].Messages) != 1 || read[0].Messages[0].ID != id {
		t.Errorf("read %v, %v", read, err)
	}
}
