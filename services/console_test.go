package services_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// TestConsoleKeepsSessions: what the cookie is, where a login leads, what another site may not do, and what ends a session.
func TestConsoleKeepsSessions(t *testing.T) {
	p := newPeople(t)
	s := &surfer{t: t, base: p.persistence.URL}
	for path, want := range map[string]string{
		"/": "/login?next=%2F", "/events?name=a+b&session_id=c": "/login?next=%2Fevents%3Fname%3Da%2Bb%26session_id%3Dc", "/failures/x": "/login?next=%2Ffailures%2Fx",
	} {
		if got := s.ask(http.MethodGet, path, nil); got.status != http.StatusSeeOther || got.header.Get("Location") != want {
			t.Errorf("%s is answered %d, to %s", path, got.status, got.header.Get("Location"))
		}
	}
	for _, wrong := range []string{"wrong", "", "a b", "\x00", strings.Repeat("x", 20_000)} {
		got := s.ask(http.MethodPost, "/login", url.Values{"token": {wrong}})
		if got.status != http.StatusUnauthorized || got.header.Get("Set-Cookie") != "" || got.header.Get("WWW-Authenticate") != "" || !strings.Contains(got.body, "credential.invalid") {
			t.Errorf("a wrong token is answered %d %v %.200s", got.status, got.header, got.body)
		}
	}
	limited := 0
	for n := range 120 { // who guesses is slowed down by the address, and nobody else is
		if got := s.ask(http.MethodPost, "/login", url.Values{"token": {fmt.Sprint("guess", n)}}); got.status == http.StatusTooManyRequests {
			limited++
		}
	}
	if limited < 10 {
		t.Errorf("of 120 guesses %d are limited", limited)
	}
	cookie := s.login(adminToken)
	if !cookie.HttpOnly || !cookie.Secure || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" || cookie.Domain != "" || cookie.MaxAge <= 0 || len(cookie.Value) != 43 {
		t.Errorf("the cookie is %v", cookie)
	}
	if strings.Contains(cookie.String(), adminToken) {
		t.Error("the cookie has the token")
	}
	for next, want := range map[string]string{
		"/events?name=x": "/events?name=x", "/\x00": "/", "/a\x7fb": "/", "/\u009d": "/", "/%2Fevil.example": "/", "/%5Cevil.example": "/", "/logout": "/", "//evil.example/": "/", "https://evil.example": "/", "/\\evil.example": "/", "javascript:alert(1)": "/", "/login": "/",
	} {
		got := s.ask(http.MethodGet, "/login?"+url.Values{"next": {next}, "kept": {"no"}}.Encode(), nil)
		if got.status != http.StatusSeeOther || got.header.Get("Location") != want {
			t.Errorf("after a login %q leads to %d %q", next, got.status, got.header.Get("Location"))
		}
	}
	if got := (&surfer{t: t, base: s.base}).ask(http.MethodGet, "/login?kept=no&next=%2F", nil); !strings.Contains(got.body, "did not keep the session") {
		t.Errorf("who has lost the cookie reads %s", got.body)
	}

	for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}} {
		for _, path := range []string{"/logout", "/sessions/s/erase", "/replays", "/login"} {
			if got := s.ask(http.MethodPost, path, url.Values{"sure": {"yes"}, "token": {adminToken}}, header...); got.status != http.StatusForbidden {
				t.Errorf("%s with %v is answered %d", path, header, got.status)
			}
		}
	}
	s.get("/")
	if got := s.ask(http.MethodGet, "/logout", nil); got.status == http.StatusSeeOther {
		t.Error("a link logs people out")
	}
	s.get("/")
	if got := s.ask(http.MethodPost, "/logout", url.Values{}, "Sec-Fetch-Site", "same-origin"); got.status != http.StatusSeeOther || !strings.Contains(got.header.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("logging out is answered %d %v", got.status, got.header)
	}
	if got := s.ask(http.MethodGet, "/", nil); got.status != http.StatusSeeOther {
		t.Errorf("a session that was ended is answered %d", got.status)
	}
}

