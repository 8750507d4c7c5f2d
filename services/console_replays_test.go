package services_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/jackc/pgx/v5"
)

// replayLock is what a chunk of a replay takes in PostgreSQL (services/persistence/replay_job.go).
const replayLock = 0x7468656579650007

// TestConsoleCancelsAReplay that runs: by the keyboard, while the page asks again how far it is. What it has not come to stays open.
func TestConsoleCancelsAReplay(t *testing.T) {
	p := newPeople(t)
	p.furnish()
	held, err := pgx.Connect(t.Context(), p.postgresURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = held.Close(t.Context()) })
	if _, err := held.Exec(t.Context(), "SELECT pg_advisory_lock($1)", int64(replayLock)); err != nil { // as a replica does that hangs
		t.Fatal(err)
	}
	b := newBrowser(t, p.persistence.URL)
	b.login(adminToken)
	b.open("/failures?state=open&code=schema.mismatch")
	b.submit(".actions button[value=false]")
	b.until(`document.querySelector("#state .running") && document.querySelector("progress").value === 0`)
	b.do(chromedp.Focus(chromedp.CSS("#cancel")))
	evaluate[bool](b, `document.getElementById("progress").seen = true`)
	b.until(`!document.getElementById("progress").seen && document.activeElement.id === "cancel"`)
	b.examine("replay-running", "0 of 8 failures")
	evaluate[bool](b, "window.before = true")
	b.do(chromedp.Focus(chromedp.CSS("#cancel")), chromedp.KeyEvent(kb.Enter))
	b.arrived()
	b.until(`document.querySelector("#state .cancelled") && !document.getElementById("cancel")`)
	b.examine("replay-cancelled", "0 of 8 failures")
	replay := b.path()
	if err := held.Close(t.Context()); err != nil { // and it goes on no more
		t.Fatal(err)
	}
	b.open("/failures?state=open&code=schema.mismatch")
	b.submit(".actions button[value=true]")
	b.until(`document.querySelector("#state .finished")`)
	b.open(replay)
	b.until(`document.querySelector("#state .cancelled") && document.querySelector("progress").value === 0`)
	if found, err := p.failures(p.shop); err != nil || len(found) != 8 {
		t.Errorf("%d failures, %v", len(found), err)
	}
	b.pagesReplays(replay)
	b.mustBeQuiet("cancelling")
}

// pagesReplays looks for one among others, by the form and by the link to older ones.
func (b *browser) pagesReplays(cancelled string) {
	b.t.Helper()
	b.open("/replays?limit=1")
	b.do(chromedp.Focus(chromedp.CSS(".more a")), chromedp.KeyEvent(kb.Enter))
	b.until(`document.querySelectorAll("tbody tr").length === 2 && document.querySelector("tbody .cancelled") && !document.querySelector(".more")`)
	b.open("/replays")
	evaluate[string](b, `document.querySelector("select[name=dry_run]").value = "false"`)
	b.submit("form.filter button")
	if got := b.path(); got != "/replays?dry_run=false" {
		b.t.Errorf("the form leads to %s", got)
	}
	b.examine("replays-in-earnest", "cancelled")
	if links := evaluate[string](b, `[...document.querySelectorAll("tbody th a")].map((a) => a.getAttribute("href")).join(" ")`); links != cancelled {
		b.t.Errorf("it finds %s, want %s", links, cancelled)
	}
}

// TestConsoleDropsACursor when the question changes: its forms begin at the first page; an address with a cursor of
// another question says so beside the form.
func TestConsoleDropsACursor(t *testing.T) {
	p := newPeople(t)
	p.furnish()
	p.send(p.shop, visitOf("other", "another", time.Now(), `{"host":"shop.example","path":"/"}`))
	p.awaitEvents(p.shop, url.Values{"session_id": {"another"}}, 1)
	s := &surfer{t: t, base: p.persistence.URL}
	s.login(adminToken)
	b := newBrowser(t, p.persistence.URL)
	b.login(adminToken)
	for _, path := range []string{"/events", "/failures", "/sessions"} {
		next := nextIn(s.get(path + "?limit=1"))
		if page := s.get(next); next == "" || strings.Contains(page, `name="cursor"`) || strings.Contains(page, `class="problem"`) {
			t.Errorf("%s goes on at %q: %s", path, next, page)
		}
		b.open(next)
		b.do(chromedp.SendKeys(chromedp.CSS("form.filter input[name=application]"), "shop/web-shop"))
		b.submit("form.filter button")
		if got := b.path(); got != path+"?application=shop%2Fweb-shop" {
			t.Errorf("the form of %s leads to %s", next, got)
		}
		got := s.ask(http.MethodGet, next+"&application="+url.QueryEscape("shop/web-log"), nil)
		if !strings.Contains(got.body, "cursor is of another question") || !strings.Contains(got.body, `<form class="filter"`) {
			t.Errorf("%s of another application is answered %d %s", next, got.status, got.body)
		}
	}
	next := nextIn(s.get("/sessions/checkout-7f3a?limit=2"))
	if page := s.get(next); next == "" || !strings.Contains(page, "/products/") {
		t.Errorf("the session goes on at %q: %s", next, page)
	}
	b.mustBeQuiet("the forms")
}

// nextIn is the link to the next page; "" on the last.
func nextIn(page string) string {
	_, after, _ := strings.Cut(page, `rel="next" href="`)
	link, _, _ := strings.Cut(after, `"`)
	return strings.ReplaceAll(link, "&amp;", "&")
}
