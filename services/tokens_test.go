package services_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/stream"
)

// token gets an access token with some scopes; none are all.
func (s *system) token(a application, scopes ...string) string {
	s.t.Helper()
	config := clientcredentials.Config{ClientID: a.clientID, ClientSecret: a.key, TokenURL: s.auth.URL + "/v1/token", Scopes: scopes}
	got, err := config.Token(context.WithValue(s.t.Context(), oauth2.HTTPClient, s.client))
	if err != nil {
		s.t.Fatal(err)
	}
	return got.AccessToken
}

// doors are what a token opens: posting, and each way to read.
func (s *system) doors(a application, token string) map[string]func() (int, []byte) {
	get := func(path string) func() (int, []byte) {
		return func() (int, []byte) { return s.do(http.MethodGet, s.persistence.URL+path, "Bearer "+token, nil) }
	}
	return map[string]func() (int, []byte){
		"post": func() (int, []byte) {
			return s.do(http.MethodPost, s.ingest.URL+"/v1/events", "Bearer "+token, []byte(sound))
		},
		"events":   get("/v1/events"),
		"session":  get("/v1/sessions/s"),
		"failures": get("/v1/failures"),
		"usage":    get(a.path() + "/usage"),
	}
}

// TestAccessTokensStory: got with the secret, a token posts and reads, allows no more than it was asked for, goes on over
// restarts of all services, and ends everywhere within a second of its credential.
func TestAccessTokensStory(t *testing.T) {
	s := newSystem(t, "")
	a, other := s.register("web", registry.Policy{}), s.register("other", registry.Policy{})
	token := s.token(a)
	config := clientcredentials.Config{ClientID: a.clientID, ClientSecret: a.key, TokenURL: s.auth.URL + "/v1/token"}
	client := config.Client(context.WithValue(t.Context(), oauth2.HTTPClient, s.client))
	response, err := client.Post(s.ingest.URL+"/v1/events", "application/json", strings.NewReader(sound))
	if err != nil {
		t.Fatal(err)
	}
	if _ = response.Body.Close(); response.StatusCode != http.StatusAccepted {
		t.Errorf("an OAuth 2.0 client posts and is answered %d", response.StatusCode)
	}
	s.awaitEvents(a, url.Values{}, 1)
	for name, ask := range s.doors(a, token) {
		if status, body := ask(); status/100 != 2 {
			t.Errorf("%s: answered %d %s", name, status, body)
		}
	}
	if found := s.awaitEvents(a, url.Values{}, 2); len(s.awaitEvents(other, url.Values{}, 0)) != 0 || found[0].SessionID != "s" {
		t.Errorf("stored %+v", found)
	}
	s.insufficient(a)
	if status, body := s.do(http.MethodGet, s.persistence.URL+other.path()+"/usage", "Bearer "+token, nil); status != http.StatusForbidden {
		t.Errorf("another one's usage: answered %d %s", status, body)
	}
	for _, p := range []interface{ Restart() }{s.auth, s.ingest, s.persistence} {
		p.Restart()
	}
	for name, ask := range s.doors(a, token) {
		if status, body := ask(); status/100 != 2 {
			t.Errorf("%s after restarts: answered %d %s", name, status, body)
		}
	}
	s.mustAdmin(http.MethodDelete, a.path()+"/credentials/1", nil)
	s.refusedWithinASecond(a, token)
	if status, body := s.do(http.MethodGet, s.persistence.URL+"/v1/events", "Bearer "+s.token(other), nil); status != http.StatusOK {
		t.Errorf("another one's token: answered %d %s", status, body)
	}
}