// listens is a line of the metrics of a replica that has one listener.
var listens = regexp.MustCompile(`(?m)^theeye_tail_listeners(\{[^}]*\})? 1$`)

// TestConsoleStreamEndsWithItsSession: who logs out in one tab is told nothing more in another.
func TestConsoleStreamEndsWithItsSession(t *testing.T) {
	p := newPeople(t)
	s := &surfer{t: t, base: p.persistence.URL}
	s.login(adminToken)
	ended := make(chan reply, 1)
	go func() { ended <- s.ask(http.MethodGet, "/tail/stream", nil, "Accept", "text/event-stream") }()
	eventually(t, func() error { // it listens
		select {
		case got := <-ended:
			t.Fatalf("the stream ended at once: %d %s", got.status, got.body)
		default:
		}
		status, metrics := p.do(http.MethodGet, p.persistence.OpsURL+"/metrics", "", nil)
		if !listens.Match(metrics) {
			return fmt.Errorf("nobody listens: %d", status)
		}
		return nil
	})
	s.ask(http.MethodPost, "/logout", url.Values{})
	select {
	case got := <-ended:
		if got.status != http.StatusOK || !strings.Contains(got.body, "retry:") {
			t.Errorf("the stream was answered %d %s", got.status, got.body)
		}
	case <-time.After(patience):
		t.Fatal("the stream goes on")
	}
}

// TestConsoleSessionEndsWithItsToken within a second of its revocation, with a page that says so; also on another replica.
func TestConsoleSessionEndsWithItsToken(t *testing.T) {
	p := newPeople(t)
	other := testenv.Start(t, testenv.Options{Name: "persistence", Env: []string{
		"THEEYE_REDIS_URL=" + p.redis.URL(), "THEEYE_POSTGRES_URL=" + p.postgresURL, "THEEYE_ADMIN_TOKEN=" + adminToken, "THEEYE_REPLICA=persistence-1",
	}})
	s := &surfer{t: t, base: p.persistence.URL}
	s.login(p.shop.key)
	s.base = other.URL
	if page := s.get("/"); !strings.Contains(page, "shop/web-shop") || strings.Contains(page, "web-log") {
		t.Errorf("an application's own overview is %s", page)
	}
	p.mustAdmin(http.MethodDelete, p.shop.path()+"/credentials/1", nil)
	eventually(t, func() error {
		got := s.ask(http.MethodGet, "/events", nil)
		if got.status != http.StatusUnauthorized || !strings.Contains(got.body, "Your session has ended") || !strings.Contains(got.header.Get("Set-Cookie"), "Max-Age=0") {
			return fmt.Errorf("answered %d %.300s", got.status, got.body)
		}
		return nil
	})
	if got := s.ask(http.MethodGet, "/events", nil); got.status != http.StatusSeeOther {
		t.Errorf("the session that has ended is answered %d", got.status)
	}
}

