package ingest_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/hack/servers"
	"github.com/theeye-dev/theeye/services/ingest"
	"github.com/theeye-dev/theeye/services/internal/keyring"
	"github.com/theeye-dev/theeye/services/internal/kit"
	"github.com/theeye-dev/theeye/services/internal/stream"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// patience bounds every wait of a test.
const patience = 30 * time.Second

// partitions of the streams under test: more than one, for a request must not care.
const partitions = 2

// door is ingest without its process: the handler over a producer, a guard and a keyring that follow a real Redis.
type door struct {
	*testing.T
	redis   *servers.Redis
	client  redis.UniversalClient
	keys    *keyring.Keyring
	guard   *stream.Guard
	service *ingest.Service
	url     string
	log     *applicationLog
}

// newDoor opens a door that knows no application yet.
func newDoor(t *testing.T) *door {
	t.Helper()
	d := closedDoor(t)
	d.log.complete()
	d.eventually(func() bool { return d.keys.Ready() == nil && d.guard.Check() == nil })
	return d
}

// closedDoor is a door whose application log is not complete. prepare sets Redis up before anything looks at it.
func closedDoor(t *testing.T, prepare ...func(redis.UniversalClient)) *door {
	t.Helper()
	d := &door{T: t, redis: testenv.Redis(t)}
	d.client = d.open()
	d.log = &applicationLog{t: t, client: d.client, tail: "0-0"}
	for _, p := range prepare {
		p(d.client)
	}
	logger := slog.New(slog.DiscardHandler)
	d.keys = keyring.New(time.Now)
	d.guard = stream.NewGuard(d.client, stream.Strict, logger)
	produced, err := stream.NewProducerMetrics(metricnoop.Meter{})
	d.must(err)
	judged, err := ingest.NewMetrics(metricnoop.Meter{})
	d.must(err)
	observer, err := kit.NewObserver(logger, metricnoop.Meter{}, false)
	d.must(err)
	producer := stream.NewProducer(d.client, partitions, logger, tracenoop.Tracer{}, produced)
	d.background(producer.Run)
	d.background(keyring.NewFollower(d.open(), d.keys, logger).Run)
	d.background(d.guard.Run)
	d.service = ingest.New(producer, d.guard.Check, time.Now, judged)
	server := httptest.NewServer(ingest.Handler(d.service, d.keys, nil, observer)) // tests send as many wrong keys as they like
	t.Cleanup(server.Close)
	d.url = server.URL
	return d
}

func (d *door) must(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

func (d *door) open() redis.UniversalClient {
	d.Helper()
	client, err := stream.Open(d.redis.URL())
	d.must(err)
	d.Cleanup(func() { _ = client.Close() })
	return client
}

// background runs an actor until the test ends.
func (d *door) background(run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(d.Context()))
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	d.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			d.Error(err)
		}
	})
}

// eventually waits until something is so.
func (d *door) eventually(so func() bool) {
	d.Helper()
	deadline, retry := time.NewTimer(patience), time.NewTicker(5*time.Millisecond)
	defer deadline.Stop()
	defer retry.Stop()
	for !so() {
		select {
		case <-retry.C:
		case <-deadline.C:
			d.Fatal("waited in vain")
		}
	}
}

// applicationLog writes the application log as auth does.
type applicationLog struct {
	t        *testing.T
	client   redis.UniversalClient
	tail     string
	revision int64
}

func (l *applicationLog) complete() {
	l.t.Helper()
	if err := l.client.HSet(l.t.Context(), registry.LatestKey, registry.FieldComplete, "1").Err(); err != nil {
		l.t.Fatal(err)
	}
}

func (l *applicationLog) publish(a registry.Application) {
	l.t.Helper()
	ctx := l.t.Context()
	l.revision++
	a.Revision = l.revision
	record, err := json.Marshal(a)
	if err != nil {
		l.t.Fatal(err)
	}
	id, err := l.client.XAdd(ctx, &redis.XAddArgs{Stream: registry.LogKey, Values: []any{
		registry.FieldRecord, record, registry.FieldPrevious, l.tail,
	}}).Result()
	if err != nil {
		l.t.Fatal(err)
	}
	l.tail = id
	if err := l.client.HSet(ctx, registry.LatestKey, a.UID.String(), record, registry.FieldTail, id).Err(); err != nil {
		l.t.Fatal(err)
	}
}

