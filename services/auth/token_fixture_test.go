package auth

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/services/internal/keyring"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// clientApp is an application with one credential.
type clientApp struct {
	uid           uuid.UUID
	clientID, key string
}

// enrol registers an application with a credential that lives until end; nil: without an end.
func (f *fixture) enrol(end *time.Time) clientApp {
	f.Helper()
	a := clientApp{uid: uuid.New()}
	a.clientID = f.put(a.uid, "web-shop").ClientID
	a.key = apikey.New("test", a.clientID, "1")
	with := credential(a.key)
	with.NotAfter = end
	f.do("PUT", credentialPath(a.uid, "1"), with, http.StatusCreated, nil)
	return a
}

// follow has the keyring follow the log until the test ends.
func (f *fixture) follow() {
	f.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	follower := keyring.NewFollower(f.redis, f.keys, slog.New(slog.DiscardHandler))
	go func() { ended <- follower.Run(ctx) }()
	f.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			f.Errorf("follow: %v", err)
		}
	})
	f.eventually("the log is read", func() bool { return f.keys.Ready() == nil })
}

// answered is what the token endpoint answers.
type answered struct {
	status      int
	header      http.Header
	text        string
	Token       string `json:"access_token"`
	Type        string `json:"token_type"`
	Seconds     int64  `json:"expires_in"`
	Scope       string `json:"scope"`
	Error       string `json:"error"`
	Description string `json:"error_description"`
	Code        string `json:"code"`
	Detail      string `json:"detail"`
}

// ask sends a form to the token endpoint. header has names and values by turns.
func (f *fixture) ask(at, body string, header ...string) answered {
	f.Helper()
	return f.askTyped(formType, at, body, header...)
}

// askTyped is ask with another media type.
func (f *fixture) askTyped(media, at, body string, header ...string) (a answered) {
	f.Helper()
	r, err := http.NewRequestWithContext(f.Context(), http.MethodPost, at, strings.NewReader(body))
	if err != nil {
		f.Fatal(err)
	}
	r.Header.Set("Content-Type", media)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	client := testenv.HTTP(f)
	if r.URL.Path != tokenPath { // an issuer's own path, of which the contract knows nothing
		client = http.DefaultClient
	}
	response, err := client.Do(r)
	if err != nil {
		f.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(response.Body)
	if err != nil {
		f.Fatal(err)
	}
	if err := json.Unmarshal(text, &a); err != nil {
		f.Fatalf("%d %s: %v", response.StatusCode, text, err)
	}
	a.status, a.header, a.text = response.StatusCode, response.Header, string(text)
	return a
}

// get reads what anybody may read.
func (f *fixture) get(at string, into any) {
	f.Helper()
	response, err := http.Get(at)
	if err != nil {
		f.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // only read
	if err := json.NewDecoder(response.Body).Decode(into); err != nil || response.StatusCode != http.StatusOK {
		f.Fatalf("%s is answered %d: %v", at, response.StatusCode, err)
	}
}

// newClient is a client that nobody knows.
func newClient() clientApp {
	a := clientApp{uid: uuid.New()}
	a.clientID = apikey.ClientID(a.uid)
	a.key = newKey(a.clientID)
	return a
}

func newKey(clientID string) string { return apikey.New("test", clientID, "1") }

// form of a request with client id and secret in it, and further parameters, which replace those.
func (a clientApp) form(further url.Values) string {
	form := url.Values{"grant_type": {grantType}, "client_id": {a.clientID}, "client_secret": {a.key}}
	maps.Copy(form, further)
	return form.Encode()
}

func basic(user, password string) string {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(user, password)
	return r.Header.Get("Authorization")
}
