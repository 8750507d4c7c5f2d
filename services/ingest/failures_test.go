package ingest_test

import (
	"cmp"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	metricnoop "go.opentelemetry.io/otel/metric/noop"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/ingest"
	"github.com/theeye-dev/theeye/services/internal/kit"
	"github.com/theeye-dev/theeye/services/internal/ops"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// budget is how many wrong credentials of one address are looked at before it is limited.
const budget = 100

// limited serves the door once more, with the limit on wrong credentials and a trusted proxy at 127.0.0.2. The clock of
// the limit stands still, unless the test moves it.
func (d *door) limited() (pass func(time.Duration)) {
	d.Helper()
	var proxies ops.Proxies
	d.must(proxies.Set("127.0.0.2"))
	now := time.Now()
	failures, err := kit.NewFailures(proxies.Client, func() time.Time { return now }, metricnoop.Meter{})
	d.must(err)
	observer, err := kit.NewObserver(slog.New(slog.DiscardHandler), metricnoop.Meter{}, false)
	d.must(err)
	server := httptest.NewServer(ingest.Handler(d.service, d.keys, failures, observer))
	d.Cleanup(server.Close)
	d.url = server.URL
	return func(by time.Duration) { now = now.Add(by) }
}

// from posts a sound event from an address of this host; header are pairs of name and value.
func (d *door) from(address string, header ...string) (got answer) {
	d.Helper()
	return d.fromAt(address, "", header...)
}

func (d *door) fromAt(address, query string, header ...string) (got answer) {
	d.Helper()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	transport := &http.Transport{DialContext: dialer.DialContext}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(d.Context(), http.MethodPost, d.url+"/v1/events"+query, strings.NewReader(good))
	d.must(err)
	for i := 0; i < len(header); i += 2 {
		request.Header.Add(header[i], header[i+1])
	}
	response, err := (&http.Client{Transport: testenv.Contract(d, transport)}).Do(request)
	d.must(err)
	defer response.Body.Close() //nolint:errcheck // only read
	got.status, got.header = response.StatusCode, response.Header
	got.body, err = io.ReadAll(response.Body)
	d.must(err)
	d.must(json.Unmarshal(got.body, &got))
	return got
}

// TestWrongKeysAreLimitedByAddress: beyond the budget they are answered 429 without waiting, and everybody else and every
// right key is answered as before.
func TestWrongKeysAreLimitedByAddress(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	a := d.register(nextUID(), fromPages(page))
	pass := d.limited()
	mistyped, right := []string{"Authorization", "Bearer " + a.key + "x"}, []string{"Authorization", "Bearer " + a.key}
	wrong := []string{"Authorization", "Bearer " + apikey.New("test", a.ClientID, "1")}
	behind := func(client string, header []string) []string {
		return append([]string{"X-Forwarded-For", client}, header...)
	}
	expect := func(what string, got answer, status int, code string) {
		t.Helper()
		if got.status != status || got.Code != code {
			t.Errorf("%s is answered %d %s, want %d %s", what, got.status, got.body, status, code)
		}
	}
	for n := range budget { // not all of them wait to be looked at, nor do all of them name an application
		from := [][]string{mistyped, {"Authorization", basicAlone("eye_x")}, mistyped}[n%3]
		expect("within the budget", d.from("127.0.0.1", from...), 401, "credential.invalid")
	}
	got := d.from("127.0.0.1", wrong...)
	expect("beyond the budget", got, 429, "credential.too_many_failures")
	if got.header.Get("Retry-After") != "1" || got.header.Get("WWW-Authenticate") != "" {
		t.Errorf("header %v", got.header)
	}
	for _, header := range [][]string{mistyped, behind("192.0.2.1", wrong), behind("127.0.0.2", wrong)} { // an X-Forwarded-For of its own
		expect("beyond the budget", d.from("127.0.0.1", header...), 429, "credential.too_many_failures")
	}
	expect("an unknown client id alone", d.fromAt("127.0.0.1", "?key="+apikey.ClientID(nextUID()), "Origin", page), 429, "credential.too_many_failures")
	expect("a secret in the URL", d.fromAt("127.0.0.1", "?key="+a.key, "Origin", page), 429, "credential.too_many_failures")

	expect("the right key", d.from("127.0.0.1", right...), 202, "")
	expect("the right client id alone", d.fromAt("127.0.0.1", "?key="+a.ClientID, "Origin", page), 202, "")
	expect("a foreign page", d.fromAt("127.0.0.1", "?key="+a.ClientID, "Origin", "https://evil.example"), 403, "origin.forbidden")
	expect("nothing", d.from("127.0.0.1"), 401, "credential.invalid")
	expect("another address", d.from("127.0.0.3", wrong...), 401, "credential.invalid")
	expect("the proxy itself", d.from("127.0.0.2", wrong...), 401, "credential.invalid")
	expect("another behind the proxy", d.from("127.0.0.2", behind("192.0.2.1", wrong)...), 401, "credential.invalid")
	expect("the same behind the proxy", d.from("127.0.0.2", behind("127.0.0.1", wrong)...), 429, "credential.too_many_failures")
	expect("the same, and what it wrote", d.from("127.0.0.2", behind("192.0.2.2, 127.0.0.1", wrong)...), 429, "credential.too_many_failures")
	expect("the right key behind the proxy", d.from("127.0.0.2", behind("127.0.0.1", right)...), 202, "")

	pass(time.Second)
	expect("a second later", d.from("127.0.0.1", wrong...), 401, "credential.invalid")
	expect("and no more", d.from("127.0.0.1", wrong...), 429, "credential.too_many_failures")
}

// TestBeyondTheBudgetNothingIsWaitedFor: a wrong key within the budget waits for the log's end to be seen once more, up
// to 100 ms; one beyond it is answered at once.
func TestBeyondTheBudgetNothingIsWaitedFor(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	a := d.register(nextUID(), registry.Policy{})
	d.limited()
	for range budget {
		d.from("127.0.0.1", "Authorization", "Bearer x")
	}
	wrong := []string{"Authorization", "Bearer " + apikey.New("test", a.ClientID, "1")}
	var quick, slow time.Duration
	for range 10 { // the least of several: other tests have the processors, too
		begin := time.Now()
		if got := d.from("127.0.0.1", wrong...); got.status != http.StatusTooManyRequests {
			t.Fatalf("answered %d %s", got.status, got.body)
		}
		middle := time.Now()
		if got := d.from("127.0.0.4", wrong...); got.status != http.StatusUnauthorized {
			t.Fatalf("answered %d %s", got.status, got.body)
		}
		quick, slow = min(cmp.Or(quick, time.Hour), middle.Sub(begin)), max(slow, time.Since(middle))
	}
	if quick > slow/2 {
		t.Errorf("beyond the budget answered in %s, within it in %s", quick, slow)
	}
}

// TestFreshKeysAreNeverRefused: a key that auth has confirmed is right from then on, and takes nothing of the budget.
func TestFreshKeysAreNeverRefused(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	d.limited()
	for n := range budget + 20 {
		uid := nextUID()
		a := application{Application: registry.Application{UID: uid, Namespace: "shop", Name: "fresh-" + strconv.Itoa(n), ClientID: apikey.ClientID(uid)}}
		a.key = apikey.New("test", a.ClientID, "1")
		a.Credentials = []registry.Credential{{ID: "1", SHA256: registry.Digest(apikey.HashOf(a.key))}}
		d.log.publish(a.Application)
		if got := d.from("127.0.0.1", "Authorization", "Bearer "+a.key); got.status != http.StatusAccepted {
			t.Fatalf("key %d, a moment after it was confirmed, is answered %d %s", n, got.status, got.body)
		}
	}
	if got := d.from("127.0.0.1", "Authorization", "Bearer x"); got.status != http.StatusUnauthorized {
		t.Errorf("right keys took of the budget: a wrong one is answered %d %s", got.status, got.body)
	}
}

// TestRefusalsTellNothing: whatever is wrong, the answer is the same byte by byte whether the application exists or not.
func TestRefusalsTellNothing(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	a := d.register(nextUID(), fromPages(page))
	known, unknown := a.ClientID, apikey.ClientID(uuid.New())
	d.limited()
	for name, header := range map[string]func(id string) []string{
		"wrong key":            func(id string) []string { return []string{"Authorization", "Bearer " + apikey.New("test", id, "1")} },
		"another credential's": func(id string) []string { return []string{"Authorization", "Bearer " + apikey.New("test", id, "9")} },
		"wrong secret":         func(id string) []string { return []string{"Authorization", basicPair(id, apikey.New("test", id, "1"))} },
		"another's secret": func(id string) []string {
			return []string{"Authorization", basicPair(id, apikey.New("test", apikey.ClientID(uuid.Nil), "1"))}
		},
		"mistyped": func(id string) []string { return []string{"Authorization", basicPair(id, "secret")} },
		"another's right secret": func(id string) []string {
			return []string{"Authorization", basicPair(strings.ToUpper(id), a.key)}
		},
	} {
		answers := [2]answer{d.from("127.0.0.1", header(known)...), d.from("127.0.0.1", header(unknown)...)}
		for i := range answers {
			answers[i].header.Del("Date")
		}
		if answers[0].status != http.StatusUnauthorized {
			t.Errorf("%s is answered %d %s", name, answers[0].status, answers[0].body)
		}
		if diff := gocmp.Diff(string(answers[0].body), string(answers[1].body)) + gocmp.Diff(answers[0].header, answers[1].header); diff != "" {
			t.Errorf("%s (-known +unknown):\n%s", name, diff)
		}
	}
}

func basicPair(user, password string) string {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(user, password)
	return r.Header.Get("Authorization")
}