// application is a client app that the door knows.
type application struct {
	registry.Application
	key string
}

// register makes an application with one credential known to the door.
func (d *door) register(uid uuid.UUID, policy registry.Policy) application {
	d.Helper()
	a := application{Application: registry.Application{
		UID: uid, Namespace: "shop", Name: "app-" + uid.String(), ClientID: apikey.ClientID(uid), Policy: policy,
	}}
	a.key = apikey.New("test", a.ClientID, "1")
	a.Credentials = []registry.Credential{{ID: "1", SHA256: registry.Digest(apikey.HashOf(a.key))}}
	d.log.publish(a.Application)
	d.eventually(func() bool { return d.keys.Application(uid.String()) != nil })
	return a
}

// answer is what the door answered.
type answer struct {
	status int
	header http.Header
	body   []byte

	Type, Title, Detail string
	Code                string
	Status              int
	Accepted, Rejected  int
	Events              []verdict
}

type verdict struct{ ID, Status, Code, Detail, Pointer string }

// verdicts in short: "accepted", or the code and the pointer.
func (a answer) verdicts() (short []string) {
	for _, v := range a.Events {
		text := v.Status
		if v.Status == "rejected" {
			text = v.Code + v.Pointer
		}
		short = append(short, text)
	}
	return short
}

// post sends a body with an application's key; header are pairs of name and value.
func (d *door) post(a application, body string, header ...string) answer {
	d.Helper()
	return d.send(http.MethodPost, "/v1/events", bytes.NewReader([]byte(body)), append([]string{
		"Authorization", "Bearer " + a.key, "Content-Type", "application/json",
	}, header...)...)
}

func (d *door) send(method, path string, body io.Reader, header ...string) answer {
	d.Helper()
	got, err := d.try(method, path, body, header...)
	d.must(err)
	return got
}

// try is send for goroutines other than the test's.
func (d *door) try(method, path string, body io.Reader, header ...string) (got answer, err error) {
	request, err := http.NewRequestWithContext(d.Context(), method, d.url+path, body)
	if err != nil {
		return got, err
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Add(header[i], header[i+1])
	}
	response, err := testenv.HTTP(d).Do(request)
	if err != nil {
		return got, err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	got.status, got.header = response.StatusCode, response.Header
	if got.body, err = io.ReadAll(response.Body); err == nil && len(got.body) > 0 {
		err = json.Unmarshal(got.body, &got)
	}
	return got, err
}

// appended returns what is on the streams of an application, in the order of reception.
func (d *door) appended(uid uuid.UUID) (requests []event.Request) {
	d.Helper()
	for n := range partitions {
		entries, err := d.client.XRange(d.Context(), event.StreamKey(n), "-", "+").Result()
		d.must(err)
		for _, entry := range entries {
			batch, err := event.DecodeBatch([]byte(entry.Values[event.FieldBatch].(string)))
			d.must(err)
			for _, r := range batch {
				if r.Application == uid {
					requests = append(requests, r)
				}
			}
		}
	}
	slices.SortFunc(requests, func(a, b event.Request) int { return bytes.Compare(a.Sequence[:], b.Sequence[:]) })
	return requests
}

// items in short: "accepted", or the code and the pointer.
func items(requests []event.Request) (short []string) {
	for _, r := range requests {
		for _, item := range r.Items {
			text := "accepted"
			if item.Refusal != nil {
				text = string(item.Refusal.Code) + item.Refusal.Pointer
			}
			short = append(short, text)
		}
	}
	return short
}

var applications atomic.Uint32

// nextUID names applications apart, in an order.
func nextUID() uuid.UUID {
	n := applications.Add(1)
	return uuid.UUID{0: 0x0a, 6: 0x40, 8: 0x80, 12: byte(n >> 24), 13: byte(n >> 16), 14: byte(n >> 8), 15: byte(cmp.Or(n, 1))}
}