// TestConsoleBesideTheAPI: paths of the API are answered as before, with or without it; what every page has.
func TestConsoleBesideTheAPI(t *testing.T) {
	p := newPeople(t)
	s := &surfer{t: t, base: p.persistence.URL}
	s.login(adminToken)
	for _, path := range []string{"/", "/login", "/events", "/nothing", "/sessions/nothing", "/tail"} {
		h := s.ask(http.MethodGet, path, nil).header
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cache-Control": "no-store", "X-Frame-Options": "DENY",
		} {
			if h.Get(name) != want {
				t.Errorf("%s has %s %q", path, name, h.Get(name))
			}
		}
		csp := h.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
			if !strings.Contains(csp, want) || strings.Contains(csp, "unsafe") {
				t.Errorf("%s has the policy %q", path, csp)
			}
		}
	}
	for _, c := range []struct {
		path, accept string
		status       int
		mediaType    string
	}{
		{"/v1/events", "text/html", 401, "application/problem+json"}, // no cookie opens the API
		{"/v1/nothing", "text/html", 404, "application/problem+json"},
		{"/openapi.yaml", "*/*", 200, "application/yaml"},
		{"/nothing", "text/html", 404, "text/html; charset=utf-8"},
		{"/nothing", "application/json", 404, "application/problem+json"},
		{"/static/nothing", "text/css", 404, "text/plain; charset=utf-8"},
		{"/sessions/nothing", "*/*", 404, "text/html; charset=utf-8"},
		{"/healthz", "*/*", 200, "application/json"},
	} {
		got := s.ask(http.MethodGet, c.path, nil, "Accept", c.accept)
		if got.status != c.status || got.header.Get("Content-Type") != c.mediaType {
			t.Errorf("%s for %s is answered %d %s, want %d %s", c.path, c.accept, got.status, got.header.Get("Content-Type"), c.status, c.mediaType)
		}
	}
	off := testenv.Start(t, testenv.Options{Name: "persistence", Args: []string{"--console=false"}, Env: []string{
		"THEEYE_REDIS_URL=" + p.redis.URL(), "THEEYE_POSTGRES_URL=" + p.postgresURL, "THEEYE_ADMIN_TOKEN=" + adminToken, "THEEYE_REPLICA=persistence-1",
	}})
	for _, path := range []string{"/", "/login", "/static/"} {
		if got := (&surfer{t: t, base: off.URL}).ask(http.MethodGet, path, nil); got.status != http.StatusNotFound || got.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("without the console %s is answered %d", path, got.status)
		}
	}
}

// hostile is what people put into every field to run in somebody else's browser.
const hostile = `"'><script>window.pwned=1</script><img src=x onerror=window.pwned=1>{{.}}</style>`

// TestConsoleShowsHostileTexts as texts, whatever field they are in.
func TestConsoleShowsHostileTexts(t *testing.T) {
	p := newPeople(t)
	evil := p.enrol("evil", strictPolicy("string"))
	quoted := fmt.Sprintf("%q", hostile)
	event := `{"id":` + quoted + `,"session_id":` + quoted + `,"category":` + quoted + `,"name":` + quoted + `,"data":{` + quoted + `:` + quoted + `}}`
	p.register("after", strictPolicy("string")) // the log is read in order
	p.send(evil, event, strings.Replace(event, `"id":`, `"`+strings.ReplaceAll(hostile, `"`, `\"`)+`":1,"id":`, 1))
	p.awaitEvents(evil, url.Values{}, 1)
	b := newBrowser(t, p.persistence.URL)
	b.login(adminToken)
	s := &surfer{t: t, base: p.persistence.URL}
	s.login(adminToken)
	failures := s.get("/failures")
	paths := []string{
		"/", "/events", "/sessions", "/failures", "/tail", "/replays", "/applications", "/sessions/" + url.PathEscape(hostile),
		"/events/" + url.PathEscape(hostile) + "?application=" + evil.uid.String(),
		"/events?" + url.Values{"name": {hostile}, "path": {hostile}, "op": {hostile}, "value": {hostile}, "from": {hostile}}.Encode(),
		"/failures?" + url.Values{"code": {hostile}, "state": {hostile}}.Encode(), "/login?next=" + url.QueryEscape(hostile), "/" + url.PathEscape(hostile),
		"/?span=" + url.QueryEscape(hostile), "/applications/" + url.PathEscape(hostile), "/replays/" + url.PathEscape(hostile),
		linkIn(failures, "/failures/"),
	}
	for _, path := range paths {
		page := s.ask(http.MethodGet, path, nil).body
		if strings.Contains(page, "<script>window") || strings.Contains(page, "<img src=x") {
			t.Errorf("%s has the text as it is: %s", path, page)
		}
		b.open(path)
		for range 3 { // everything that opens
			evaluate[int](b, `document.querySelectorAll("details:not([open])").forEach((d) => { d.open = true; }), 1`)
		}
		if evaluate[bool](b, "typeof window.pwned !== 'undefined'") {
			t.Errorf("%s runs what stands in a field", path)
		}
	}
	b.open("/tail")
	b.until(`document.getElementById("tail-state").textContent === "live"`)
	p.send(evil, strings.Replace(event, `"id":"`, `"id":"2`, 1), strings.Replace(event, `"id":"`, `"id":"3`, 1))
	b.until(`document.querySelectorAll("#tail-list li").length >= 2`)
	if evaluate[bool](b, "typeof window.pwned !== 'undefined'") {
		t.Error("the live tail runs what stands in a field")
	}
	for _, complaint := range b.quiet() {
		if !strings.Contains(complaint, "status of 4") { // pages that there are not
			t.Errorf("the browser complains: %s", complaint)
		}
	}
}

