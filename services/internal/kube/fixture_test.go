package kube_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"
	"k8s.io/client-go/rest"

	"github.com/theeye-dev/theeye/services/internal/admin"
	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/kube"
)

// clock is the time that a Reviewer sees; a test moves it.
type clock struct {
	mu  sync.Mutex
	off time.Duration
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.off)
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.off += d
}

// wire is the way to the API server: it counts requests, and a test can cut it or hold requests back.
type wire struct {
	mu    sync.Mutex
	count int
	held  chan struct{} // requests wait until it is closed
	cut   error

	began chan struct{} // one for each request
}

func (w *wire) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		w.mu.Lock()
		w.count++
		held, cut := w.held, w.cut
		w.mu.Unlock()
		w.began <- struct{}{}
		if held != nil {
			<-held
		}
		if cut != nil {
			return nil, cut
		}
		return next.RoundTrip(r)
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (w *wire) set(held chan struct{}, cut error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held, w.cut = held, cut
}

func (w *wire) reviews() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count
}

// fixture is a Reviewer for the audience theeye-auth, and what a test looks at it with.
type fixture struct {
	*testing.T
	*kube.Reviewer
	clock clock
	wire  wire
	log   *bytes.Buffer // read it when nothing is asked
}

func newFixture(t *testing.T, config *rest.Config, accounts ...string) *fixture {
	t.Helper()
	f := &fixture{T: t, wire: wire{began: make(chan struct{}, 1000)}, log: &bytes.Buffer{}}
	config = rest.CopyConfig(config)
	config.Wrap(f.wire.wrap)
	client, err := kube.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	metrics, err := kube.NewMetrics(noop.Meter{})
	if err != nil {
		t.Fatal(err)
	}
	var allowed kube.Accounts
	if err := allowed.Set(strings.Join(accounts, ",")); err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	f.Reviewer = kube.NewReviewer(client, kube.AudienceAuth, allowed, metrics, logger, f.clock.Now)
	return f
}

// ask authorizes a request with a token and returns the status that it would be answered with, and the error.
func ask(ctx context.Context, who admin.Authorizer, token string) (status int, err error) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	if err := who.Authorize(ctx, r); err != nil {
		return fault.ProblemOf(err).Status, err
	}
	return http.StatusOK, nil
}

// answers fails the test unless a token is answered with a status. No answer and no log may have the token.
func (f *fixture) answers(what, token string, want int) error {
	f.Helper()
	got, err := ask(f.Context(), f, token)
	if got != want {
		f.Errorf("%s: %d, want %d: %v", what, got, want, err)
	}
	if err != nil && len(token) > 20 && strings.Contains(err.Error(), token) || len(token) > 20 && strings.Contains(f.log.String(), token) {
		f.Errorf("%s: the token shows in %v or in the log:\n%s", what, err, f.log)
	}
	return err
}

// reviewed fails the test unless the API server was asked so often.
func (f *fixture) reviewed(what string, want int) {
	f.Helper()
	if got := f.wire.reviews(); got != want {
		f.Errorf("%s: %d reviews, want %d", what, got, want)
	}
}
