package ingest_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	metricnoop "go.opentelemetry.io/otel/metric/noop"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/ingest"
	"github.com/theeye-dev/theeye/services/internal/kit"
	"github.com/theeye-dev/theeye/services/internal/quota"
	"github.com/theeye-dev/theeye/services/internal/stream"
)

// limiting serves the door once more, with limits and a publisher of the test's.
func (d *door) limiting(p publisher, publicRate int) {
	d.Helper()
	observer, err := kit.NewObserver(slog.New(slog.DiscardHandler), metricnoop.Meter{}, false)
	d.must(err)
	metrics, err := ingest.NewMetrics(metricnoop.Meter{})
	d.must(err)
	settled, err := quota.NewMetrics(metricnoop.Meter{})
	d.must(err)
	limiter := quota.New(d.open(), publicRate, time.Now, slog.New(slog.DiscardHandler), settled)
	d.background(limiter.Run)
	service := ingest.New(p, func() error { return nil }, time.Now, metrics)
	service.Limit(limiter)
	server := httptest.NewServer(ingest.Handler(service, d.keys, nil, observer))
	d.Cleanup(server.Close)
	d.url = server.URL
}

func takesAll(context.Context, []byte) error { return nil }

// slowly is a policy of so low a rate that nothing flows in while a test lasts.
func slowly(burst int) registry.Policy {
	return registry.Policy{Limits: &registry.Limits{EventsPerSecond: 1, Burst: burst}}
}

// left reads how many events an answer says are left.
func (d *door) left(got answer) int {
	d.Helper()
	_, text, _ := strings.Cut(got.header.Get("RateLimit"), ";r=")
	text, _, _ = strings.Cut(text, ";")
	n, err := strconv.Atoi(text)
	if err != nil {
		d.Fatalf("answered %d %s with RateLimit %q", got.status, got.body, got.header.Get("RateLimit"))
	}
	return n
}

// expectLeft allows for what flows in at one a second.
func (d *door) expectLeft(got answer, status, left int) {
	d.Helper()
	if n := d.left(got); got.status != status || n < left || n > left+int(patience/time.Second) {
		d.Errorf("answered %d %s, left %d, want %d, left %d", got.status, got.body, n, status, left)
	}
}

// TestEveryEventCounts, accepted or refused; what is left is told with each answer.
func TestEveryEventCounts(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	d.limiting(takesAll, 0)
	policy := slowly(1000)
	policy.Limits.MaxEventBytes = 1000
	a := d.register(nextUID(), policy)
	got := d.post(a, good)
	d.expectLeft(got, http.StatusAccepted, 999)
	if policy := got.header.Get("RateLimit-Policy"); policy != `"application";q=1000;qu="events";w=1000` {
		t.Errorf("RateLimit-Policy: %s", policy)
	}
	d.expectLeft(d.post(a, "["+good+","+unknown+"]"), http.StatusAccepted, 997)
	d.expectLeft(d.post(a, repeat(unknown, 10)), http.StatusUnprocessableEntity, 987)
	d.expectLeft(d.post(a, padded(1001)), http.StatusRequestEntityTooLarge, 986)
	d.expectLeft(d.post(a, "["+good+","+unknown+"]", "Prefer", "handling=strict"), http.StatusUnprocessableEntity, 984)
	d.expectLeft(d.post(a, good), http.StatusAccepted, 983)
	free := d.register(nextUID(), registry.Policy{})
	if got := d.post(free, good); got.header.Get("RateLimit") != "" || got.header.Get("RateLimit-Policy") != "" {
		t.Errorf("without a limit answered %v", got.header)
	}
}

// TestWhatIsRefusedWholeCounts by what was read of it, whatever it is refused for; and nothing that was refused unread, or
// that its application is to send again.
func TestWhatIsRefusedWholeCounts(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	d.limiting(takesAll, 0)
	spaces := strings.Repeat(" ", 200_000) // three times 64 KiB and some
	for name, c := range map[string]struct {
		body   string
		header []string
		status int
		counts int
	}{
		"no JSON":            {body: "no events", status: 400, counts: 1},
		"no events":          {body: "[]", status: 400, counts: 1},
		"broken at its end":  {body: "[" + good + spaces, status: 400, counts: 4},
		"no gzip":            {body: spaces, header: []string{"Content-Encoding", "gzip"}, status: 400, counts: 4},
		"a bomb":             {body: gz(strings.Repeat(spaces, 40)), header: []string{"Content-Encoding", "gzip"}, status: 413, counts: 17},
		"announced":          {body: strings.Repeat(spaces, 21), status: 413, counts: 1},
		"another media type": {body: spaces, header: []string{"Content-Type", "text/csv"}, status: 415},
		"more than is left":  {body: repeat(good, 600) + spaces, status: 429},
	} {
		t.Run(name, func(t *testing.T) {
			d := &door{T: t, client: d.client, keys: d.keys, log: d.log, url: d.url}
			a := d.register(nextUID(), slowly(1000))
			d.expectLeft(d.post(a, repeat(good, 450)), http.StatusAccepted, 550)
			tries := 1 + 2*int(patience/time.Second)/max(1, c.counts) // more than flows in
			for range tries {
				got := d.post(a, c.body, c.header...)
				if got.status != c.status {
					t.Fatalf("answered %d %s", got.status, got.body)
				}
				if told := got.header.Get("RateLimit") != ""; told != (c.status != http.StatusUnsupportedMediaType) {
					t.Errorf("what is left is told: %t", told)
				}
			}
			d.expectLeft(d.post(a, good), http.StatusAccepted, 549-tries*c.counts)
		})
	}
}

