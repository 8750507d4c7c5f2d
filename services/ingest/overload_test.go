package ingest_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	metricnoop "go.opentelemetry.io/otel/metric/noop"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/ingest"
	"github.com/theeye-dev/theeye/services/internal/kit"
	"github.com/theeye-dev/theeye/services/internal/stream"
)

// narrow serves the door once more, with a publisher of the test's and little memory for requests.
func (d *door) narrow(p publisher, memory int64) *ingest.Admission {
	d.Helper()
	return d.serve(p, func() error { return nil }, memory)
}

// narrowSafe serves it once more, with what tells whether anything may be taken.
func (d *door) narrowSafe(safe func() error) {
	d.Helper()
	d.serve(func(context.Context, []byte) error { return nil }, safe, ingest.DefaultRequestMemory)
}

func (d *door) serve(p publisher, safe func() error, memory int64) *ingest.Admission {
	d.Helper()
	observer, err := kit.NewObserver(slog.New(slog.DiscardHandler), metricnoop.Meter{}, false)
	d.must(err)
	metrics, err := ingest.NewMetrics(metricnoop.Meter{})
	d.must(err)
	service, admission := ingest.New(p, safe, time.Now, metrics), ingest.NewAdmission(memory)
	service.Admit(admission)
	server := httptest.NewServer(ingest.Handler(service, d.keys, nil, observer))
	d.Cleanup(server.Close)
	d.url = server.URL
	return admission
}

// stall opens a connection and posts only half of what it announces.
func (d *door) stall(a application, announced int) net.Conn {
	d.Helper()
	conn, err := new(net.Dialer).DialContext(d.Context(), "tcp", strings.TrimPrefix(d.url, "http://"))
	d.must(err)
	d.Cleanup(func() { _ = conn.Close() })
	_, err = fmt.Fprintf(conn, "POST /v1/events HTTP/1.1\r\nHost: door\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s",
		a.key, announced, strings.Repeat(" ", announced/2))
	d.must(err)
	return conn
}

// TestStalledBodiesLeaveRoom: one application's uploads that don't end take half of the memory and no more, are told so
// at once, and cost others nothing.
func TestStalledBodiesLeaveRoom(t *testing.T) {
	t.Parallel()
	const memory, announced = 1 << 20, 60_000
	d := newDoor(t)
	admission := d.narrow(func(context.Context, []byte) error { return nil }, memory)
	hog, other := d.register(nextUID(), registry.Policy{}), d.register(nextUID(), registry.Policy{})
	var stalled []net.Conn
	for admission.Free() > memory/2+2*announced {
		before := admission.Free()
		stalled = append(stalled, d.stall(hog, announced))
		d.eventually(func() bool { return admission.Free() < before-announced })
	}
	for range 3 {
		conn := d.stall(hog, announced)
		d.must(conn.SetReadDeadline(time.Now().Add(patience)))
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		d.must(err)
		_ = response.Body.Close()
		if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
			t.Errorf("beyond its share answered %d %v", response.StatusCode, response.Header)
		}
		if got := d.post(other, repeat(good, 20)); got.status != http.StatusAccepted {
			t.Errorf("another application is answered %d %s", got.status, got.body)
		}
	}
	for _, conn := range stalled {
		_ = conn.Close()
	}
	d.eventually(func() bool { return admission.Free() == memory })
	if got := d.post(hog, good); got.status != http.StatusAccepted {
		t.Errorf("afterwards answered %d %s", got.status, got.body)
	}
}

// TestWhatWaitsForStorageIsHeld: a client that goes away gives nothing back before its request waits no more.
func TestWhatWaitsForStorageIsHeld(t *testing.T) {
	t.Parallel()
	const memory = 16 << 20
	d := newDoor(t)
	publishing, stored := make(chan int), make(chan struct{})
	admission := d.narrow(func(ctx context.Context, payload []byte) error {
		publishing <- len(payload)
		<-stored
		return ctx.Err()
	}, memory)
	a := d.register(nextUID(), registry.Policy{})
	body := with(`"data":{"a":"` + strings.Repeat("x", 100_000) + `"}`)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(d.url, "http://"))
	d.must(err)
	_, err = fmt.Fprintf(conn, "POST /v1/events HTTP/1.1\r\nHost: door\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s",
		a.key, len(body), body)
	d.must(err)
	var waiting int64
	select {
	case n := <-publishing:
		waiting = int64(n)
	case <-time.After(patience):
		t.Fatal("nothing was published")
	}
	d.must(conn.Close())
	if held := memory - admission.Free(); held < waiting+int64(len(body)) {
		t.Errorf("%d bytes wait, of a body of %d, and %d are held", waiting, len(body), held)
	}
	close(stored)
	d.eventually(func() bool { return admission.Free() == memory })
}

