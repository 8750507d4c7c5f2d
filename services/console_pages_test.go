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

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/stream"
)

// TestConsoleInABrowser is what people do, from the login to the end: every page is looked at in light and dark, by
// axe-core and, with THEEYE_SCREENSHOTS, by a camera. The browser has nothing to complain about.
func TestConsoleInABrowser(t *testing.T) {
	p := newPeople(t)
	p.furnish()
	b := newBrowser(t, p.persistence.URL)
	b.open("/sessions/checkout-7f3a")
	b.examine("login", "Log in")
	b.do(chromedp.SendKeys(chromedp.CSS("input[name=token]"), "wrong"+kb.Enter))
	b.until(`document.querySelector(".problem")`)
	b.examine("login-wrong", "No or wrong credential")
	b.quiet() // of the status 401
	b.do(chromedp.SendKeys(chromedp.CSS("input[name=token]"), adminToken))
	b.submit("form[action='/login'] button")
	if got := b.path(); got != "/sessions/checkout-7f3a" {
		t.Fatalf("the login leads to %s: %s", got, b.text())
	}
	if got := evaluate[string](b, "document.cookie"); got != "" {
		t.Errorf("scripts see the cookie %s", got)
	}
	b.examine("session", "/products/11")
	b.open("/")
	b.until(`document.querySelector("#chart canvas")`)
	b.examine("overview", "shop/web-shop")
	b.open("/?span=month")
	b.examine("overview-month", "30 days")
	b.open("/applications")
	b.examine("applications", "shop/web-shop")
	b.open("/applications/" + p.shop.uid.String())
	b.examine("application", "Credentials")
	b.open("/sessions")
	b.examine("sessions", "checkout-7f3a")
	b.open("/nothing")
	b.examine("not-found", "not_found")
	b.quiet() // of the status 404
	b.searches(p)
	b.listens(p)
	b.mends(p)
	b.submit("form[action='/logout'] button")
	if got := b.path(); got != "/login?out=yes" {
		t.Errorf("logging out leads to %s", got)
	}
	b.open("/events")
	if got := b.path(); got != "/login?next=%2Fevents" {
		t.Errorf("who is logged out comes to %s", got)
	}
	b.mustBeQuiet("at the end")
}

// examine looks at a page in every way, and looks for a word in it.
func (b *browser) examine(name, word string) {
	b.t.Helper()
	if !strings.Contains(b.text(), word) {
		b.t.Errorf("%s does not say %q: %s", name, word, b.text())
	}
	for _, scheme := range []string{"light", "dark"} {
		b.scheme(scheme)
		b.until(`document.getAnimations().every((a) => a.playState !== "running")`)
		b.axe(name + " in " + scheme)
		b.shoot(name + "-" + scheme)
	}
	b.scheme("light")
	for _, width := range []int64{360, 1600, 1280} {
		b.do(chromedp.EmulateViewport(width, 900))
		if wide := evaluate[int64](b, "document.documentElement.scrollWidth"); wide > width {
			b.t.Errorf("%s is %d wide on a screen of %d", name, wide, width)
		}
		if width == 360 {
			b.shoot(name + "-narrow")
		}
	}
}

