package keyring

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/hack/servers"
	"github.com/theeye-dev/theeye/services/internal/stream"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

const (
	// patience is how long a test waits for what must happen at some time.
	patience = 30 * time.Second
	// promise is how soon every replica must know of a change.
	promise = time.Second
)

// fixture is a Redis with an application log that the test writes as auth does, and a Keyring that follows it.
type fixture struct {
	testing.TB
	server *servers.Redis
	client redis.UniversalClient
	ring   *Keyring
	mu     sync.Mutex
	tail   string
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{TB: t, server: testenv.Redis(t)}
	f.client = f.open()
	f.ring = New(time.Now)
	return f
}

func (f *fixture) open() redis.UniversalClient {
	f.Helper()
	client, err := stream.Open(f.server.URL())
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = client.Close() })
	return client
}

// snapshot reads the log once, and follows it no further.
func (f *fixture) snapshot() *Follower {
	f.Helper()
	follower := NewFollower(f.open(), f.ring, slog.New(slog.DiscardHandler))
	if err := follower.snapshot(context.Background()); err != nil {
		f.Fatal(err)
	}
	return follower
}

// follow runs a Follower until the test ends.
func (f *fixture) follow() {
	f.Helper()
	follower := NewFollower(f.open(), f.ring, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- follower.Run(ctx) }()
	f.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				f.Errorf("follower ended with %v", err)
			}
		case <-time.After(patience):
			f.Error("follower does not end")
		}
	})
}

// app makes the record of an application with a credential, and its key.
func app(name string, revision int64) (a registry.Application, key string) {
	a = registry.Application{UID: uuid.New(), Namespace: "shop", Name: name, Revision: revision}
	a.ClientID = apikey.ClientID(a.UID)
	key = apikey.New("test", a.ClientID, "1")
	a.Credentials = []registry.Credential{{ID: "1", SHA256: registry.Digest(apikey.HashOf(key))}}
	return a, key
}

// byUID are applications as a ring has them.
func byUID(applications ...*registry.Application) map[uuid.UUID]*registry.Application {
	all := map[uuid.UUID]*registry.Application{}
	for _, a := range applications {
		all[a.UID] = a
	}
	return all
}

// write appends records to the log and to the hash, each as one transaction, without asking for revisions.
func (f *fixture) write(records ...registry.Application) {
	f.Helper()
	for _, a := range records {
		record, err := json.Marshal(a)
		if err != nil {
			f.Fatal(err)
		}
		f.writeRaw(a.UID, string(record))
	}
}

func (f *fixture) writeRaw(uid uuid.UUID, record string) {
	f.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	previous := f.tail
	if previous == "" {
		previous = "0-0"
	}
	id, err := redis.NewScript(`
local id = redis.call('XADD', KEYS[1], '*', 'record', ARGV[2], 'previous', ARGV[3])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2], 'tail', id)
return id`).Run(context.Background(), f.client, []string{registry.LogKey, registry.LatestKey}, uid.String(), record, previous).Text()
	if err != nil {
		f.Fatal(err)
	}
	f.tail = id
}

// complete marks the log complete, as auth does when all is in it.
func (f *fixture) complete() {
	f.Helper()
	if err := f.client.HSet(context.Background(), registry.LatestKey, registry.FieldComplete, "test").Err(); err != nil {
		f.Fatal(err)
	}
}

// flush loses everything in Redis.
func (f *fixture) flush() {
	f.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tail = ""
	if err := f.client.FlushAll(context.Background()).Err(); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) signal(s syscall.Signal) {
	f.Helper()
	if err := f.server.Signal(s); err != nil {
		f.Fatal(err)
	}
}

// within polls until something is so, and fails when that takes longer than limit.
func (f *fixture) within(limit time.Duration, what string, so func() error) {
	f.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	begin := time.Now()
	for {
		err := so()
		took := time.Since(begin)
		if err == nil && took <= limit {
			return
		}
		if took > limit {
			f.Fatalf("%s: not within %s: %v", what, limit, err)
		}
		<-ticker.C
	}
}

// knows is nil when the ring takes the key for the application's.
func (f *fixture) knows(a registry.Application, key string) error {
	p, err := f.ring.Authenticate(context.Background(), "", key)
	if err != nil {
		return err
	}
	if p.Application.UID != a.UID || p.Application.Revision != a.Revision || p.Credential != "1" {
		return fmt.Errorf("the key is taken for credential %s of %+v", p.Credential, p.Application)
	}
	return nil
}