// TestStrangersPayForWhatIsRead: whoever knows a client id alone sends no large body for nothing, not even one that is over
// the rate; what pages send counts nothing then, so that the rate gets through.
func TestStrangersPayForWhatIsRead(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	d.limiting(takesAll, 0)
	policy := slowly(1000)
	policy.Origins = []string{page}
	a := d.register(nextUID(), policy)
	post := func(body string) answer {
		return d.send(http.MethodPost, "/v1/events?key="+a.ClientID, strings.NewReader(body), "Origin", page)
	}
	d.expectLeft(post(repeat(good, 450)), http.StatusAccepted, 550)
	for range 40 {
		d.expectLeft(post(repeat(good, 600)), http.StatusTooManyRequests, 550)
	}
	d.expectLeft(post(repeat(good, 600)+strings.Repeat(" ", event.MaxRequestBytes-100_000)), http.StatusTooManyRequests, 550-63)
	for range 8 {
		post("[" + strings.Repeat(" ", event.MaxRequestBytes-1)) // 65 each
	}
	if got := post("["); got.status != http.StatusTooManyRequests {
		t.Errorf("answered %d %s", got.status, got.body)
	}
}

// TestOverTheRate a request is refused whole; a smaller one still passes.
func TestOverTheRate(t *testing.T) {
	t.Parallel()
	var published atomic.Int32
	d := newDoor(t)
	d.limiting(func(context.Context, []byte) error { published.Add(1); return nil }, 0)
	a := d.register(nextUID(), slowly(1000))
	d.expectLeft(d.post(a, repeat(good, 800)), http.StatusAccepted, 200)
	got := d.post(a, repeat(good, 500))
	d.expectLeft(got, http.StatusTooManyRequests, 200)
	after, err := strconv.Atoi(got.header.Get("Retry-After"))
	d.must(err)
	if got.Code != "rate.exceeded" || after < 300-int(patience/time.Second) || after > 300 || !strings.HasSuffix(got.header.Get("RateLimit"), fmt.Sprintf("t=%d", after)) {
		t.Errorf("answered %s %v", got.body, got.header)
	}
	if want := "the application may send 1 events per second, 1000 at once; the request has 500; nothing was stored"; got.Detail != want {
		t.Errorf("detail %q", got.Detail)
	}
	d.expectLeft(d.post(a, repeat(good, 100)), http.StatusAccepted, 100)
	if n := published.Load(); n != 2 {
		t.Errorf("%d requests were published", n)
	}
}

// TestExhaustedIsToldBeforeTheBody: who may send nothing need not send it.
func TestExhaustedIsToldBeforeTheBody(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	d.limiting(takesAll, 0)
	a := d.register(nextUID(), slowly(1))
	d.eventually(func() bool {
		for spent := false; !spent; { // what has flowed in, too
			spent = d.post(a, good).status != http.StatusAccepted
		}
		return d.toldBeforeTheBody(a)
	})
	d.eventually(func() bool { // what may never come at once is told so, when it was paid for
		got := d.post(a, repeat(good, 2))
		return got.status == http.StatusRequestEntityTooLarge && got.Code == "request.too_many_events" && strings.Contains(got.Detail, "may send 1 events at once, and the request has 2")
	})
}

// toldBeforeTheBody tells whether a request of which only the header comes is refused for the rate, before a second has
// passed, in which one event flows in.
func (d *door) toldBeforeTheBody(a application) bool {
	d.Helper()
	conn, err := new(net.Dialer).DialContext(d.Context(), "tcp", strings.TrimPrefix(d.url, "http://"))
	d.must(err)
	defer conn.Close() //nolint:errcheck // the test's end
	_, err = fmt.Fprintf(conn, "POST /v1/events HTTP/1.1\r\nHost: door\r\nAuthorization: Bearer %s\r\nContent-Length: 100000\r\n\r\n", a.key)
	d.must(err)
	d.must(conn.SetReadDeadline(time.Now().Add(time.Second)))
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return false
	}
	defer response.Body.Close() //nolint:errcheck // only read
	if h := response.Header; response.StatusCode != http.StatusTooManyRequests || h.Get("Retry-After") == "" || h.Get("RateLimit") == "" || h.Get("RateLimit-Policy") == "" {
		d.Errorf("answered %d %v", response.StatusCode, h)
	}
	return true
}

