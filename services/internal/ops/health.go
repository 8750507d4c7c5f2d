package ops

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/theeye-dev/theeye/services/internal/kit"
)

// probeTimeout is how long one check may take: a broken server shows within seconds.
const probeTimeout = 2 * time.Second

// Check is one thing that must be well for a service to serve.
type Check struct {
	Name string
	// Shared says that all replicas lose it together. It shows in every answer but fails only /readyz?full: taking
	// every replica out of rotation would turn a 503 with Retry-After into a refused connection.
	Shared bool
	// Quiet shows it only while it fails: for a name that says what is wrong.
	Quiet bool
	Probe func(context.Context) error
}

// Health answers /healthz and /readyz.
type Health []Check

type checkResult struct {
	Name   string `json:"name"`
	Shared bool   `json:"shared"`
	OK     bool   `json:"ok"`
	Error  string `json:"error,omitempty"`
}

// Register mounts /healthz (the process answers) and /readyz (200 when this replica may get requests; with ?full also
// what it shares with others must be well). Both bodies are JSON. With detail that of /readyz lists every check and its
// error, which is for operators only.
func (h Health) Register(mux *http.ServeMux, detail bool) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"ok":true}` + "\n"))
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		results, ready := h.run(r.Context(), r.URL.Query().Has("full"))
		w.Header().Set("Content-Type", "application/json")
		if !ready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		answer := map[string]any{"ready": ready}
		if detail {
			answer["version"], answer["checks"] = Version, results
		}
		_ = json.NewEncoder(w).Encode(answer) // the client may have gone
	})
	for _, path := range []string{"/healthz", "/readyz"} {
		mux.Handle(path, kit.MethodNotAllowed(http.MethodGet))
	}
}

func (h Health) run(ctx context.Context, full bool) (results []checkResult, ready bool) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	results, ready = make([]checkResult, len(h)), true
	var wg sync.WaitGroup
	for i, check := range h {
		wg.Go(func() {
			results[i] = checkResult{Name: check.Name, Shared: check.Shared, OK: true}
			if err := check.Probe(ctx); err != nil {
				results[i].OK, results[i].Error = false, err.Error()
			}
		})
	}
	wg.Wait()
	shown := results[:0]
	for i, r := range results {
		ready = ready && (r.OK || r.Shared && !full)
		if !r.OK || !h[i].Quiet {
			shown = append(shown, r)
		}
	}
	return shown, ready
}