// linkIn is the first link of a page that begins so and goes on.
func linkIn(page, prefix string) string {
	_, after, found := strings.Cut(page, `href="`+prefix)
	if !found {
		return ""
	}
	path, _, _ := strings.Cut(after, `"`)
	return prefix + path
}

// TestConsoleWithoutScripts does all there is by links and forms alone.
func TestConsoleWithoutScripts(t *testing.T) {
	p := newPeople(t)
	p.furnish()
	s := &surfer{t: t, base: p.persistence.URL}
	s.login(adminToken)
	has := func(page, where string, wants ...string) {
		t.Helper()
		for _, want := range wants {
			if !strings.Contains(page, want) {
				t.Errorf("%s has no %q: %s", where, want, page)
			}
		}
	}
	has(s.get("/"), "the overview", "shop/web-shop", "shop/web-log", "<caption", "not stored yet")
	got := s.ask(http.MethodGet, "/events?session_id=&category=&name=pageview&from=&path=cart.total&op=gte&value=100&order=", nil)
	const search = "/events?data.cart.total%5Bgte%5D=100&name=pageview"
	if got.status != http.StatusSeeOther || got.header.Get("Location") != search {
		t.Errorf("the form leads to %d %s", got.status, got.header.Get("Location"))
	}
	page := s.get(search)
	has(page, "the search", "/products/11", "/products/10", `value="cart.total"`)
	if strings.Contains(page, "/products/9") {
		t.Error("the search shows what it does not ask for")
	}
	seen, next := 0, "/events?limit=5"
	for next != "" {
		page = s.get(next)
		seen += strings.Count(page, "This event&#39;s page") + strings.Count(page, "This event's page")
		next = ""
		if _, after, more := strings.Cut(page, `rel="next" href="`); more {
			link, _, _ := strings.Cut(after, `"`)
			next = strings.ReplaceAll(link, "&amp;", "&")
		}
	}
	if seen != 16 {
		t.Errorf("the pages show %d events, of 16", seen)
	}
	has(s.ask(http.MethodGet, "/events?path=cart&op=gte&value=x&from=soon", nil).header.Get("Location"), "a wrong search", "data.cart", "from=soon")
	has(s.ask(http.MethodGet, "/events?from=soon", nil).body, "a wrong search", "request.parameter", `href="https://github.com`)
	has(s.get("/sessions"), "sessions", "checkout-7f3a")
	has(s.get("/sessions/checkout-7f3a"), "the session", "/products/11", "how-we-ship", " later", "<svg", "Erase this session")
	has(s.get("/events/v3?application="+p.shop.uid.String()), "the event", "What became of it", "received", "stored")
	has(s.get("/applications"), "applications", "shop/web-shop", p.blog.uid.String())
	page = s.get("/applications/" + p.shop.uid.String())
	has(page, "the application", "Web shop", "maxLength", "active", p.shop.clientID)
	if strings.Contains(page, p.shop.key) || strings.Contains(strings.ToLower(page), "sha256") {
		t.Error("the application's page tells a secret")
	}
	if csv := s.ask(http.MethodGet, "/export?format=csv&name=read", nil); csv.status != http.StatusOK || strings.Count(csv.body, "\n") != 5 {
		t.Errorf("the export is answered %d %s", csv.status, csv.body)
	}
	p.withoutScriptsReplay(s, has)

	if got := s.ask(http.MethodPost, "/sessions/checkout-7f3a/erase", url.Values{}); got.status != http.StatusSeeOther || !strings.HasSuffix(got.header.Get("Location"), "#erase") {
		t.Errorf("erasing unasked is answered %d", got.status)
	}
	if got := s.ask(http.MethodPost, "/sessions/checkout-7f3a/erase", url.Values{"sure": {"yes"}}); got.status != http.StatusSeeOther || got.header.Get("Location") != "/sessions?erased=yes" && got.header.Get("Location") != "/sessions/checkout-7f3a" {
		t.Errorf("erasing is answered %d %s", got.status, got.body)
	}
	eventually(t, func() error {
		if got := s.ask(http.MethodGet, "/sessions/checkout-7f3a", nil); got.status != http.StatusNotFound {
			return fmt.Errorf("the erased session is answered %d", got.status)
		}
		return nil
	})
}

