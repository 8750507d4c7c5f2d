package kit_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/keyring"
	"github.com/theeye-dev/theeye/services/internal/kit"
	"github.com/theeye-dev/theeye/services/internal/stream"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// newKeyring follows an application log with one application.
func newKeyring(t *testing.T) (ring *keyring.Keyring, clientID, key string) {
	t.Helper()
	client, err := stream.Open(testenv.Redis(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	uid := uuid.New()
	clientID = apikey.ClientID(uid)
	key = apikey.New("test", clientID, "1")
	record, err := json.Marshal(registry.Application{
		UID: uid, Namespace: "shop", Name: "a", ClientID: clientID, Revision: 1,
		Credentials: []registry.Credential{{ID: "1", SHA256: registry.Digest(apikey.HashOf(key))}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.HSet(t.Context(), registry.LatestKey, uid.String(), record, registry.FieldComplete, "1").Err(); err != nil {
		t.Fatal(err)
	}
	now := time.Now() // it stands still: what was read once stays fresh
	ring = keyring.New(func() time.Time { return now })
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = keyring.NewFollower(client, ring, slog.New(slog.DiscardHandler)).Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done; _ = client.Close() })
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(30 * time.Second); ring.Ready() != nil; <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatal(ring.Ready())
		}
	}
	return ring, clientID, key
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	ring, clientID, key := newKeyring(t)
	const good = ""
	for header, says := range map[string]string{
		"Bearer " + key:          good,
		"bearer " + key:          good,
		"BEARER   " + key + "  ": good,
		basic(clientID, key):     good,
		strings.ToLower("Basic") + basic(clientID, key)[5:]: good,
		"":                       "send Authorization",
		key:                      "send Authorization",
		"Bearer":                 "send Authorization",
		"Bearer ":                "mistyped",
		"Bearer x":               "mistyped",
		"Bearer x.y.z":           "neither an API key nor an access token",
		basic(clientID, "x.y.z"): "mistyped", // a token is no password
		"Token " + key:           "send Authorization",
		"Basic !!!":              "send Authorization",
		basic("", key):           "client id as user name",
		basic(key, ""):           "mistyped", // as user name alone, like elsewhere
		basic("other", key):      "of another client id",
		basic(clientID, "x"):     "mistyped",
		"Bearer " + apikey.New("test", clientID, "2"): "unknown",
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if header != "" {
			r.Header.Set("Authorization", header)
		}
		p, err := kit.Authenticate(t.Context(), ring, r)
		if says == good {
			if err != nil || p.Application.ClientID != clientID || p.Credential != "1" {
				t.Errorf("%q: got %+v, %v", header, p, err)
			}
			continue
		}
		answer := fault.ProblemOf(err)
		if err == nil || answer.Status != http.StatusUnauthorized || !strings.Contains(answer.Detail, says) {
			t.Errorf("%q: got %+v, %v", header, p, err)
		}
		h := http.Header{}
		answer.Header(h)
		if ways := h.Values("WWW-Authenticate"); len(ways) != 2 {
			t.Errorf("%q: WWW-Authenticate %q", header, ways)
		}
	}
}

// TestAuthenticateBeforeTheLogIsRead is 503 for everybody, whatever they send.
func TestAuthenticateBeforeTheLogIsRead(t *testing.T) {
	t.Parallel()
	for _, header := range []string{"", "Bearer x", basic("a", "b")} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", header)
		_, err = kit.Authenticate(t.Context(), keyring.New(time.Now), r)
		if p := fault.ProblemOf(err); p.Status != http.StatusServiceUnavailable || p.Code != fault.CodeStarting {
			t.Errorf("%q: got %v", header, err)
		}
	}
}
