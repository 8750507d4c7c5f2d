package ops

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"
)

// Time-outs of every HTTP server; net/http has none by itself, and without them slow clients hold connections for ever.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 30 * time.Second
	writeTimeout      = 60 * time.Second // longest read of the public ports, and a pprof profile of 30 s
	idleTimeout       = 120 * time.Second
	maxHeaderBytes    = 16 << 10
	drainTimeout      = 15 * time.Second
)

// Server is an HTTP server whose address is bound before anything runs.
type Server struct {
	listener net.Listener
	server   *http.Server
	log      *slog.Logger
}

// Listen binds an address, for TLS (with HTTP/2) when there is a configuration of it.
func Listen(name, address string, secure *tls.Config, handler http.Handler, log *slog.Logger) (*Server, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w", name, err)
	}
	log = log.With("port", name, "address", listener.Addr().String())
	return &Server{listener: listener, log: log, server: &http.Server{
		Handler:           handler,
		TLSConfig:         secure.Clone(), // net/http adds to it
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxStreams, MaxReceiveBufferPerConnection: maxStreamBuffer, MaxReceiveBufferPerStream: maxStreamBuffer,
		},
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}}, nil
}

// Addr is the bound address.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Run serves until Stop; it is an actor of a run group.
func (s *Server) Run() error {
	serve := s.server.Serve
	if s.server.TLSConfig != nil {
		serve = func(l net.Listener) error { return s.server.ServeTLS(l, "", "") }
	}
	s.log.Info("listening", "tls", s.server.TLSConfig != nil)
	if err := serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// Stop lets requests in hand finish, within drainTimeout.
func (s *Server) Stop(error) {
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	if err := s.server.Shutdown(ctx); err != nil {
		s.log.Warn("requests cut off while stopping", "error", err)
		_ = s.server.Close()
	}
}

// Handler is what the ops port serves: metrics, health and profiles.
func (t *Telemetry) Handler(health Health) http.Handler {
	mux := http.NewServeMux()
	health.Register(mux, true)
	mux.Handle("GET /metrics", t.Metrics)
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}
