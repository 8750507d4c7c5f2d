package ops

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type answer struct {
	Ready   bool
	Version string
	Checks  []checkResult
}

func probe(t *testing.T, h http.Handler, target string) (int, answer) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil))
	var a answer
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%s: %v: %s", target, err, w.Body)
	}
	return w.Code, a
}

func TestHealth(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		own, shared error
		ready, full int
	}{
		"well":          {nil, nil, 200, 200},
		"own broken":    {broken, nil, 503, 503},
		"shared broken": {nil, broken, 200, 503},
		"both broken":   {broken, broken, 503, 503},
	} {
		health := Health{
			{Name: "own", Probe: func(context.Context) error { return c.own }},
			{Name: "shared", Shared: true, Probe: func(context.Context) error { return c.shared }},
		}
		mux := http.NewServeMux()
		health.Register(mux, true)
		want := []checkResult{{Name: "own", OK: c.own == nil}, {Name: "shared", Shared: true, OK: c.shared == nil}}
		for i, err := range []error{c.own, c.shared} {
			if err != nil {
				want[i].Error = err.Error()
			}
		}
		for target, status := range map[string]int{"/readyz": c.ready, "/readyz?full": c.full, "/readyz?full=1": c.full} {
			code, a := probe(t, mux, target)
			if code != status || a.Ready != (status == 200) || a.Version != Version {
				t.Errorf("%s: %s answers %d %+v, want %d", name, target, code, a, status)
			}
			if diff := cmp.Diff(want, a.Checks); diff != "" {
				t.Errorf("%s: %s (-want +got):\n%s", name, target, diff)
			}
		}
		if code, _ := probe(t, mux, "/healthz"); code != 200 {
			t.Errorf("%s: /healthz answers %d", name, code)
		}
	}
}

// TestSlowProbes all run at once, and are given up together.
func TestSlowProbes(t *testing.T) {
	t.Parallel()
	slow := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	health := Health{{Name: "a", Probe: slow}, {Name: "b", Probe: slow}, {Name: "c", Probe: func(context.Context) error { return nil }}}
	mux := http.NewServeMux()
	health.Register(mux, true)
	begin := time.Now()
	code, a := probe(t, mux, "/readyz")
	if took := time.Since(begin); took < probeTimeout || took > 2*probeTimeout-probeTimeout/10 {
		t.Errorf("took %s, want about %s", took, probeTimeout)
	}
	if code != 503 || a.Checks[0].OK || a.Checks[1].OK || !a.Checks[2].OK {
		t.Errorf("answers %d %+v", code, a)
	}
}

func TestHealthBesideAnotherHandler(t *testing.T) {
	t.Parallel()
	h := http.NewServeMux()
	h.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	Health{}.Register(h, true)
	for target, want := range map[string]int{
		"GET /healthz": 200, "GET /readyz": 200, "GET /": 418, "GET /v1/events": 418, "POST /readyz": 405, "PUT /healthz": 405, "GET /metrics": 418,
	} {
		w := httptest.NewRecorder()
		method, path, _ := strings.Cut(target, " ")
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, nil))
		if w.Code != want {
			t.Errorf("%s answers %d, want %d", target, w.Code, want)
		}
	}
}
