package persistence

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// TestMemoryTellsNothing: what somebody has asked before, by a name or by an id, makes no difference in how many questions to
// Kubernetes what follows takes, whether it is of what they have asked about, of something else, or not there at all.
func TestMemoryTellsNothing(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	c.fill()
	now := time.Now()
	c.stopped.Store(&now) // what is remembered stays so until it is forgotten
	home, nothing := c.person("home"), c.person("nothing")
	c.grant("home", c.home, verbs())
	log, shopName := url.QueryEscape(c.away+"/web-log"), url.QueryEscape(c.home+"/web-shop")
	for name, token := range map[string]string{"who reads a part": home, "who reads nothing": nothing} {
		for _, byName := range []string{"/v1/events?application=" + log, "/v1/access?application=" + log, "/v1/events?application=" + url.QueryEscape(c.away+"/idle")} {
			for _, byUID := range []string{
				"/v1/events?application=%s", "/v1/events/e?application=%s", "/v1/access?application=%s", "/v1/stream?application=%s",
				"/v1/applications/%s/usage", "DELETE /v1/applications/%s/events",
			} {
				c.indifferent(name, token, blog.String(), uuid.NewString(), byName, byUID, byUID)
				c.indifferent(name, token, blog.String(), uuid.NewString(), byUID, byName, byUID, byName)
			}
		}
	}
	for _, before := range []string{
		"/v1/events/e?application=" + shopName, "/v1/access?application=" + shopName, "/v1/access?application=" + shop.String(),
		"/v1/events/e?application=%s", "/v1/access?application=%s", "/v1/replays/%s",
	} {
		c.indifferent("who reads nothing", nothing, c.failures[0], uuid.NewString(), before, "/v1/failures/%s", "/v1/failures/%s")
		c.indifferent("who reads nothing", nothing, c.failures[0], uuid.NewString(), "/v1/failures/%s", before, "/v1/failures/%s")
	}
}

// indifferent asks one thing after the other, about what is there and about what is not, and nothing is remembered at first.
func (c *court) indifferent(name, token, there, not string, paths ...string) {
	c.Helper()
	var courses [2]string
	for i, what := range []string{there, not} {
		c.forget()
		for _, path := range paths {
			before := c.asked.Load()
			status, _, body := c.answer(c.url, token, strings.ReplaceAll(path, "%s", what))
			courses[i] += fmt.Sprintf("%s: %d questions, %d %s\n", path, c.asked.Load()-before, status, strings.ReplaceAll(string(body), what, "it"))
		}
	}
	if courses[0] != courses[1] {
		c.Errorf("%s asks about what is there:\n%sand about what is not:\n%s", name, courses[0], courses[1])
	}
}
