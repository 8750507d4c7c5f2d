package services_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestConsoleWhileRedisIsAway: nothing is shown as live, and nothing as of now, that is not. An administrator's token is good
// without Redis, and so nothing else ends the tail.
func TestConsoleWhileRedisIsAway(t *testing.T) {
	p := newPeople(t)
	s := &surfer{t: t, base: p.persistence.URL}
	s.login(adminToken)
	b := newBrowser(t, p.persistence.URL)
	b.login(adminToken)
	b.open("/tail")
	b.until(tailIs + `"live"`)
	eventually(t, func() error {
		if page := s.get("/"); !strings.Contains(page, "none waits") {
			return fmt.Errorf("the overview is %s", page)
		}
		return nil
	})
	p.redisDies()
	b.until(tailIs + `"connecting" && document.getElementById("tail-note").textContent.includes("the live tail cannot be followed now")`)
	b.examine("tail-away", "the live tail cannot be followed now")
	for _, path := range []string{"/tail", "/tail?outcome=stored"} {
		got := p.problem(s, path, http.StatusServiceUnavailable, "the live tail cannot be followed now", ">not listening<", `href="`+path+`">Try again`, `name="category"`)
		if got.header.Get("Retry-After") == "" || strings.Contains(got.body, `id="tail"`) {
			t.Errorf("%s listens all the same: %v %s", path, got.header, got.body)
		}
	}
	eventually(t, func() error {
		if page := s.get("/"); !strings.Contains(page, "none waited") || !strings.Contains(page, "the streams cannot be measured now") || strings.Contains(page, "none waits") {
			return fmt.Errorf("the overview is %s", page)
		}
		return nil
	})
	other := newBrowser(t, p.persistence.URL)
	other.login(adminToken)
	other.examine("overview-away", "the streams cannot be measured now")
	if err := p.redis.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.until(tailIs + `"live" && document.getElementById("tail-note").hidden`)
	b.quiet() // of the status 503
	eventually(t, func() error {
		if page := s.get("/"); !strings.Contains(page, "none waits") {
			return fmt.Errorf("the overview is %s", page)
		}
		return nil
	})
}
