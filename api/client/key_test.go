package client_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/theeye-dev/theeye/api/client"
)

// onlyKey accepts who shows the key that valid returns, and answers 401 to others.
func onlyKey(valid func() string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+valid() {
			problem(401, "credential.invalid")(w, r)
			return
		}
		accept(w, r)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRotatedKeyIsReadAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path, valid := filepath.Join(t.TempDir(), "api-key"), "first"
		write(t, path, "first\n")
		server := serve(t, answers{onlyKey(func() string { return valid })})
		c := server.client(t, func(config *client.Config) { config.Key = client.KeyFile(path) })
		post := func() error {
			_, err := c.Post(t.Context(), events(1))
			return err
		}
		if err := post(); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		valid = "second"
		write(t, path, "second\n")
		if err := post(); err != nil || !time.Now().Equal(begin) {
			t.Errorf("after the rotation, %s later: %v", time.Since(begin), err)
		}
		if n := len(server.got()); n != 3 { // one was refused
			t.Errorf("%d requests", n)
		}
		// Within the overlap both are valid: the new one is used after a minute all the same.
		write(t, path, "third")
		time.Sleep(time.Minute) //nolint:forbidigo // of the bubble
		valid = "third"
		if err := post(); err != nil || len(server.got()) != 4 {
			t.Errorf("after a minute, with %d requests: %v", len(server.got()), err)
		}
		// While the file is away the key before is used.
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) //nolint:forbidigo // of the bubble
		if err := post(); err != nil {
			t.Errorf("without the file: %v", err)
		}
	})
}

// TestSenderWaitsForItsKey: one that is missing, wrong, or not valid any more until a Secret is mounted anew.
func TestSenderWaitsForItsKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "api-key")
		server := serve(t, answers{onlyKey(func() string { return key })})
		c := server.client(t, func(config *client.Config) { config.Key = client.KeyFile(path) })
		if _, err := c.Post(t.Context(), events(1)); !errors.Is(err, os.ErrNotExist) || len(server.got()) != 0 {
			t.Errorf("without a key, Post answers %v", err)
		}
		s := sender(t, c, client.SenderConfig{})
		send(t, s, 1)
		for _, content := range []string{" \n", "with\x00control", "wrong"} {
			time.Sleep(time.Minute) //nolint:forbidigo // of the bubble
			write(t, path, content)
		}
		time.Sleep(time.Minute) //nolint:forbidigo // of the bubble
		if n := s.Stats().Accepted; n != 0 {
			t.Fatalf("%d accepted", n)
		}
		write(t, path, key)
		closed(t, s)
		if n := s.Stats().Accepted; n != 1 {
			t.Errorf("%d accepted", n)
		}
	})
}

// TestKeyFunctionIsAskedSparingly: it may fetch a token from elsewhere.
func TestKeyFunctionIsAskedSparingly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		server := serve(t, answers{accept, accept, accept, problem(401, "credential.invalid")})
		c := server.client(t, func(config *client.Config) {
			config.Key = func(context.Context) (string, error) {
				asked++
				return fmt.Sprintf("token%d", asked), nil
			}
		})
		for range 3 {
			if _, err := c.Post(t.Context(), events(1)); err != nil {
				t.Fatal(err)
			}
		}
		if asked != 1 {
			t.Errorf("asked %d times", asked)
		}
		// A source with a new token each time, none of which is valid, does not make a busy loop.
		if _, err := c.Post(t.Context(), events(1)); err == nil || asked != 2 || len(server.got()) != 5 {
			t.Errorf("%v after asking %d times and %d requests", err, asked, len(server.got()))
		}
	})
}

func TestWhatIsNoKeyIsNotSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := serve(t, answers{accept})
		for _, text := range []string{"", " \n", "a b", "a\r\nHost: x", "a\x00", "clé"} {
			c := server.client(t, func(config *client.Config) { config.Key, config.ClientID = client.StaticKey(text), "eye_1" })
			if _, err := c.Post(t.Context(), events(1)); err == nil || !strings.HasPrefix(err.Error(), "read key: ") {
				t.Errorf("%q: %v", text, err)
			}
		}
		if n := len(server.got()); n != 0 {
			t.Errorf("%d requests", n)
		}
	})
}

func TestClientIDMakesBasic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := serve(t, answers{accept})
		c := server.client(t, func(config *client.Config) { config.ClientID = "eye_1" })
		if _, err := c.Post(t.Context(), events(1)); err != nil {
			t.Fatal(err)
		}
		r := http.Request{Header: server.got()[0].header}
		if id, secret, ok := r.BasicAuth(); !ok || id != "eye_1" || secret != key {
			t.Errorf("sent %q", r.Header.Get("Authorization"))
		}
	})
}

