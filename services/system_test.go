package services_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/hack/servers"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// adminToken of every system under test.
const adminToken = "an-admin-token-for-tests-only"

// patience bounds every wait; a loaded machine under the race detector is slow, and a wait that ends late still passes.
const patience = 90 * time.Second

// system is TheEye as an operator runs it: three processes on a Redis and a PostgreSQL of their own.
type system struct {
	t                         *testing.T
	redis                     *servers.Redis
	postgresURL               string
	auth, ingest, persistence *testenv.Process
	client                    *http.Client
	posting                   atomic.Int64 // posts that wait for their answer
}

// newSystem starts everything. With postgresURL "" the database is a fresh one on the shared server. extra is put into
// the services' environment.
func newSystem(t *testing.T, postgresURL string, extra ...string) *system {
	t.Helper()
	if postgresURL == "" {
		postgresURL = testenv.Postgres(t)
	}
	s := &system{t: t, redis: testenv.OwnRedis(t), postgresURL: postgresURL}
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	s.client = &http.Client{Transport: testenv.Contract(t, transport), Timeout: patience}
	env := append([]string{
		"THEEYE_REDIS_URL=" + s.redis.URL(), "THEEYE_POSTGRES_URL=" + postgresURL, "THEEYE_ADMIN_TOKEN=" + adminToken,
		"THEEYE_REPLICA=persistence-0",
	}, extra...)
	s.auth = testenv.Start(t, testenv.Options{Name: "auth", Env: env})
	s.ingest = testenv.Start(t, testenv.Options{Name: "ingest", Env: env})
	s.persistence = testenv.Start(t, testenv.Options{Name: "persistence", Env: env})
	return s
}

// application is a registered client app.
type application struct {
	uid           uuid.UUID
	clientID, key string
}

// register makes an application with one credential known to auth.
func (s *system) register(name string, policy registry.Policy) application {
	s.t.Helper()
	a := s.enrol(name, policy)
	eventually(s.t, func() error { // auth has answered: within a second ingest knows
		if status, body := s.post(a, `[]`); status != http.StatusBadRequest {
			return fmt.Errorf("an empty post is answered %d %s", status, body)
		}
		return nil
	})
	return a
}

// enrol is register for an application that ingest may refuse.
func (s *system) enrol(name string, policy registry.Policy) application {
	s.t.Helper()
	a := application{uid: uuid.New()}
	a.clientID = apikey.ClientID(a.uid)
	a.key = apikey.New("test", a.clientID, "1")
	s.mustAdmin(http.MethodPut, a.path(), registry.DesiredApplication{Namespace: "shop", Name: name, Policy: policy})
	s.mustAdmin(http.MethodPut, a.path()+"/credentials/1", registry.DesiredCredential{SHA256: registry.Digest(apikey.HashOf(a.key))})
	return a
}

func (a application) path() string { return "/v1/applications/" + a.uid.String() }

func (s *system) mustAdmin(method, path string, body any) {
	s.t.Helper()
	encoded, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	status, answer := s.do(method, s.auth.URL+path, "Bearer "+adminToken, encoded)
	if status/100 != 2 {
		s.t.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
}

// do sends a request; status 0 is a broken connection.
func (s *system) do(method, target, authorization string, body []byte) (status int, answer []byte) {
	request, err := http.NewRequestWithContext(context.Background(), method, target, bytes.NewReader(body))
	if err != nil {
		return 0, []byte(err.Error())
	}
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := s.client.Do(request)
	if err != nil {
		return 0, []byte(err.Error())
	}
	defer response.Body.Close() //nolint:errcheck // only read
	answer, err = io.ReadAll(response.Body)
	if err != nil {
		return 0, []byte(err.Error())
	}
	return response.StatusCode, answer
}

func (s *system) post(a application, body string) (status int, answer []byte) {
	s.posting.Add(1)
	defer s.posting.Add(-1)
	return s.do(http.MethodPost, s.ingest.URL+"/v1/events", "Bearer "+a.key, []byte(body))
}

// insist posts until the answer is final, as a client does that loses nothing: with the same ids.
func (s *system) insist(ctx context.Context, a application, body string) (attempts int, err error) {
	pause := time.NewTicker(20 * time.Millisecond)
	defer pause.Stop()
	for {
		attempts++
		status, answer := s.post(a, body)
		switch {
		case status == http.StatusAccepted:
			return attempts, nil
		case status != 0 && status != http.StatusServiceUnavailable:
			return attempts, fmt.Errorf("answered %d %s", status, answer)
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return attempts, fmt.Errorf("not accepted in time; the last answer was %d %s", status, answer)
		}
	}
}

// read is an event as persistence returns it.
type read struct {
	ID        string          `json:"id"`
	SessionID string          `json:"session_id"`
	Type      string          `json:"type"`
	Data      json.RawMessage `json:"data"`
	Timestamp time.Time       `json:"timestamp"`
	Public    bool            `json:"public"`
	// Attributes of a CloudEvent.
	Attributes map[string]any `json:"attributes"`
}

// events reads all pages of a query.
func (s *system) events(a application, query url.Values) ([]read, error) {
	var all []read
	query.Set("limit", "1000")
	for {
		status, body := s.do(http.MethodGet, s.persistence.URL+"/v1/events?"+query.Encode(), "Bearer "+a.key, nil)
		if status != http.StatusOK {
			return nil, fmt.Errorf("read events: %d %s", status, body)
		}
		var page struct {
			Events     []read `json:"events"`
			NextCursor string `json:"next_cursor"`
		}
		if err := json.Unmarshal(body, &page); err != nil {
			return nil, fmt.Errorf("read events: %w", err)
		}
		all = append(all, page.Events...)
		if page.NextCursor == "" {
			return all, nil
		}
		query.Set("cursor", page.NextCursor)
	}
}

// failure is a failure as persistence returns it.
type failure struct {
	ID       string   `json:"id"`
	Code     string   `json:"code"`
	Stage    string   `json:"stage"`
	State    string   `json:"state"`
	Pointers []string `json:"pointers"`
	Original string   `json:"original"`
	EventID  string   `json:"event_id"`
}

func (s *system) failures(a application) ([]failure, error) {
	status, body := s.do(http.MethodGet, s.persistence.URL+"/v1/failures", "Bearer "+a.key, nil)
	if status != http.StatusOK {
		return nil, fmt.Errorf("read failures: %d %s", status, body)
	}
	var page struct {
		Failures []failure `json:"failures"`
	}
	err := json.Unmarshal(body, &page)
	return page.Failures, err
}

// awaitEvents waits until a query has n events.
func (s *system) awaitEvents(a application, query url.Values, n int) (found []read) {
	s.t.Helper()
	eventually(s.t, func() (err error) {
		query.Del("cursor")
		if found, err = s.events(a, query); err == nil && len(found) != n {
			err = fmt.Errorf("%d events are stored, want %d", len(found), n)
		}
		return err
	})
	return found
}

// eventually tries until f succeeds.
func eventually(t *testing.T, f func() error) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	retry := time.NewTicker(50 * time.Millisecond)
	defer retry.Stop()
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-retry.C:
		case <-deadline.C:
			t.Fatal(err)
		}
	}
}
