package persistence

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	metricnoop "go.opentelemetry.io/otel/metric/noop"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/services/internal/admin"
	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/keyring"
	"github.com/theeye-dev/theeye/services/internal/kit"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// operator knows one token, as a TokenReview would.
type operator struct{}

const operatorToken = "an-operator-token-for-tests"

// accessToken says that it is one of ours, and is none.
const accessToken = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.e30." // {"alg":"none","typ":"at+jwt"}

func (operator) Authorize(_ context.Context, r *http.Request) error {
	switch token, _ := kit.Bearer(r); token {
	case operatorToken:
		return nil
	case "another-service-account":
		return fault.New(fault.CodeForbidden, "the token is another ServiceAccount's; the operator's is missing")
	case "while-the-api-server-is-away":
		return errors.New("secret cause")
	}
	if token, _ := kit.Bearer(r); strings.HasPrefix(token, keyPrefix) || keyring.IsToken(token) {
		return errors.New("an API key or an access token was shown to the API server")
	}
	return fault.New(fault.CodeUnauthenticated, "the token is unknown")
}

// ask sends a request with an Authorization header and returns status, code and detail of its problem.
func (l *library) ask(method, base, path, authorization string) (status int, code fault.Code, detail string) {
	l.Helper()
	request, err := http.NewRequestWithContext(l.Context(), method, base+path, nil)
	l.must(err)
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	response, err := testenv.HTTP(l).Do(request)
	l.must(err)
	defer response.Body.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(response.Body)
	l.must(err)
	var problem fault.Problem
	if response.StatusCode >= 400 {
		l.must(json.Unmarshal(body, &problem))
	}
	if strings.Contains(string(body), "secret cause") {
		l.Errorf("the cause is shown: %s", body)
	}
	return response.StatusCode, problem.Code, problem.Detail
}

// working serves a library's store with an eraser that runs until the test's end.
func (l *library) working(ring *keyring.Keyring) string {
	l.Helper()
	token, err := admin.Static(adminToken)
	l.must(err)
	observer, err := kit.NewObserver(slog.New(slog.DiscardHandler), metricnoop.Meter{}, false)
	l.must(err)
	e := l.eraser(l.store)
	ctx, cancel := context.WithCancel(context.WithoutCancel(l.Context()))
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	server := httptest.NewServer(Handler(&Reader{Store: l.store, Keys: ring, Admin: token, Operator: operator{}, Eraser: e, Now: time.Now}, observer))
	l.Cleanup(func() {
		server.Close()
		cancel()
		l.must(<-ended)
	})
	return server.URL
}

// TestWhoMayAskAboutApplications is the matrix of senders and questions.
func TestWhoMayAskAboutApplications(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	base := l.working(l.ring)
	basic := func(id, secret string) string {
		r := http.Request{Header: http.Header{}}
		r.SetBasicAuth(id, secret)
		return r.Header.Get("Authorization")
	}
	for name, c := range map[string]struct {
		authorization string
		usage, erase  int
		says          string
	}{
		"nobody":                  {"", 401, 401, "send Authorization"},
		"admin":                   {"Bearer " + adminToken, 200, 204, ""},
		"operator":                {"Bearer " + operatorToken, 200, 204, ""},
		"itself":                  {"Bearer " + l.keys[shop], 200, 403, "erases nothing; delete on applications/events"},
		"itself by basic":         {basic(apikey.ClientID(shop), l.keys[shop]), 200, 403, "or the admin token, is missing"},
		"another application":     {"Bearer " + l.keys[blog], 403, 403, "on applications/events (theeye.dev)"},
		"another service account": {"Bearer another-service-account", 403, 403, "the operator's is missing"},
		"no API server":           {"Bearer while-the-api-server-is-away", 503, 503, "cannot be checked now"},
		"unknown token":           {"Bearer wrong", 401, 401, "unknown"},
		"unknown key":             {"Bearer " + apikey.New("test", apikey.ClientID(shop), "1"), 401, 401, "unknown or revoked"},
		"wrong access token":      {"Bearer " + accessToken, 401, 401, "not signed with Ed25519"},
		"mistyped key":            {"Bearer " + l.keys[shop] + "x", 401, 401, "mistyped"},
		"wrong secret":            {basic(apikey.ClientID(shop), "x"), 401, 401, "mistyped"},
	} {
		status, _, detail := l.ask(http.MethodGet, base, "/v1/applications/"+shop.String()+"/usage", c.authorization)
		if status != c.usage || status > 400 && c.usage == c.erase && !strings.Contains(detail, c.says) {
			t.Errorf("%s: usage answered %d %s", name, status, detail)
		}
		status, _, detail = l.ask(http.MethodDelete, base, "/v1/applications/"+shop.String()+"/events", c.authorization)
		if status != c.erase || !strings.Contains(detail, c.says) {
			t.Errorf("%s: erase answered %d %s", name, status, detail)
		}
	}
	starting := l.working(keyring.New(time.Now))
	for authorization, want := range map[string]int{"Bearer " + l.keys[shop]: 503, "": 401, "Bearer " + operatorToken: 503} {
		if status, _, detail := l.ask(http.MethodGet, starting, "/v1/applications/"+shop.String()+"/usage", authorization); status != want {
			t.Errorf("before the application log is read %q is answered %d %s", authorization, status, detail)
		}
	}
}