// TestLargeRequestsTakeTurnsToStorage: of one application's large requests one is on its way, and small ones of others
// pass them by.
func TestLargeRequestsTakeTurnsToStorage(t *testing.T) {
	t.Parallel()
	const large = 300_000
	d := newDoor(t)
	publishing, stored := make(chan int, 8), make(chan struct{})
	d.narrow(func(_ context.Context, payload []byte) error {
		publishing <- len(payload)
		if len(payload) > large {
			<-stored
		}
		return nil
	}, 64<<20)
	hog, other := d.register(nextUID(), registry.Policy{}), d.register(nextUID(), registry.Policy{})
	answers := make(chan error, 3)
	for range cap(answers) {
		go func() {
			got, err := d.try(http.MethodPost, "/v1/events", strings.NewReader(with(`"data":{"a":"`+strings.Repeat("x", large)+`"}`)),
				"Authorization", "Bearer "+hog.key)
			if err == nil && got.status != http.StatusAccepted {
				err = fmt.Errorf("answered %d %s", got.status, got.body)
			}
			answers <- err
		}()
	}
	if n := <-publishing; n <= large {
		t.Fatalf("%d bytes are on their way", n)
	}
	for range 20 {
		if got := d.post(other, good); got.status != http.StatusAccepted {
			t.Fatalf("answered %d %s", got.status, got.body)
		}
		if n := <-publishing; n > large {
			t.Fatal("two large requests are on their way")
		}
	}
	close(stored)
	for range cap(answers) {
		d.must(<-answers)
	}
}

// TestSlowRedis: what waits while Redis takes no writes for a while is accepted when it does again, each event once.
func TestSlowRedis(t *testing.T) {
	t.Parallel()
	const requests = 20
	d := newDoor(t)
	a := d.register(nextUID(), registry.Policy{})
	d.must(d.client.Do(t.Context(), "CLIENT", "PAUSE", "60000", "WRITE").Err())
	answers := make(chan error, requests)
	for n := range requests {
		go func() {
			got, err := d.try(http.MethodPost, "/v1/events", strings.NewReader(with(fmt.Sprintf(`"id":"%d"`, n))), "Authorization", "Bearer "+a.key)
			if err == nil && got.status != http.StatusAccepted {
				err = fmt.Errorf("answered %d %s", got.status, got.body)
			}
			answers <- err
		}()
	}
	d.eventually(func() bool {
		return strings.Contains(d.client.Info(t.Context(), "clients").Val(), "blocked_clients:1")
	})
	select {
	case err := <-answers:
		t.Fatalf("answered although nothing can be stored: %v", err)
	default:
	}
	d.must(d.client.Do(t.Context(), "CLIENT", "UNPAUSE").Err())
	for range requests {
		d.must(<-answers)
	}
	if got := items(d.appended(a.UID)); len(got) != requests {
		t.Errorf("%d events were appended", len(got))
	}
}

// TestReadOnlyRedisIsAnswered: a failover in which Redis takes no writes is 503, and ends by itself.
func TestReadOnlyRedisIsAnswered(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	a := d.register(nextUID(), registry.Policy{})
	d.must(d.client.Do(t.Context(), "REPLICAOF", "127.0.0.1", "1").Err())
	d.refusesForNow(d.post(a, with(`"id":"1"`)), "service.unavailable")
	d.must(d.client.Do(t.Context(), "REPLICAOF", "NO", "ONE").Err())
	d.eventually(func() bool { return d.post(a, with(`"id":"1"`)).status == http.StatusAccepted })
	if diff := cmp.Diff(accepted(1), items(d.appended(a.UID))); diff != "" {
		t.Errorf("appended (-want +got):\n%s", diff)
	}
}

// TestFullBacklogIsAnswered: with as much waiting as may, nothing more is taken until some of it is stored.
func TestFullBacklogIsAnswered(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	a := d.register(nextUID(), registry.Policy{})
	pressure := stream.NewPressure(d.open(), partitions, stream.Limits{Entries: 3}, slog.New(slog.DiscardHandler))
	d.background(pressure.Run)
	d.narrowSafe(pressure.Check)
	for n := range 3 {
		d.must(d.client.XAdd(t.Context(), &redis.XAddArgs{Stream: event.StreamKey(n % partitions), Values: []any{"x", "y"}}).Err())
	}
	var got answer
	d.eventually(func() bool { got = d.post(a, good); return got.status != http.StatusAccepted })
	d.refusesForNow(got, "service.overloaded")
	if got.header.Get("Retry-After") != "5" {
		t.Errorf("Retry-After %s", got.header.Get("Retry-After"))
	}
	for n := range partitions {
		d.must(d.client.XTrimMaxLen(t.Context(), event.StreamKey(n), 0).Err())
	}
	d.eventually(func() bool { return d.post(a, good).status == http.StatusAccepted })
}
