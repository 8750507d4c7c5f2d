package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/admin"
	"github.com/theeye-dev/theeye/services/internal/keyring"
	"github.com/theeye-dev/theeye/services/internal/kit"
	"github.com/theeye-dev/theeye/services/internal/postgres"
	"github.com/theeye-dev/theeye/services/internal/stream"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

const (
	adminToken    = "the-admin-token"
	issuer        = "https://auth.example.com"
	encryptionKey = "an encryption key of 32 bytes or more"
)

// fixture is an auth service on real servers, and what a test looks at it with.
type fixture struct {
	*testing.T
	pool    *pgxpool.Pool
	redis   redis.UniversalClient
	service *Service
	healer  *healer
	keys    *keyring.Keyring
	url     string
	clock   *clock
	serve   func(*Tokens) (url string) // another replica's port, until the test ends
}

// clock is the time that the service sees; a test moves it.
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

// newFixture starts a service whose database is migrated and whose log is complete. Nothing heals in the background:
// a test says when.
func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := newFixtureOn(t, testenv.Postgres(t), testenv.Redis(t).URL())
	f.pass()
	return f
}

func newFixtureOn(t *testing.T, postgresURL, redisURL string) *fixture {
	t.Helper()
	pool, err := postgres.Open(t.Context(), postgres.Options{URL: postgresURL, MaxConns: 8})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	client, err := stream.Open(redisURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	f := &fixture{T: t, pool: pool, redis: client, clock: &clock{}}
	metrics, err := NewMetrics(noop.Meter{})
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(t.Output(), nil))
	f.service = NewService(NewStore(pool), NewLog(client), f.newSigner(issuer, encryptionKey), metrics, logger, f.clock.Now)
	f.healer = &healer{Service: f.service}
	token, err := admin.Static(adminToken)
	if err != nil {
		t.Fatal(err)
	}
	observer, err := kit.NewObserver(logger, noop.Meter{}, false)
	if err != nil {
		t.Fatal(err)
	}
	f.keys = keyring.New(f.clock.Now)
	f.serve = func(tokens *Tokens) string {
		server := httptest.NewServer(NewHandler(f.service, token, tokens, observer))
		t.Cleanup(server.Close)
		return server.URL
	}
	f.url = f.serve(NewTokens(f.service.signer, f.keys, nil, f.clock.Now))
	return f
}

// newSigner returns another signer on the fixture's servers.
func (f *fixture) newSigner(issuer, encryptionKey string) *Signer {
	f.Helper()
	sealer, err := NewSealer(encryptionKey)
	if err != nil {
		f.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(f.Output(), nil))
	return NewSigner(NewStore(f.pool), NewLog(f.redis), logger, f.clock.Now, SignerOptions{Issuer: issuer, Sealer: sealer})
}

// pass heals once.
func (f *fixture) pass() {
	f.Helper()
	if stage, err := f.healer.pass(f.Context()); err != nil {
		f.Fatalf("%s: %v", stage, err)
	}
}

// run heals in the background until the test ends.
func (f *fixture) run() {
	ctx, cancel := context.WithCancel(f.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.service.Run(ctx) }()
	f.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			f.Errorf("run: %v", err)
		}
	})
}

// eventually polls until something holds, at most as long as an outage and its back-off may take.
func (f *fixture) eventually(what string, holds func() bool) {
	f.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline.C:
			f.Fatalf("never: %s", what)
		}
	}
}

// do sends a request as the admin and checks the status; into may be nil.
func (f *fixture) do(method, path string, body any, status int, into any) {
	f.Helper()
	if got, answer := f.send(method, path, body, adminToken); got != status {
		f.Fatalf("%s %s: status %d, want %d: %s", method, path, got, status, answer)
	} else if into != nil {
		if err := json.Unmarshal(answer, into); err != nil {
			f.Fatalf("%s %s: %v in %s", method, path, err, answer)
		}
	}
}

func (f *fixture) send(method, path string, body any, token string) (status int, answer []byte) {
	f.Helper()
	raw, isText := body.(string)
	if !isText && body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			f.Fatal(err)
		}
		raw = string(encoded)
	}
	r, err := http.NewRequestWithContext(f.Context(), method, f.url+path, bytes.NewBufferString(raw))
	if err != nil {
		f.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := testenv.HTTP(f).Do(r)
	if err != nil {
		f.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // only read
	answer, err = io.ReadAll(response.Body)
	if err != nil {
		f.Fatal(err)
	}
	if response.StatusCode >= 400 && response.Header.Get("Content-Type") != "application/problem+json" {
		f.Fatalf("%s %s: %d is no problem document: %s", method, path, response.StatusCode, answer)
	}
	return response.StatusCode, answer
}

// put registers an application and returns its record.
func (f *fixture) put(uid uuid.UUID, name string) (app registry.Application) {
	f.Helper()
	status, answer := f.send("PUT", path(uid), desired(name), adminToken)
	if status != http.StatusOK && status != http.StatusCreated {
		f.Fatalf("put %s: %d %s", name, status, answer)
	}
	if err := json.Unmarshal(answer, &app); err != nil {
		f.Fatal(err)
	}
	return app
}

// stored returns the record in the log; it must be there.
func (f *fixture) stored(uid uuid.UUID) registry.Application {
	f.Helper()
	app, found, err := f.service.log.Stored(f.Context(), uid)
	if err != nil || !found {
		f.Fatalf("record of %s: found %v, %v", uid, found, err)
	}
	return app
}

// load returns the application in the database; it must be there.
func (f *fixture) load(uid uuid.UUID) registry.Application {
	f.Helper()
	app, err := f.service.store.Load(f.Context(), uid)
	if err != nil {
		f.Fatal(err)
	}
	return app
}

func (f *fixture) exec(sql string, args ...any) {
	f.Helper()
	if _, err := f.pool.Exec(f.Context(), sql, args...); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) complete() bool { return f.service.Complete(f.Context()) == nil }

func path(uid uuid.UUID) string { return "/v1/applications/" + uid.String() }

func credentialPath(uid uuid.UUID, id string) string { return path(uid) + "/credentials/" + id }

func desired(name string) registry.DesiredApplication {
	return registry.DesiredApplication{Namespace: "shop", Name: name}
}

func credential(key string) registry.DesiredCredential {
	return registry.DesiredCredential{SHA256: registry.Digest(apikey.HashOf(key))}
}