// TestRefusedQuestionsAboutApplications: paths in one form only, and nothing that is left unread.
func TestRefusedQuestionsAboutApplications(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	for path, want := range map[string]fault.Code{
		"/v1/applications/" + strings.ToUpper(shop.String()) + "/usage":                fault.CodeInvalid,
		"/v1/applications/" + strings.ReplaceAll(shop.String(), "-", "") + "/usage":    fault.CodeInvalid,
		"/v1/applications/" + uuid.Nil.String() + "/usage":                             fault.CodeInvalid,
		"/v1/applications/shop/usage":                                                  fault.CodeInvalid,
		"/v1/applications/" + shop.String() + "/usage?from=2024-01-01T00:00:00Z":       fault.CodeParameter,
		"/v1/applications/" + shop.String() + "/events":                                fault.CodeMethod,
		"/v1/applications/" + shop.String():                                            fault.CodeNotFound,
		"/v1/applications/urn:uuid:" + shop.String() + "/usage":                        fault.CodeInvalid,
		"/v1/applications/" + strings.Replace(shop.String(), "a", "%00", 1) + "/usage": fault.CodeInvalid,
	} {
		if status, code, detail := l.ask(http.MethodGet, l.url, path, "Bearer "+adminToken); code != want {
			t.Errorf("%s answered %d %s %s, want %s", path, status, code, detail, want)
		}
	}
	for path, says := range map[string]string{
		"/v1/applications/shop/policy":                             "lower case with hyphens",
		"/v1/applications/" + uuid.Nil.String() + "/usage":         "the nil UUID",
		"/v1/applications/" + uuid.Nil.String() + "/policy":        "the nil UUID",
		"/v1/events?application=" + uuid.Nil.String():              "the nil UUID",
		"/v1/applications/" + uuid.NewString() + "/policy":         "no application with this uid",
		"/v1/applications/" + uuid.NewString() + "/usage":          "no application with this uid",
		"/v1/applications/" + uuid.NewString() + "/policy?limit=1": "there is none here",
	} {
		if status, code, detail := l.ask(http.MethodGet, l.url, path, "Bearer "+adminToken); !strings.Contains(detail, says) {
			t.Errorf("%s answered %d %s %s, want %q", path, status, code, detail, says)
		}
	}
	if _, code, detail := l.ask(http.MethodDelete, l.url, "/v1/applications/x/events", "Bearer "+adminToken); code != fault.CodeInvalid {
		t.Errorf("DELETE answered %s %s", code, detail)
	}
	gone := l.replica("gone")
	gone.pool.Close()
	url := l.serve(gone, l.ring)
	for method, path := range map[string]string{http.MethodGet: "/usage", http.MethodDelete: "/events"} {
		if status, _, detail := l.ask(method, url, "/v1/applications/"+shop.String()+path, "Bearer "+adminToken); status != http.StatusServiceUnavailable {
			t.Errorf("without a database %s answered %d %s", path, status, detail)
		}
	}
}

// TestEraseAnswers 202 while no worker runs, with the first request's time; what it asked for is durable, and any
// worker ends it. An unknown application is gone at once.
func TestEraseAnswers(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.insert(l.request(shop, item("a", "s", "")))
	path := "/v1/applications/" + shop.String() + "/events"
	var first time.Time
	for n := range 2 {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, l.url+path, nil)
		l.must(err)
		request.Header.Set("Authorization", "Bearer "+operatorToken)
		response, err := testenv.HTTP(l).Do(request)
		l.must(err)
		var progress Erasure
		l.must(json.NewDecoder(response.Body).Decode(&progress))
		l.must(response.Body.Close())
		if n == 0 {
			first = progress.RequestedAt
		}
		if response.StatusCode != http.StatusAccepted || progress.State != Erasing || progress.RequestedAt.IsZero() || !progress.RequestedAt.Equal(first) {
			t.Errorf("answered %d %+v", response.StatusCode, progress)
		}
	}
	working := l.working(l.ring)
	for _, application := range []uuid.UUID{shop, shop, uuid.New()} {
		if status, _, detail := l.ask(http.MethodDelete, working, "/v1/applications/"+application.String()+"/events", "Bearer "+operatorToken); status != http.StatusNoContent {
			t.Errorf("answered %d %s", status, detail)
		}
	}
	l.same("what is left", map[string]int{}, l.traces(shop))
}
