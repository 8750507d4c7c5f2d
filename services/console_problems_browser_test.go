package services_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestConsoleProblemsInABrowser: what is wrong with a search is found, understood and mended by the keyboard alone; parts of
// pages that cannot be had say so where they were to be.
func TestConsoleProblemsInABrowser(t *testing.T) {
	p := newPeople(t)
	p.furnish()
	b := newBrowser(t, p.persistence.URL)
	b.login(adminToken)
	b.open("/events?from=soon&name=pageview")
	b.examine("events-wrong", "Invalid parameter")
	b.open("/events?from=soon&name=pageview")
	b.until(`document.activeElement.hasAttribute("aria-describedby")`) // browsers do it when they paint
	if got := evaluate[string](b, `document.activeElement.name + " " + document.getElementById(document.activeElement.getAttribute("aria-describedby")).textContent`); !strings.HasPrefix(got, "from This is no time.") {
		t.Errorf("the focus is on %q", got)
	}
	b.do(chromedp.Focus(chromedp.CSS(".problem a")), chromedp.KeyEvent(kb.Enter)) // the summary leads there, too
	b.until(`document.activeElement.name === "from" || location.hash === "#field-from"`)
	evaluate[bool](b, `document.querySelector("input[name=from]").select(), window.before = true`)
	b.do(chromedp.SendKeys(chromedp.CSS("input[name=from]"), "2026-01-01T00:00"+kb.Enter))
	b.arrived()
	if got := b.path(); got != "/events?from=2026-01-01T00%3A00%3A00.000000Z&name=pageview" || !strings.Contains(b.text(), "/products/11") {
		t.Errorf("mended, the search is at %s: %s", got, b.text())
	}
	b.do(chromedp.SendKeys(chromedp.CSS("input[name=path]"), "cart.total"))
	b.submit("form.filter button.primary")
	b.examine("events-wrong-condition", "The value is missing.")
	if got := evaluate[string](b, `document.activeElement.name + " " + document.activeElement.value`); got != "path cart.total" {
		t.Errorf("the focus is on %q", got)
	}
	for name, path := range map[string]string{
		"error-parameter": "/?span=bogus", "error-application": "/applications/nope", "error-session": "/sessions/none", "error-failure": "/failures/none",
		"failures-wrong": "/failures?state=ajar", "sessions-wrong": "/sessions?application=shop/none", "tail-wrong": "/tail?outcome=lost", "events-unknown": "/events?bogus=1",
	} {
		b.open(path)
		b.examine(name, "·")
		b.open(path) // and by the keyboard there is a way on
		evaluate[bool](b, `(document.querySelector(".problem a[href^='/'], .links a[href^='/']") || [...document.querySelectorAll(".filter a")].find((a) => a.textContent === "Clear")).focus(), true`)
		b.do(chromedp.KeyEvent(kb.Enter))
		b.until(`location.pathname + location.search !== ` + quote(path) + ` && !document.querySelector("main .problem")`)
	}
	b.quiet() // of the status of these pages

	b.open("/events?limit=3")
	evaluate[bool](b, `htmx.ajax("GET", "/events?limit=3&cursor=wrong", {target: "li.more", swap: "outerHTML"}), true`)
	b.until(`document.querySelector("li.more .problem") && document.querySelectorAll("li details").length === 3`)
	b.examine("events-older-refused", "cursor")
	b.quiet() // of the status 400
	b.open("/events?limit=3")
	p.persistence.Kill()
	b.do(chromedp.Focus(chromedp.CSS(".more a")), chromedp.KeyEvent(kb.Enter))
	b.until(`document.querySelector("li.more .away")`)
	p.persistence.Restart()
	b.do(chromedp.Focus(chromedp.CSS(".more a")), chromedp.KeyEvent(kb.Enter))
	b.until(`document.querySelectorAll("li details").length === 6 && !document.querySelector(".away")`)
	b.quiet() // of the connection that was lost
}

// TestConsoleByPlainHTTP: a browser keeps no session that comes from another machine unencrypted. Who comes that way is told
// before a token is typed, and after.
func TestConsoleByPlainHTTP(t *testing.T) {
	p := newPeople(t)
	address, err := url.Parse(p.persistence.URL)
	if err != nil {
		t.Fatal(err)
	}
	b := newBrowser(t, "http://console.example:"+address.Port(), chromedp.Flag("host-resolver-rules", "MAP console.example 127.0.0.1"))
	b.open("/events")
	b.examine("login-plain", "You cannot log in here: this page came by plain http.")
	b.login(adminToken)
	if got := b.path(); !strings.HasPrefix(got, "/login?kept=no") {
		t.Errorf("the login leads to %s", got)
	}
	b.examine("login-stuck", "Your browser did not keep the session.")
	if !strings.Contains(b.text(), "by https") {
		t.Errorf("what to do is left out: %s", b.text())
	}
	b.base = p.persistence.URL
	b.open("/login")
	if strings.Contains(b.text(), "plain http") {
		t.Errorf("on the machine itself it warns, too: %s", b.text())
	}
	b.login(adminToken)
	if got := b.path(); got != "/" {
		t.Errorf("on the machine itself the login leads to %s", got)
	}
	b.quiet() // of the status 400
}

func quote(text string) string { return "'" + text + "'" }
