package services_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// drainDelay is how long a balancer of these tests may take to see that a replica goes.
const drainDelay = 5 * time.Second

// TestAReplicaIsReplacedUnderLoad: clients post without a pause over connections that they keep, and repeat nothing; a
// balancer gives new connections to whoever is ready. The replica that goes breaks no request.
func TestAReplicaIsReplacedUnderLoad(t *testing.T) {
	t.Parallel()
	s := newSystem(t, "", "THEEYE_DRAIN_DELAY="+drainDelay.String())
	successor := testenv.Start(t, testenv.Options{Name: "ingest", Env: []string{"THEEYE_REDIS_URL=" + s.redis.URL()}})
	a := s.register("web", registry.Policy{})
	eventually(t, func() error {
		if status, body := s.do(http.MethodPost, successor.URL+"/v1/events", "Bearer "+a.key, []byte(`[]`)); status != http.StatusBadRequest {
			return fmt.Errorf("the successor answers %d %s", status, body)
		}
		return nil
	})
	l := &load{key: a.key, enough: make(chan struct{})}
	l.ready.Store(s.ingest)
	var senders sync.WaitGroup
	errs := make(chan error, workers)
	for worker := range workers {
		senders.Go(func() { errs <- l.send(t.Context(), worker) })
	}
	advance := func() {
		before := l.accepted.Load()
		eventually(t, func() error {
			if now := l.accepted.Load(); now < before+10*workers {
				return fmt.Errorf("%d events were accepted", now)
			}
			return nil
		})
	}
	advance()
	begin := time.Now()
	s.ingest.Signal(syscall.SIGTERM)
	s.awaitStatus(s.ingest.URL+"/readyz", http.StatusServiceUnavailable)
	l.ready.Store(successor)
	s.stopped(s.ingest)
	if took := time.Since(begin); took < drainDelay {
		t.Errorf("stopped within %s", took)
	}
	advance()
	close(l.enough)
	senders.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	s.awaitEvents(a, url.Values{}, int(l.accepted.Load()))
}

// load is clients that post through a balancer.
type load struct {
	key      string
	ready    atomic.Pointer[testenv.Process] // who gets new connections
	accepted atomic.Int64
	enough   chan struct{}
}

