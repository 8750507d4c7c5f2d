package ingest_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metricnoop "go.opentelemetry.io/otel/metric/noop"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/ingest"
	"github.com/theeye-dev/theeye/services/internal/kit"
)

// slowBody is a body that takes some time to come, by the clock of the test.
type slowBody struct {
	*strings.Reader
	come func()
}

func (b *slowBody) Read(p []byte) (int, error) { b.come(); return b.Reader.Read(p) }

func (*slowBody) Close() error { return nil }

// TestSentAtIsHeldAgainstArrival uploads slowly: sent_at is the client's clock when it began, and so is held against
// the time at which the headers came.
func TestSentAtIsHeldAgainstArrival(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	a := d.register(nextUID(), registry.Policy{})
	observer, err := kit.NewObserver(slog.New(slog.DiscardHandler), metricnoop.Meter{}, false)
	d.must(err)
	metrics, err := ingest.NewMetrics(metricnoop.Meter{})
	d.must(err)
	arrived := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	now := arrived
	var payload []byte
	service := ingest.New(publisher(func(_ context.Context, p []byte) error { payload = append(payload, p...); return nil }),
		func() error { return nil }, func() time.Time { return now }, metrics)
	stamped := func(sentAt, timestamp time.Duration) string {
		return with(fmt.Sprintf(`"sent_at":"%s","timestamp":"%s"`,
			event.FormatTimestamp(arrived.Add(sentAt)), event.FormatTimestamp(arrived.Add(timestamp))))
	}
	body := strings.Join([]string{
		stamped(0, -time.Minute), stamped(-time.Hour, -time.Hour-time.Minute), stamped(3*time.Hour, 3*time.Hour-time.Second), good,
	}, "\n")
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/events", nil)
	r.Header.Set("Authorization", "Bearer "+a.key)
	r.Header.Set("Content-Type", "application/x-ndjson")
	r.Body = &slowBody{strings.NewReader(body), func() { now = arrived.Add(20 * time.Second) }}
	w := httptest.NewRecorder()
	ingest.Handler(service, d.keys, nil, observer).ServeHTTP(w, r)
	if w.Code != http.StatusAccepted {
		t.Fatalf("answered %d %s", w.Code, w.Body)
	}
	requests, err := event.DecodeBatch(payload)
	d.must(err)
	var occurred []time.Time
	for _, item := range requests[0].Items {
		occurred = append(occurred, item.OccurredAt)
	}
	want := []time.Time{arrived.Add(-time.Minute), arrived.Add(-time.Minute), arrived.Add(-time.Second), now}
	if diff := cmp.Diff(want, occurred); diff != "" {
		t.Errorf("occurred (-want +got):\n%s", diff)
	}
}
