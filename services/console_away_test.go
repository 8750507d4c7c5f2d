package services_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/hack/servers"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// TestConsoleWhilePostgreSQLIsAway: what is shown stays, says so, and goes on by itself or by a button; nobody is kept from
// logging out.
func TestConsoleWhilePostgreSQLIsAway(t *testing.T) {
	store := testenv.OwnPostgres(t)
	p := newPeopleOn(t, store.URL())
	p.furnish()
	b := newBrowser(t, p.persistence.URL)
	b.login(adminToken)
	b.open("/events?limit=3")
	p.stop(store)
	b.do(chromedp.Focus(chromedp.CSS(".rows summary")), chromedp.KeyEvent(kb.Enter))
	b.until(`document.querySelector("details[open] .away button")`)
	b.do(chromedp.Focus(chromedp.CSS(".more a")), chromedp.KeyEvent(kb.Enter))
	b.until(`document.querySelector(".more .away") && document.querySelector(".more a")`)
	b.examine("events-away", "the store cannot tell now who is logged in")
	b.quiet() // of the status 503
	p.restart(store)
	b.do(chromedp.Focus(chromedp.CSS(".away button")), chromedp.KeyEvent(kb.Enter))
	b.until(`document.querySelector("details[open] .history table")`)
	b.do(chromedp.Focus(chromedp.CSS(".more a")), chromedp.KeyEvent(kb.Enter))
	b.until(`document.querySelectorAll("li details").length === 6 && !document.querySelector(".away")`)

	held, err := pgx.Connect(t.Context(), p.postgresURL)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close(t.Context()) //nolint:errcheck // it ends with the server
	if _, err := held.Exec(t.Context(), "SELECT pg_advisory_lock($1)", int64(replayLock)); err != nil {
		t.Fatal(err)
	}
	b.open("/failures?state=open&code=schema.mismatch")
	b.submit(".actions button[value=false]")
	b.until(`document.querySelector("#state .running")`)
	p.stop(store)
	b.until(`document.querySelector(".away") && document.querySelector(".away").textContent.includes("This is as of")`)
	if !evaluate[bool](b, `document.querySelector("#progress progress").value === 0 && !!document.getElementById("cancel")`) {
		t.Errorf("how far the replay was is shown no more: %s", b.text())
	}
	b.examine("replay-away", "0 of 8 failures")
	b.quiet() // of the status 503
	p.pagesWithoutStore()
	p.restart(store)
	b.until(`document.querySelector("#state .finished") && document.querySelector("progress").value === 100 && !document.querySelector(".away")`)
	b.quiet() // of what was asked meanwhile
}

func (p *people) stop(store *servers.Postgres) {
	p.t.Helper()
	if err := store.Stop(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
}

func (p *people) restart(store *servers.Postgres) {
	p.t.Helper()
	if err := store.Restart(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
}

// pagesWithoutStore: each says that it passes; forms that are about sessions do what can be done.
func (p *people) pagesWithoutStore() {
	p.t.Helper()
	// A cookie like any: nobody can tell now whose it is.
	s := &surfer{t: p.t, base: p.persistence.URL, cookie: strings.Repeat("A", 43)}
	for _, path := range []string{"/", "/events?name=x", "/sessions", "/sessions/s", "/failures", "/replays", "/applications", "/tail", "/export"} {
		got := s.ask(http.MethodGet, path, nil)
		if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" || !strings.Contains(got.body, `href="`+path+`">Try again`) {
			p.t.Errorf("%s is answered %d %v %s", path, got.status, got.header, got.body)
		}
	}
	if got := s.ask(http.MethodGet, "/tail/stream", nil, "Accept", "text/event-stream"); got.status != http.StatusServiceUnavailable || got.header.Get("Content-Type") != "application/problem+json" {
		p.t.Errorf("the stream is answered %d %v", got.status, got.header)
	}
	form := `name="next" value="/events?name=x"`
	for _, got := range []reply{
		s.ask(http.MethodGet, "/login?next=%2Fevents%3Fname%3Dx", nil), s.ask(http.MethodPost, "/login", url.Values{"token": {adminToken}, "next": {"/events?name=x"}}),
	} {
		if got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, form) || strings.Contains(got.body, adminToken) || strings.Contains(got.body, "did not keep") {
			p.t.Errorf("the login is answered %d %s", got.status, got.body)
		}
	}
	got := s.ask(http.MethodPost, "/logout", url.Values{})
	if got.status != http.StatusSeeOther || got.header.Get("Location") != "/login?out=here" || !strings.Contains(got.header.Get("Set-Cookie"), "Max-Age=0") {
		p.t.Errorf("logging out is answered %d %v", got.status, got.header)
	}
	s.cookie = ""
	if page := s.get("/login?out=here"); !strings.Contains(page, "You are logged out: this browser has forgotten its session") {
		p.t.Errorf("who has logged out reads %s", page)
	}
}
