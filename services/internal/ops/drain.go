package ops

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/oklog/run"
)

// Ports are a process' HTTP servers, and how they end.
type Ports struct {
	Public     *Server // nil without a public port
	Operations *Server

	delay    time.Duration
	log      *slog.Logger
	draining atomic.Bool
}

// Stopped is an actor of a run group, the first: it ends by SIGTERM or an interrupt, after the drain. Everything else goes
// on meanwhile, for requests still come until whoever sends them has seen that this replica is going.
func (p *Ports) Stopped(ctx context.Context) (execute func() error, interrupt func(error)) {
	return Actor(ctx, func(ctx context.Context) error {
		got := make(chan os.Signal, 1)
		signal.Notify(got, os.Interrupt, syscall.SIGTERM)
		defer signal.Stop(got) // from here on a signal ends the process at once
		return p.drain(ctx, got)
	})
}

// drain waits for a signal and then for the end of the delay, which another signal ends at once.
func (p *Ports) drain(ctx context.Context, signals <-chan os.Signal) error {
	stopped := &run.SignalError{}
	select {
	case stopped.Signal = <-signals:
	case <-ctx.Done():
		return ctx.Err()
	}
	p.draining.Store(true)
	p.log.InfoContext(ctx, "stopping", "signal", stopped.Signal.String(), "drain_delay", p.delay.String())
	if p.delay <= 0 {
		return stopped
	}
	timer := time.NewTimer(p.delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-signals:
	case <-ctx.Done(): // another actor failed, and tells why
	}
	return stopped
}

// errDraining is what /readyz tells.
var errDraining = errors.New("the process was told to stop; requests are still served for a while")

func (p *Ports) probe(context.Context) error {
	if p.draining.Load() {
		return errDraining
	}
	return nil
}

// moving has every answer of a drain close its connection, so that clients that keep theirs make a new one elsewhere;
// over HTTP/2 net/http sends GOAWAY for it. Idle connections stay until Shutdown: to close one (as SetKeepAlivesEnabled
// does) can break the very request that is on its way over it.
func (p *Ports) moving(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// close gives bound addresses back that were never served.
func (p *Ports) close() error {
	if p.Public == nil {
		return nil
	}
	return p.Public.listener.Close()
}