// roundTrip is a transport that fmt does not look into, while its goroutines write there.
type roundTrip func(*http.Request) (*http.Response, error)

func (r roundTrip) RoundTrip(request *http.Request) (*http.Response, error) { return r(request) }

// TestKeyIsNeverShown: whatever is printed, logged or answered.
func TestKeyIsNeverShown(t *testing.T) {
	t.Parallel()
	for _, clientID := range []string{"", "eye_1"} {
		synctest.Test(t, func(t *testing.T) {
			echo := func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusBadRequest)
				_, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
				_ = json.NewEncoder(w).Encode(map[string]any{"code": "request.malformed", "detail": key + strings.Repeat("x", 450) + secret})
			}
			redirect := func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "http://other.example/?"+r.Header.Get("Authorization"), http.StatusFound)
			}
			server := serve(t, answers{echo, redirect, problem(401, "credential.invalid"), broken})
			config := client.Config{URL: "http://ingest.example", Key: client.StaticKey(key), ClientID: clientID, RetryFor: -1}
			transport := &http.Transport{DialContext: server.dial}
			defer transport.CloseIdleConnections()
			config.Transport = roundTrip(transport.RoundTrip)
			c, err := client.New(config)
			if err != nil {
				t.Fatal(err)
			}
			s := sender(t, c, client.SenderConfig{})
			shown := []any{config, &config, c, s, struct{ hidden *client.Client }{c}}
			for range 4 {
				_, err := c.Post(t.Context(), events(1))
				if err == nil {
					t.Fatal("no error")
				}
				shown = append(shown, err)
			}
			if got := fmt.Sprintf("%+v", c); got != "client of http://ingest.example/v1/events" {
				t.Errorf("the client prints as %s", got)
			}
			hidden := []string{key, key[:20], base64.StdEncoding.EncodeToString([]byte(clientID + ":" + key))}
			for _, text := range texts(shown) {
				for _, secret := range hidden {
					if strings.Contains(text, secret) {
						t.Errorf("the key is in %s", text)
					}
				}
			}
			for _, r := range server.got() {
				if r.host != "ingest.example" {
					t.Errorf("a redirect led to %s", r.host)
				}
			}
		})
	}
}

// texts are the ways in which people print values.
func texts(values []any) []string {
	var all []string
	for _, v := range values {
		for _, form := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			all = append(all, fmt.Sprintf(form, v))
		}
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("shown", "value", v)
		slog.New(slog.NewTextHandler(&log, nil)).Info("shown", "value", v)
		encoded, _ := json.Marshal(v) // what has no JSON form shows nothing
		all = append(all, log.String(), string(encoded))
	}
	return all
}

// TestKeyThatIsNotLookedAt: an address with too many wrong keys is not told whether this one is wrong. It is tried once
// more, then that is told; another key that the source has by then is tried at once.
func TestKeyThatIsNotLookedAt(t *testing.T) {
	t.Parallel()
	crowded := problem(429, "credential.too_many_failures", "Retry-After", "3")
	wrong := problem(401, "credential.invalid")
	for name, c := range map[string]struct {
		script   answers
		requests int
		status   int // of the error; 0: none
		waited   bool
	}{
		"right after all":     {answers{crowded, accept}, 2, 0, true},
		"wrong":               {answers{crowded, wrong}, 2, 401, true},
		"never looked at":     {answers{crowded}, 2, 429, true},
		"after an outage":     {answers{problem(503, "service.starting"), crowded, accept}, 3, 0, true},
		"too many events":     {answers{problem(429, "rate.exceeded"), problem(429, "rate.exceeded"), accept}, 3, 0, false},
		"wrong, then crowded": {answers{wrong, crowded}, 1, 401, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server, begin := serve(t, c.script), time.Now()
				_, err := server.client(t).Post(t.Context(), events(1))
				var answer *client.AnswerError
				if errors.As(err, &answer); answer == nil && c.status != 0 || answer != nil && answer.Status != c.status {
					t.Errorf("%v, want status %d", err, c.status)
				}
				if n := len(server.got()); n != c.requests || c.waited && time.Since(begin) < 3*time.Second {
					t.Errorf("%d requests in %s, want %d", n, time.Since(begin), c.requests)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		asked, begin := 0, time.Now()
		server := serve(t, answers{crowded, accept})
		c := server.client(t, func(config *client.Config) {
			config.Key = func(context.Context) (string, error) { asked++; return fmt.Sprintf("key%d", asked), nil }
		})
		if _, err := c.Post(t.Context(), events(1)); err != nil || asked != 2 || time.Since(begin) > time.Second {
			t.Errorf("%v after asking %d times, in %s", err, asked, time.Since(begin))
		}
	})
}