// withoutScriptsReplay sees a failure, tries it, and puts it right.
func (p *people) withoutScriptsReplay(s *surfer, has func(page, where string, wants ...string)) {
	t := p.t
	t.Helper()
	page := s.get("/failures?code=schema.mismatch&application=shop/web-shop")
	path := linkIn(page, "/failures/")
	page = s.get(path)
	has(page, "the failure", "schema.mismatch", "/data/host", "/data/path", "<mark>", `<del><code>7</code></del>`, "maxLength", "today's")
	tried := s.ask(http.MethodPost, path+"/replay", url.Values{"dry_run": {"true"}})
	if tried.status != http.StatusSeeOther || tried.header.Get("Location") != path+"?dry_run=true#dry-run" {
		t.Errorf("the dry run leads to %d %s", tried.status, tried.header.Get("Location"))
	}
	has(s.get(path+"?dry_run=true"), "the dry run", "Dry run", "refused")
	p.mustAdmin(http.MethodPut, p.shop.path(), map[string]any{"namespace": "shop", "name": "web-shop", "policy": map[string]any{}})
	eventually(t, func() error {
		if tried := s.ask(http.MethodGet, path+"?dry_run=true", nil); !strings.Contains(tried.body, `<span class="tag stored">`) {
			return fmt.Errorf("the dry run is answered %d %s", tried.status, tried.body)
		}
		return nil
	})
	if got := s.ask(http.MethodPost, path+"/replay", url.Values{"dry_run": {"false"}}); got.status != http.StatusSeeOther {
		t.Errorf("the replay is answered %d %s", got.status, got.body)
	}
	has(s.get(path), "the failure", "Replayed", "replayed")
	if page := s.get(path + "?dry_run=true"); strings.Contains(page, "Replayed now it would be") {
		t.Errorf("what is replayed is tried: %s", page)
	}
	begun := s.ask(http.MethodPost, "/replays", url.Values{"application": {p.shop.uid.String()}, "code": {"schema.mismatch"}, "dry_run": {"false"}})
	replay := begun.header.Get("Location")
	if begun.status != http.StatusSeeOther || !strings.HasPrefix(replay, "/replays/") {
		t.Fatalf("a replay is answered %d %s", begun.status, begun.body)
	}
	eventually(t, func() error {
		if page := s.get(replay); !strings.Contains(page, "finished") {
			return fmt.Errorf("the replay is at %s", page)
		}
		return nil
	})
	has(s.get(replay), "the replay", `value="100"`, "stored")
	has(s.get("/replays"), "replays", replay, "finished")
	p.awaitEvents(p.shop, url.Values{"session_id": {"checkout-7f3a"}}, 20)
	discarded := linkIn(s.get("/failures?application=shop/web-log"), "/failures/")
	if got := s.ask(http.MethodPost, discarded+"/discard", url.Values{}); got.status != http.StatusSeeOther {
		t.Errorf("discarding is answered %d %s", got.status, got.body)
	}
	has(s.get(discarded), "the discarded failure", "Discarded")
	if late := s.ask(http.MethodGet, discarded+"?dry_run=true", nil); late.status != http.StatusConflict || !strings.Contains(late.body, "It was not tried") || !strings.Contains(late.body, "The original") {
		t.Errorf("to try what is discarded is answered %d %s", late.status, late.body)
	}
}
