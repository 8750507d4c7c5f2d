package load

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
)

// Report is a run that has ended: what was sent, and what came back.
type Report struct {
	Progress
	Readback Readback `json:"readback"`
}

// Server lets the suite steer the app, through the API server's proxy to the pod.
type Server struct {
	ctx         context.Context //nolint:containedctx // of the process: runs outlive the request that starts them
	instance    string
	client      *Client
	credentials *Credentials

	mu   sync.Mutex
	runs []*Run
}

// NewServer makes the app's server; the instance tells its ids from another process' and has to be new for each.
func NewServer(ctx context.Context, instance string, client *Client, credentials *Credentials) *Server {
	return &Server{ctx: ctx, instance: instance, client: client, credentials: credentials}
}

// Handler is the app's own interface.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.HandleFunc("POST /start", s.start)
	mux.HandleFunc("GET /progress", s.progress)
	mux.HandleFunc("POST /stop", s.stop)
	mux.HandleFunc("POST /once", s.once)
	mux.HandleFunc("GET /total", s.total)
	return mux
}

// start begins a run, with a Plan as its body.
func (s *Server) start(w http.ResponseWriter, r *http.Request) {
	var plan Plan
	if err := json.NewDecoder(r.Body).Decode(&plan); err != nil || plan.Run == "" || plan.Rate < 1 || plan.Batch < 1 {
		http.Error(w, fmt.Sprintf("not a plan: %v, %+v", err, plan), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs = append(s.runs, Start(s.ctx, plan, s.instance, s.client, s.credentials))
	w.WriteHeader(http.StatusNoContent)
}

// latest is the run that began last, or nil.
func (s *Server) latest() *Run {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.runs) == 0 {
		return nil
	}
	return s.runs[len(s.runs)-1]
}

func (s *Server) progress(w http.ResponseWriter, _ *http.Request) {
	run := s.latest()
	if run == nil {
		http.Error(w, "no run", http.StatusNotFound)
		return
	}
	answerJSON(w, run.Progress())
}

// stop ends the latest run, settles it and reads it back.
func (s *Server) stop(w http.ResponseWriter, r *http.Request) {
	run := s.latest()
	if run == nil {
		http.Error(w, "no run", http.StatusNotFound)
		return
	}
	run.Stop()
	report := Report{Progress: run.Progress()}
	if r.URL.Query().Get("read") == "no" { // the application is gone, and reads nothing any more
		answerJSON(w, report)
		return
	}
	var err error
	if report.Readback, err = Check(r.Context(), s.client, s.credentials, []*Run{run}); err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	answerJSON(w, report)
}

// total reads back all that this app ever sent, and whatever else there is of it.
func (s *Server) total(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	runs := append([]*Run(nil), s.runs...)
	s.mu.Unlock()
	result, err := Check(r.Context(), s.client, s.credentials, runs)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	answerJSON(w, result)
}

// once asks about a version of the credential, or about a token that was got for it.
func (s *Server) once(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	version, _ := strconv.Atoi(query.Get("version"))
	credential, _, _ := s.credentials.Version(version)
	status, err := s.client.once(r.Context(), identity{credential, query.Get("as") == "token"})
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	answerJSON(w, status)
}

func answerJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // whoever asked has gone
}