// searches by the form, opens a row by the keyboard, and comes back by the address alone.
func (b *browser) searches(p *people) {
	b.t.Helper()
	b.open("/events")
	b.examine("events", "/products/11")
	b.do(chromedp.SendKeys(chromedp.CSS("input[name=name]"), "pageview"), chromedp.SendKeys(chromedp.CSS("input[name=path]"), "cart.total"))
	evaluate[string](b, `document.querySelector("select[name=op]").value = "gte"`)
	evaluate[bool](b, "window.before = true")
	b.do(chromedp.SendKeys(chromedp.CSS("input[name=value]"), "100"+kb.Enter))
	b.arrived()
	const address = "/events?data.cart.total%5Bgte%5D=100&name=pageview"
	if got := b.path(); got != address {
		b.t.Errorf("the search has the address %s", got)
	}
	if n := evaluate[int](b, `document.querySelectorAll(".rows li").length`); n != 2 {
		b.t.Errorf("the search shows %d rows", n)
	}
	b.do(chromedp.Focus(chromedp.CSS(".rows summary")), chromedp.KeyEvent(kb.Enter))
	b.until(`document.querySelector(".rows details[open] .history table")`)
	b.examine("events-open", "What became of it")
	b.mustBeQuiet("the search")

	b.open("/events?limit=3")
	for n := 6; n <= 9; n += 3 { // older ones, by the keyboard
		b.do(chromedp.Focus(chromedp.CSS(".more a")), chromedp.KeyEvent(kb.Enter))
		b.until(fmt.Sprintf(`document.querySelectorAll(".rows li details").length === %d`, n))
		b.until(`document.activeElement && document.activeElement.tagName === "SUMMARY"`)
	}
	b.mustBeQuiet("older events")

	b.open("/") // the first tabs lead past the navigation
	b.do(chromedp.KeyEvent(kb.Tab))
	if got := evaluate[string](b, "document.activeElement.textContent"); got != "Skip to the content" {
		b.t.Errorf("the first tab leads to %q", got)
	}
	b.do(chromedp.KeyEvent(kb.Enter))
	b.until(`location.hash === "#main"`)
	b.do(chromedp.Click(chromedp.CSS("#theme")))
	b.do(chromedp.Click(chromedp.CSS("#theme")))
	b.open("/events")
	if got := evaluate[string](b, "document.documentElement.dataset.theme + ' ' + getComputedStyle(document.documentElement).colorScheme"); got != "dark dark" {
		b.t.Errorf("the theme that was chosen is %s on the next page", got)
	}
	b.do(chromedp.Click(chromedp.CSS("#theme")))
	b.open("/events/v3?application=" + p.shop.uid.String())
	b.examine("event", "What became of it")
	b.mustBeQuiet("the keyboard")
}

// listens to the live tail while events come, pauses, and goes on.
func (b *browser) listens(p *people) {
	b.t.Helper()
	b.open("/tail")
	b.until(`document.getElementById("tail-state").textContent === "live"`)
	post := func(from, to int) {
		for i := from; i < to; i++ {
			p.send(p.blog, fmt.Sprintf(`{"id":"live%d","session_id":"live","category":"article","name":"read","data":{"n":%d}}`, i, i))
		}
	}
	post(0, 5)
	p.send(p.shop, visitOf("live-bad", "live", time.Now(), `{"host":1,"path":"/"}`))
	p.send(p.blog, `{"id":"live0","session_id":"live","category":"article","name":"read","data":{"n":99}}`)
	b.until(`document.querySelectorAll("#tail-list li").length === 7`)
	b.until(`document.querySelectorAll("#tail-list .stored").length === 5 && document.querySelector("#tail-list .refused") && document.querySelector("#tail-list .conflict")`)
	b.examine("tail", "live")
	b.do(chromedp.Click(chromedp.CSS("#tail-pause")))
	post(5, 8)
	b.until(`document.getElementById("tail-note").textContent.includes("3 wait")`)
	if n := evaluate[int](b, `document.querySelectorAll("#tail-list li").length`); n != 7 {
		b.t.Errorf("while it pauses the tail shows %d", n)
	}
	b.do(chromedp.Click(chromedp.CSS("#tail-pause")))
	b.until(`document.querySelectorAll("#tail-list li").length === 10`)
	b.do(chromedp.Focus(chromedp.CSS("#tail-list summary")), chromedp.KeyEvent(kb.Enter))
	b.until(`document.querySelector("#tail-list details[open] a").offsetParent`)
	b.open("/tail?outcome=conflict&application=shop%2Fweb-log")
	b.until(`document.getElementById("tail-state").textContent === "live"`)
	post(8, 10)
	p.send(p.blog, `{"id":"live1","session_id":"live","category":"article","name":"read","data":{"n":98}}`)
	b.until(`document.querySelectorAll("#tail-list li").length === 1 && document.querySelector("#tail-list .conflict")`)
	b.open("/tail")
	b.do(chromedp.SendKeys(chromedp.CSS("input[name=path]"), "n"), chromedp.SendKeys(chromedp.CSS("input[name=value]"), "12"))
	evaluate[string](b, `document.querySelector("select[name=op]").value = "gte"`)
	b.submit("form.filter button")
	if got := b.path(); got != "/tail?data.n%5Bgte%5D=12" {
		b.t.Errorf("the form leads to %s", got)
	}
	b.until(`document.getElementById("tail-state").textContent === "live"`)
	post(10, 14)
	b.until(`document.querySelectorAll("#tail-list li").length === 2`)
	b.examine("tail-of-data", "live")
	b.misses(p)
	b.mustBeQuiet("the live tail")
}

