package services_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/jackc/pgx/v5"
)

// TestConsoleErasesWhatIsNotStored: a session that has nothing but failures, or nothing any more, has a page for whoever may
// erase it, which tells how far its latest erasure is.
func TestConsoleErasesWhatIsNotStored(t *testing.T) {
	p := newPeople(t)
	p.send(p.shop, visitOf("bad", "only-bad", time.Now(), `{"host":7,"path":"/"}`))
	failed := func(want int) {
		t.Helper()
		eventually(t, func() error {
			found, err := p.failures(p.shop)
			if err == nil && len(found) != want {
				err = fmt.Errorf("%d failures, want %d", len(found), want)
			}
			return err
		})
	}
	failed(1)
	s, own := &surfer{t: t, base: p.persistence.URL}, &surfer{t: t, base: p.persistence.URL}
	s.login(adminToken)
	own.login(p.shop.key)
	const form, erased = `action="/sessions/only-bad/erase"`, `<span class="tag finished" role="status">erased</span> `
	page := p.problem(s, "/sessions/only-bad", 404, "no such session", form, `href="/sessions">All sessions`).body
	if strings.Contains(page, `id="progress"`) {
		t.Errorf("what was never erased is shown as such: %s", page)
	}
	if page := p.problem(own, "/sessions/only-bad", 404, "no such session").body; strings.Contains(page, "/erase") {
		t.Errorf("to erase is offered to who may not: %s", page)
	}
	if got := s.ask(http.MethodGet, "/sessions/only-bad/erasure", nil, "HX-Request", "true"); got.status != http.StatusNotFound || !strings.Contains(got.body, "never erased") {
		t.Errorf("what was never erased is told as %d %s", got.status, got.body)
	}
	if got := s.ask(http.MethodPost, "/sessions/only-bad/erase", url.Values{"sure": {"yes"}}); got.status != http.StatusSeeOther {
		t.Fatalf("erasing is answered %d %s", got.status, got.body)
	}
	failed(0)
	eventually(t, func() error {
		if got := s.ask(http.MethodGet, "/sessions/only-bad", nil); !strings.Contains(got.body, erased) {
			return fmt.Errorf("the session is answered %d %s", got.status, got.body)
		}
		return nil
	})
	p.problem(s, "/sessions/only-bad", 404, erased, "requested", "finished", form)
	if page := p.problem(own, "/sessions/only-bad", 404).body; strings.Contains(page, "erased") {
		t.Errorf("who may not erase is told of it: %s", page)
	}
	if got := s.ask(http.MethodGet, "/sessions/only-bad/erasure", nil); got.status != http.StatusSeeOther || got.header.Get("Location") != "/sessions/only-bad" {
		t.Errorf("its part is a page: %d %v", got.status, got.header)
	}
	if got := s.ask(http.MethodGet, "/sessions/only-bad/erasure", nil, "HX-Request", "true"); got.status != http.StatusOK || !strings.Contains(got.body, erased) || strings.Contains(got.body, "hx-get") {
		t.Errorf("its part is answered %d %s", got.status, got.body)
	}
	if got := own.ask(http.MethodGet, "/sessions/only-bad/erasure", nil, "HX-Request", "true"); got.status != http.StatusForbidden {
		t.Errorf("who may not erase is answered %d %s", got.status, got.body)
	}
	p.send(p.blog, `{"id":"e","session_id":"shared","category":"article","name":"read"}`)
	p.awaitEvents(p.blog, url.Values{}, 1)
	p.problem(s, "/sessions/shared?application=shop/web-shop", 404, "of the application that was asked for", `href="/sessions/shared">The whole session`, `action="/sessions/shared/erase"`)
	for _, id := range []string{"..", "a/b", "erasure"} {
		address := "/sessions/-?id=" + url.QueryEscape(id)
		action := "/sessions/-/erase?id=" + url.QueryEscape(id)
		if id == "erasure" {
			address, action = "/sessions/erasure", "/sessions/erasure/erase"
		}
		p.problem(s, address, 404, `action="`+action+`"`)
		if got := s.ask(http.MethodPost, action, url.Values{"sure": {"yes"}}); got.status != http.StatusSeeOther {
			t.Errorf("erasing %q is answered %d %s", id, got.status, got.body)
		}
		p.problem(s, address, 404, erased)
	}
}

// TestConsoleWatchesAnErasure that goes on after its answer, whatever that was: the session's own page shows how far it is, and
// looks again by itself.
func TestConsoleWatchesAnErasure(t *testing.T) {
	p := newPeople(t)
	p.furnish()
	conn, err := pgx.Connect(t.Context(), p.postgresURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context()) //nolint:errcheck // a test's
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context()) //nolint:errcheck // it has ended
	// It is read meanwhile, and not written.
	if _, err := tx.Exec(t.Context(), "LOCK TABLE persistence.events IN EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	b := newBrowser(t, p.persistence.URL)
	b.login(adminToken)
	b.open("/sessions/checkout-7f3a")
	b.eraseHere()
	if got := b.path(); got != "/sessions/checkout-7f3a" {
		t.Fatalf("while it goes on erasing leads to %s: %s", got, b.text())
	}
	b.until(`document.querySelector("#state .running")`)
	b.examine("session-erasing", "whatever is restarted meanwhile")
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.until(`document.querySelector("#state .finished")`)
	b.examine("session-erased", "The rest of this page is older")
	b.mustBeQuiet("an erasure")
	b.submit("#progress a")
	b.examine("session-gone", "no such session")

	p.redisDies()
	b.eraseHere()
	b.examine("erase-away", "See how far it is")
	b.submit(".links a[href='/sessions/checkout-7f3a']")
	b.until(`document.querySelector("#state .running") && document.querySelector("#erase")`)
	b.examine("session-gone-erasing", "no such session")
	if err := p.redis.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.until(`document.querySelector("#state .finished")`)
	b.quiet() // of the statuses 404 and 503
}

// eraseHere erases the session that the browser is at, by the keyboard.
func (b *browser) eraseHere() {
	b.t.Helper()
	evaluate[bool](b, "window.before = true")
	b.do(chromedp.Focus(chromedp.CSS("#erase summary")), chromedp.KeyEvent(kb.Enter), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(" "), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter))
	b.arrived()
}
