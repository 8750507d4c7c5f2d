package stream

import (
	"errors"
	"strconv"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/theeye-dev/theeye/hack/servers"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// replica starts a replica of the fixture's Redis and waits until it follows.
func (f *fixture) replica() (*servers.Redis, *redis.Client) {
	f.Helper()
	r := testenv.RedisWith(f, map[string]string{"replicaof": "127.0.0.1 " + strconv.Itoa(f.server.Port())})
	options, err := redis.ParseURL(r.URL())
	if err != nil {
		f.Fatal(err)
	}
	client := redis.NewClient(options)
	f.Cleanup(func() { _ = client.Close() })
	f.await("the replica to follow", func() bool {
		return f.client.Do(f.Context(), "WAIT", 1, 100).Val() == int64(1)
	})
	return r, client
}

// TestReplicasHaveWhatIsConfirmed promotes a replica: it has every entry, and the old Redis then confirms none.
func TestReplicasHaveWhatIsConfirmed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.producer(1)
	p.RequireReplicas(1)
	p.budget = 2 * waitTime
	_, replica := f.replica()
	stop := start(t, p.Run)
	const entries = 20
	for i := range entries {
		if err := p.Publish(t.Context(), []byte(strconv.Itoa(i)), ""); err != nil {
			t.Fatal(err)
		}
		if n := replica.XLen(t.Context(), stream0).Val(); n != int64(i+1) {
			t.Fatalf("%d entries are confirmed, %d on the replica", i+1, n)
		}
	}
	if err := replica.Do(t.Context(), "REPLICAOF", "NO", "ONE").Err(); err != nil {
		t.Fatal(err)
	}
	if err := p.Publish(t.Context(), []byte("alone"), ""); !errors.Is(err, ErrUnavailable) {
		t.Errorf("without a replica: %v", err)
	}
	stop()
	if n := replica.XLen(t.Context(), stream0).Val(); n != entries {
		t.Errorf("the promoted replica has %d entries, want %d", n, entries)
	}
}

// TestReplicasThatComeBack end the wait of those who are still tried.
func TestReplicasThatComeBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.producer(1)
	p.RequireReplicas(1)
	p.budget = patience
	start(t, p.Run)
	result := publish(t.Context(), p, "waits")
	f.await("the first try", func() bool { return f.client.XLen(t.Context(), stream0).Val() > 0 })
	f.replica()
	if err := receive(t, "an answer", result); err != nil {
		t.Error(err)
	}
}

// TestRefusalsAreToldThroughTheWait: streams that are gone, and a Redis that has too few replicas to write.
func TestRefusalsAreToldThroughTheWait(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.producer(1)
	p.RequireReplicas(1)
	f.replica()
	start(t, p.Run)
	for range 2 {
		if err := p.Publish(t.Context(), []byte("x"), ""); err != nil {
			t.Fatal(err)
		}
		f.client.Del(t.Context(), stream0)
	}
	f.set("min-replicas-to-write", "3")
	if err := p.Publish(t.Context(), []byte("x"), ""); !errors.Is(err, ErrRefused) {
		t.Errorf("with too few replicas: %v", err)
	}
}