// misses outcomes that could not be announced, and is told so.
func (b *browser) misses(p *people) {
	b.t.Helper()
	client, err := stream.Open(p.redis.URL())
	if err != nil {
		b.t.Fatal(err)
	}
	defer client.Close() //nolint:errcheck // a test's
	move := func(commands ...[]any) {
		b.t.Helper()
		for _, command := range commands {
			if err := client.Do(b.t.Context(), command...).Err(); err != nil {
				b.t.Fatal(err)
			}
		}
	}
	b.open("/tail?name=nothing")
	b.until(`document.getElementById("tail-state").textContent === "live"`)
	move([]any{"RENAME", "theeye:{tail}", "saved"}, []any{"SET", "theeye:{tail}", "in the way"})
	p.send(p.blog, `{"id":"untold","session_id":"live","category":"article","name":"read"}`)
	p.awaitEvents(p.blog, url.Values{"session_id": {"live"}, "data.n[exists]": {"false"}}, 1)
	move([]any{"RENAME", "saved", "theeye:{tail}"})
	n := 0
	eventually(b.t, func() error { // it is told with the next one that can be
		p.send(p.blog, fmt.Sprintf(`{"id":"told %d","session_id":"live","category":"article","name":"read"}`, n))
		n++
		if note := evaluate[string](b, `document.getElementById("tail-note").textContent`); !strings.Contains(note, "missed: they could not be announced") {
			return fmt.Errorf("the tail notes %q", note)
		}
		return nil
	})
	b.examine("tail-missed", "were missed: they could not be announced")
}

// mends what a schema has refused: sees it, tries it, replays it and the others like it, and finds the event.
func (b *browser) mends(p *people) {
	b.t.Helper()
	b.open("/failures?state=open&code=schema.mismatch")
	b.examine("failures", "/data/host")
	b.open(evaluate[string](b, `[...document.querySelectorAll("tbody tr")].find((row) => row.textContent.includes("maxLength")).querySelector("th a").getAttribute("href")`))
	failure := b.path()
	b.examine("failure", "must be of type string, not number")
	if n := evaluate[int](b, `document.querySelectorAll(".json mark").length`); n < 2 {
		b.t.Errorf("%d places of the original are marked", n)
	}
	b.submit("button[name=dry_run][value=true]")
	b.examine("failure-dry-run", "Replayed now it would be refused")
	b.open(b.path()) // as whoever is given its address does
	if got := b.path(); got != failure+"?dry_run=true" || !strings.Contains(b.text(), "Replayed now it would be refused") {
		b.t.Errorf("the dry run is at %s, which shows %s", got, b.text())
	}

	p.mustAdmin(http.MethodPut, p.shop.path(), registry.DesiredApplication{Namespace: "shop", Name: "web-shop", Policy: registry.Policy{}})
	eventually(b.t, func() error {
		b.open(failure)
		b.submit("button[name=dry_run][value=true]")
		if !strings.Contains(b.text(), "Replayed now it would be stored") {
			return fmt.Errorf("the dry run says %s", b.text())
		}
		return nil
	})
	b.submit("button[name=dry_run][value=false]")
	b.examine("failure-replayed", "replayed")

	b.open("/failures?state=open&code=schema.mismatch")
	b.submit(".actions button[value=true]")
	b.until(`document.querySelector("#state .finished")`)
	b.examine("replay-dry-run", "What would become of them")
	b.submit("#progress .actions button")
	b.until(`document.querySelector("#state .finished") && document.querySelector("progress").value === 100`)
	b.examine("replay", "What became of them")
	b.open("/replays")
	b.examine("replays", "finished")
	p.awaitEvents(p.shop, url.Values{"session_id": {"checkout-7f3a"}}, 20)
	b.open("/sessions/checkout-7f3a")
	if !strings.Contains(b.text(), "a-path-that-is-much-longer") {
		b.t.Errorf("the session shows no replayed event: %s", b.text())
	}
	b.mustBeQuiet("replaying")
}