// send posts one event after the other over one connection, until there are enough or one is not accepted.
func (l *load) send(ctx context.Context, worker int) error {
	transport := &http.Transport{MaxConnsPerHost: 1, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, strings.TrimPrefix(l.ready.Load().URL, "http://"))
	}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: patience}
	for n := 0; ; n++ {
		select {
		case <-l.enough:
			return nil
		default:
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://ingest/v1/events", strings.NewReader(eventJSON(worker, n)))
		if err != nil {
			return err
		}
		request.GetBody = nil // net/http would repeat it behind our back
		request.Header.Set("Authorization", "Bearer "+l.key)
		request.Header.Set("Content-Type", "application/json")
		response, err := client.Do(request)
		if err != nil {
			return fmt.Errorf("event %d.%d: %w", worker, n, err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusAccepted {
			return fmt.Errorf("event %d.%d is answered %d", worker, n, response.StatusCode)
		}
		l.accepted.Add(1)
	}
}

// stopWith sends SIGTERM, while something is in the process' hands, and waits until it stops: it says so, or its ports
// are closed.
func (s *system) stopWith(p *testenv.Process) {
	s.t.Helper()
	p.Signal(syscall.SIGTERM)
	eventually(s.t, func() error {
		if status, _ := s.do(http.MethodGet, p.URL+"/readyz", "", nil); status == http.StatusOK {
			return errors.New("it is ready after SIGTERM")
		}
		return nil
	})
	select {
	case <-p.Done():
		s.t.Error("stopped with something in hand")
	default:
	}
}

// stopped waits for the end of a process that was told to stop: within its patience, and well.
func (s *system) stopped(p *testenv.Process) {
	s.t.Helper()
	select {
	case <-p.Done():
		p.Stop() // tells how it ended
	case <-time.After(patience):
		s.t.Fatal("it never stopped")
	}
}

// TestStoppedPersistenceFinishesItsBatch: what it has read is stored and acknowledged, so that nobody has to wait until
// it counts as dead.
func TestStoppedPersistenceFinishesItsBatch(t *testing.T) {
	t.Parallel()
	s := newSystem(t, "")
	a := s.register("web", registry.Policy{})
	const n = 40
	sent := make(chan error, 1)
	s.withWriteInHand("persistence.ledger", func() {
		var errs []error
		for i := range n {
			_, err := s.insist(t.Context(), a, eventJSON(0, i))
			errs = append(errs, err)
		}
		sent <- errors.Join(errs...)
	}, func() { s.stopWith(s.persistence) })
	s.stopped(s.persistence)
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	options, err := redis.ParseURL(s.redis.URL())
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	defer client.Close() //nolint:errcheck // the test's end
	read := int64(0)
	keys, err := client.Keys(t.Context(), "theeye:events:{*}").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, stream := range keys {
		pending, err := client.XPending(t.Context(), stream, event.PersistenceGroup).Result()
		if err != nil || pending.Count != 0 {
			t.Errorf("%s: %+v are left in hand, %v", stream, pending, err)
		}
		groups, err := client.XInfoGroups(t.Context(), stream).Result()
		if err != nil {
			t.Fatal(err)
		}
		read += groups[0].EntriesRead
	}
	if read == 0 {
		t.Error("there was no batch in hand")
	}
	s.persistence.Restart()
	s.awaitEvents(a, url.Values{}, n)
}

// TestStoppedAuthAnswersWhatIsInHand: the change is made, and whoever asked for it knows.
func TestStoppedAuthAnswersWhatIsInHand(t *testing.T) {
	t.Parallel()
	s := newSystem(t, "")
	a := s.register("web", registry.Policy{})
	answered := make(chan int, 1)
	s.withWriteInHand("auth.applications", func() {
		status, _ := s.do(http.MethodDelete, s.auth.URL+a.path(), "Bearer "+adminToken, nil)
		answered <- status
	}, func() { s.stopWith(s.auth) })
	if status := <-answered; status != http.StatusNoContent {
		t.Errorf("answered %d", status)
	}
	s.stopped(s.auth)
	eventually(t, func() error {
		if status, body := s.post(a, eventJSON(0, 0)); status != http.StatusUnauthorized {
			return fmt.Errorf("after the deletion ingest answers %d %s", status, body)
		}
		return nil
	})
}

// TestStoppedIngestAnswersWhatIsInHand: Redis hangs, and goes on once the door closes. Everybody gets an answer: that the
// event is accepted, or, when Redis took too long, that it has to be sent again.
func TestStoppedIngestAnswersWhatIsInHand(t *testing.T) {
	t.Parallel()
	s := newSystem(t, "")
	a := s.register("web", registry.Policy{})
	if err := s.redis.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	answers := make(chan error, workers)
	var stopping atomic.Bool
	var accepted atomic.Int64
	for i := range workers {
		go func() {
			for {
				switch status, body := s.post(a, eventJSON(i, 0)); {
				case status == http.StatusServiceUnavailable && !stopping.Load(): // Redis hangs for too long already
					continue
				case status == http.StatusAccepted:
					accepted.Add(1)
					answers <- nil
				case status == http.StatusServiceUnavailable:
					answers <- nil
				default:
					answers <- fmt.Errorf("answered %d %s", status, body)
				}
				return
			}
		}()
	}
	eventually(t, func() error {
		status, stacks := s.do(http.MethodGet, s.ingest.OpsURL+"/debug/pprof/goroutine?debug=2", "", nil)
		if waiting := bytes.Count(stacks, []byte("stream.(*Producer).Publish(")); status != http.StatusOK || waiting < workers {
			return fmt.Errorf("%d requests are in hand", waiting)
		}
		return nil
	})
	stopping.Store(true)
	s.stopWith(s.ingest)
	if err := s.redis.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	var errs []error
	for range workers {
		errs = append(errs, <-answers)
	}
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	s.stopped(s.ingest)
	eventually(t, func() error {
		found, err := s.events(a, url.Values{})
		if err == nil && int64(len(found)) < accepted.Load() {
			err = fmt.Errorf("%d events are stored, and %d were accepted", len(found), accepted.Load())
		}
		return err
	})
}