// TestWhatWasNotStoredIsGivenBack, unless nobody knows whether it was.
func TestWhatWasNotStoredIsGivenBack(t *testing.T) {
	t.Parallel()
	outcomes := make(chan error, 1)
	d := newDoor(t)
	d.limiting(func(context.Context, []byte) error { return <-outcomes }, 0)
	for _, c := range []struct {
		err  error
		left int
	}{{stream.ErrOverloaded, 1000}, {stream.ErrRefused, 1000}, {stream.ErrStopped, 1000}, {errors.New("no answer"), 900}} {
		a := d.register(nextUID(), slowly(1000))
		outcomes <- fmt.Errorf("publish: %w", c.err)
		if got := d.post(a, repeat(good, 100)); got.status != http.StatusServiceUnavailable {
			t.Errorf("%v: answered %d %s", c.err, got.status, got.body)
		}
		outcomes <- nil
		d.expectLeft(d.post(a, good), http.StatusAccepted, c.left-1)
	}
}

// TestWhatWasNotStoredSpendsNoBudget: after many refusals of which nothing was stored, the first event that is refused for
// itself is recorded with its original.
func TestWhatWasNotStoredSpendsNoBudget(t *testing.T) {
	t.Parallel()
	outcome := errors.New("no outcome yet")
	var stored event.Item
	d := newDoor(t)
	d.limiting(func(_ context.Context, payload []byte) error {
		if outcome != nil {
			return outcome
		}
		batch, err := event.DecodeBatch(bytes.Clone(payload))
		if err == nil {
			stored = batch[0].Items[0]
		}
		return err
	}, 0)
	large := `{"colour":"` + strings.Repeat("x", 40_000) + `"}`
	for name, c := range map[string]struct {
		policy registry.Policy
		err    error
		status int
	}{
		"over the rate":  {slowly(1000), nil, http.StatusTooManyRequests},
		"storage is off": {registry.Policy{}, stream.ErrRefused, http.StatusServiceUnavailable},
	} {
		a := d.register(nextUID(), c.policy)
		outcome = nil
		if got := d.post(a, repeat(good, 950)); got.status != http.StatusAccepted { // what is left holds no hundred
			t.Fatalf("%s: answered %d %s", name, got.status, got.body)
		}
		outcome = c.err
		for range 5 { // of 4 MB each
			if got := d.post(a, repeat(large, 100)); got.status != c.status {
				t.Fatalf("%s: answered %d %s", name, got.status, got.body)
			}
		}
		outcome = nil
		if got := d.post(a, large); got.status != http.StatusUnprocessableEntity || len(stored.Original) != len(large) || stored.Count != 0 {
			t.Errorf("%s: answered %d %s, of which %d bytes and the count %d are stored", name, got.status, got.body, len(stored.Original), stored.Count)
		}
	}
}

// TestWebPagesHaveTheirOwnLimit: that of the application's policy, or the installation's; pages may read what it is.
func TestWebPagesHaveTheirOwnLimit(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	d.limiting(takesAll, 1)
	own := slowly(1000)
	own.Origins = []string{page}
	for name, c := range map[string]struct {
		policy registry.Policy
		most   int
	}{"own": {own, 1000}, "none": {registry.Policy{Origins: []string{page}}, 2}} {
		a := d.register(nextUID(), c.policy)
		post := func(n int) answer {
			return d.send(http.MethodPost, "/v1/events?key="+a.ClientID, strings.NewReader(repeat(good, n)), "Origin", page)
		}
		d.expectLeft(post(c.most), http.StatusAccepted, 0)
		got := post(c.most)
		if got.status != http.StatusTooManyRequests || got.Code != "rate.exceeded" || !strings.HasPrefix(got.header.Get("RateLimit"), `"public";`) ||
			!strings.HasPrefix(got.Detail, "web pages of the application may send 1 events") {
			t.Errorf("%s: answered %d %s %v", name, got.status, got.body, got.header)
		}
		for _, field := range []string{"Retry-After", "RateLimit", "RateLimit-Policy"} {
			if got.header.Get(field) == "" || !strings.Contains(got.header.Get("Access-Control-Expose-Headers"), field) {
				t.Errorf("%s: pages cannot read %s: %v", name, field, got.header)
			}
		}
		if got := d.post(a, repeat(good, 900)); got.status != http.StatusAccepted {
			t.Errorf("%s: its servers are answered %d %s", name, got.status, got.body)
		}
	}
}

// TestLimitsFollowThePolicy within the moment that it takes a replica to read it.
func TestLimitsFollowThePolicy(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	d.limiting(takesAll, 0)
	a := d.register(nextUID(), slowly(1))
	d.expectLeft(d.post(a, good), http.StatusAccepted, 0)
	a.Policy.Limits = nil
	d.log.publish(a.Application)
	d.eventually(func() bool {
		got := d.post(a, good)
		return got.status == http.StatusAccepted && got.header.Get("RateLimit") == ""
	})
}
