package quota

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	metricnoop "go.opentelemetry.io/otel/metric/noop"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/hack/servers"
	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/keyring"
	"github.com/theeye-dev/theeye/services/internal/stream"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// longest bounds every wait of a test.
const longest = 30 * time.Second

// shared is a Redis that the replicas of a test share.
type shared struct {
	*testing.T
	redis  *servers.Redis
	client redis.UniversalClient
	log    syncBuffer
}

func newShared(t *testing.T) *shared {
	t.Helper()
	s := &shared{T: t, redis: testenv.Redis(t)}
	s.client = s.open()
	return s
}

func (s *shared) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *shared) open() redis.UniversalClient {
	s.Helper()
	client, err := stream.Open(s.redis.URL())
	s.must(err)
	s.Cleanup(func() { _ = client.Close() })
	return client
}

// replica is a Limiter that runs until the test ends.
func (s *shared) replica() *Limiter {
	s.Helper()
	metrics, err := NewMetrics(metricnoop.Meter{})
	s.must(err)
	l := New(s.open(), 0, time.Now, slog.New(slog.NewTextHandler(&s.log, nil)), metrics)
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.Context()))
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	s.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			s.Error(err)
		}
	})
	return l
}

func (s *shared) replicas(n int) []*Limiter {
	s.Helper()
	replicas := make([]*Limiter, n)
	for i := range replicas {
		replicas[i] = s.replica()
	}
	return replicas
}

// eventually waits until something is so.
func (s *shared) eventually(so func() bool) {
	s.Helper()
	deadline, retry := time.NewTimer(longest), time.NewTicker(5*time.Millisecond)
	defer deadline.Stop()
	defer retry.Stop()
	for !so() {
		select {
		case <-retry.C:
		case <-deadline.C:
			s.Fatal("waited in vain; the log has\n" + s.log.String())
		}
	}
}

// charged is what Redis has been told of an application's events.
func (s *shared) charged(p keyring.Principal) int {
	total, err := s.client.HGet(s.Context(), id{p.Application.UID, p.Credential == ""}.key(), "total").Int()
	if err != nil && !errors.Is(err, redis.Nil) {
		s.Fatal(err)
	}
	return total
}

// limited is an application with limits, by its credential.
func limited(rate, burst int) keyring.Principal {
	return keyring.Principal{Credential: "1", Application: &registry.Application{
		UID: uuid.New(), Policy: registry.Policy{Limits: &registry.Limits{EventsPerSecond: rate, Burst: burst}},
	}}
}

// send takes events n at a time until they are refused, and returns how many were let through.
func send(t *testing.T, l *Limiter, p keyring.Principal, n int) (taken int) {
	t.Helper()
	for {
		err := l.Of(p).Take(t.Context(), n)
		if err == nil {
			taken += n
			continue
		}
		if refusal, ok := errors.AsType[*fault.Error](err); !ok || refusal.Code != fault.CodeRate || refusal.RetryAfter < time.Second {
			t.Errorf("refused with %v", err)
		}
		return taken
	}
}

// sendAll has every replica send at the same time, one event at a time and twenty in turn.
func sendAll(t *testing.T, replicas []*Limiter, p keyring.Principal) (taken []int) {
	t.Helper()
	taken = make([]int, len(replicas))
	var all sync.WaitGroup
	for i, l := range replicas {
		all.Go(func() { taken[i] = send(t, l, p, 1+19*(i%2)) })
	}
	all.Wait()
	return taken
}

func sum(figures []int) (total int) {
	for _, figure := range figures {
		total += figure
	}
	return total
}

// number reads what Redis has of a bucket.
func number(t *testing.T, text string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// syncBuffer is a log that several may write.
type syncBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
