package persistence

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	metricnoop "go.opentelemetry.io/otel/metric/noop"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/services/internal/admin"
	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/kit"
)

// limitedBudget is how many wrong credentials of one address are looked at before it is limited.
const limitedBudget = 100

// limited serves the library with the limit on wrong credentials.
func (l *library) limited() string {
	l.Helper()
	token, err := admin.Static(adminToken)
	l.must(err)
	observer, err := kit.NewObserver(slog.New(slog.DiscardHandler), metricnoop.Meter{}, false)
	l.must(err)
	eraser, err := NewEraser(l.store, time.Now, slog.New(slog.DiscardHandler), metricnoop.Meter{})
	l.must(err)
	begin := time.Now() // it stands still: no budget grows
	failures, err := kit.NewFailures(func(r *http.Request) netip.Addr { return netip.MustParseAddrPort(r.RemoteAddr).Addr() },
		func() time.Time { return begin }, metricnoop.Meter{})
	l.must(err)
	server := httptest.NewServer(Handler(&Reader{
		Store: l.store, Keys: l.ring, Admin: token, Operator: operator{}, Eraser: eraser, Now: time.Now, Failures: failures,
	}, observer))
	l.Cleanup(server.Close)
	return server.URL
}

// TestWrongReadersAreLimited: beyond the budget they are answered 429, whatever they ask, and whoever is right is
// answered as before.
func TestWrongReadersAreLimited(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	base := l.limited()
	usage := "/v1/applications/" + shop.String() + "/usage"
	for n := range limitedBudget {
		path := []string{"/v1/events", "/v1/failures", usage}[n%3]
		if status, code, _ := l.ask(http.MethodGet, base, path, "Bearer wrong"); status != http.StatusUnauthorized {
			t.Fatalf("wrong token %d is answered %d %s", n, status, code)
		}
	}
	wrong := "Bearer " + apikey.New("test", apikey.ClientID(shop), "1")
	for _, path := range []string{"/v1/events", "/v1/sessions/s", "/v1/failures", usage} {
		for authorization, want := range map[string]struct {
			status int
			code   fault.Code
		}{
			wrong:                    {429, fault.CodeManyFailures},
			"Bearer wrong":           {429, fault.CodeManyFailures},
			"":                       {401, fault.CodeUnauthenticated},
			"Bearer " + l.keys[shop]: {200, ""},
			"Bearer " + adminToken:   {200, ""},
		} {
			status, code, detail := l.ask(http.MethodGet, base, path, authorization)
			if path == "/v1/sessions/s" && want.status == 200 {
				want.status, want.code = 404, fault.CodeNotFound
			}
			if status != want.status || code != want.code {
				t.Errorf("%s with %.12q is answered %d %s %s, want %d", path, authorization, status, code, detail, want.status)
			}
		}
	}
	if status, _, _ := l.ask(http.MethodGet, base, usage, "Bearer "+operatorToken); status != http.StatusOK {
		t.Errorf("the operator is answered %d", status)
	}
	if status, code, _ := l.ask(http.MethodDelete, base, "/v1/applications/"+shop.String()+"/events", "Bearer wrong"); status != 429 {
		t.Errorf("erasing with a wrong token is answered %d %s", status, code)
	}
}
