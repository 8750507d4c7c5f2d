package persistence

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	metricnoop "go.opentelemetry.io/otel/metric/noop"

	"github.com/theeye-dev/theeye/services/internal/admin"
	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/kit"
	"github.com/theeye-dev/theeye/services/internal/stream"
)

// measured is a backlog of this size; unknown, when nobody has measured of late.
type measured struct {
	stream.Backlog
	unknown bool
}

func (m measured) Measured() (stream.Backlog, time.Time, bool) {
	return m.Backlog, time.Date(2026, 5, 4, 14, 0, 0, 250e6, time.FixedZone("", 7200)), !m.unknown
}

// TestBacklog tells those who may read everything how far storing is behind, and nobody else: it is of all applications.
func TestBacklog(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	serve := func(m measured) string {
		token, err := admin.Static(adminToken)
		l.must(err)
		observer, err := kit.NewObserver(slog.New(slog.DiscardHandler), metricnoop.Meter{}, false)
		l.must(err)
		server := httptest.NewServer(Handler(&Reader{Store: l.store, Keys: l.ring, Admin: token, Operator: operator{}, Backlog: m, Now: time.Now}, observer))
		t.Cleanup(server.Close)
		return server.URL
	}
	known := serve(measured{Backlog: stream.Backlog{OldestAge: 1500 * time.Millisecond, Pending: 3, Length: 9}})
	if status, body := l.raw(known, adminToken, "/v1/backlog"); status != http.StatusOK || string(body) != `{"oldest_age_seconds":1.5,"pending_entries":3,"measured_at":"2026-05-04T12:00:00.25Z"}`+"\n" {
		t.Errorf("the backlog is answered %d %s", status, body)
	}
	unknown := serve(measured{unknown: true})
	for _, c := range []struct {
		method, base, path, authorization string
		status                            int
		code                              fault.Code
	}{
		{http.MethodGet, unknown, "/v1/backlog", "Bearer " + adminToken, 503, fault.CodeUnavailable},
		{http.MethodGet, known, "/v1/backlog", "Bearer " + l.keys[shop], 403, fault.CodeForbidden},
		{http.MethodGet, known, "/v1/backlog", "", 401, fault.CodeUnauthenticated},
		{http.MethodGet, known, "/v1/backlog?application=" + shop.String(), "Bearer " + adminToken, 400, fault.CodeParameter},
		{http.MethodPost, known, "/v1/backlog", "Bearer " + adminToken, 405, fault.CodeMethod},
	} {
		if status, code, detail := l.ask(c.method, c.base, c.path, c.authorization); status != c.status || code != c.code {
			t.Errorf("%s %s is answered %d %s %s, want %d %s", c.method, c.path, status, code, detail, c.status, c.code)
		}
	}
}