// insufficient shows that a token allows what it was got for, and the answers say what it lacks.
func (s *system) insufficient(a application) {
	s.t.Helper()
	for scope, lacks := range map[string]string{"events:read": "events:write", "events:write": "events:read"} {
		for name, ask := range s.doors(a, s.token(a, scope)) {
			status, body := ask()
			if allowed := (name == "post") == (scope == "events:write"); allowed != (status/100 == 2) {
				s.t.Errorf("%s with %s: answered %d %s", name, scope, status, body)
			} else if !allowed && (status != http.StatusForbidden || problem(body) != "permission.denied" || !strings.Contains(string(body), lacks)) {
				s.t.Errorf("%s with %s: answered %d %s", name, scope, status, body)
			}
		}
	}
}

// refusedWithinASecond waits until all doors refuse a token, and fails where one opens later than is promised.
func (s *system) refusedWithinASecond(a application, token string) {
	s.t.Helper()
	answered := time.Now()
	for name, ask := range s.doors(a, token) {
		eventually(s.t, func() error {
			sent := time.Now()
			status, body := ask()
			if status/100 == 2 && sent.Sub(answered) > time.Second {
				s.t.Errorf("%s: answered %d %s after the revocation", name, status, sent.Sub(answered))
			}
			if status != http.StatusUnauthorized || problem(body) != "credential.invalid" {
				return fmt.Errorf("%s: answered %d %s", name, status, body)
			}
			return nil
		})
	}
}

// TestTokensOfASuspendedApplication open nothing at the door, and there are no new ones.
func TestTokensOfASuspendedApplication(t *testing.T) {
	s := newSystem(t, "")
	a := s.register("web", registry.Policy{})
	token := s.token(a)
	s.mustAdmin(http.MethodPut, a.path(), registry.DesiredApplication{Namespace: "shop", Name: "web", Policy: registry.Policy{Suspended: true}})
	eventually(t, func() error {
		status, body := s.do(http.MethodPost, s.ingest.URL+"/v1/events", "Bearer "+token, []byte(sound))
		if status != http.StatusForbidden || problem(body) != "application.suspended" {
			return fmt.Errorf("answered %d %s", status, body)
		}
		return nil
	})
	eventually(t, func() error {
		config := clientcredentials.Config{ClientID: a.clientID, ClientSecret: a.key, TokenURL: s.auth.URL + "/v1/token"}
		_, err := config.Token(context.WithValue(t.Context(), oauth2.HTTPClient, s.client))
		if err == nil || !strings.Contains(err.Error(), "unauthorized_client") {
			return fmt.Errorf("a new token: %w", err)
		}
		return nil
	})
}

// TestTokensOverALostLog: Redis forgets everything, and no good token is called wrong at any moment.
func TestTokensOverALostLog(t *testing.T) {
	s := newSystem(t, "")
	a := s.register("web", registry.Policy{})
	token := s.token(a)
	s.flushLog()
	eventually(t, func() error {
		status, body := s.do(http.MethodPost, s.ingest.URL+"/v1/events", "Bearer "+token, []byte(sound))
		if status == http.StatusUnauthorized {
			t.Fatalf("a good token is answered %d %s", status, body)
		}
		if _, err := s.logged(); err != nil || status != http.StatusAccepted {
			return fmt.Errorf("answered %d %s, log %w", status, body, err)
		}
		return nil
	})
}

// inspect looks into Redis beside the services.
func (s *system) inspect() redis.UniversalClient {
	s.t.Helper()
	client, err := stream.Open(s.redis.URL())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = client.Close() })
	return client
}

// flushLog loses the application log.
func (s *system) flushLog() {
	s.t.Helper()
	if err := s.inspect().Del(s.t.Context(), registry.LogKey, registry.LatestKey).Err(); err != nil {
		s.t.Fatal(err)
	}
}

// logged are the signing keys in a log that is whole.
func (s *system) logged() (keys registry.SigningKeys, err error) {
	found, err := s.inspect().HMGet(s.t.Context(), registry.LatestKey, registry.FieldComplete, registry.FieldKeys).Result()
	if err != nil || found[0] == nil || found[1] == nil {
		return keys, fmt.Errorf("the log has %v: %w", found, err)
	}
	text, _ := found[1].(string)
	return keys, json.Unmarshal([]byte(text), &keys)
}
