package persistence

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// budgeted is how many questions by name one person asks at once. A Failure takes one of them, as an application does.
const budgeted = 200

// TestMadeUpIDsAreBounded by who asks: somebody without any right floods with ids, and costs the API server no more than
// their budget; others are answered meanwhile. From when they are refused they learn nothing of what is there.
func TestMadeUpIDsAreBounded(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	c.fill()
	nothing, home := c.person("nothing"), c.person("home")
	c.grant("home", c.home, []Verb{VerbGet, VerbList})
	now := time.Now()
	c.stopped.Store(&now)

	for what, path := range map[string]func() string{
		"ids of Failures":     func() string { return "/v1/failures/" + uuid.NewString() },
		"a Failure":           func() string { return "/v1/failures/" + c.failures[0] },
		"ids of applications": func() string { return "/v1/events?application=" + uuid.NewString() },
		"an application":      func() string { return "/v1/events?application=" + shop.String() },
		"names":               func() string { return "/v1/events?application=" + c.home + "/" + uuid.NewString() },
		"a name":              func() string { return "/v1/events?application=" + c.home + "/web-shop" },
	} {
		c.forget() // and every budget is whole
		c.flood(what, nothing, path)
		for _, question := range []string{"/v1/failures/" + c.failures[0], "/v1/events?limit=1"} {
			if status, _, body := c.answer(c.url, home, question); status != http.StatusOK {
				t.Errorf("after a flood of %s somebody else's %s is answered %d %s", what, question, status, body)
			}
		}
	}
}

// flood asks until it is refused, which it must be after as many requests as the budget has, whatever they were about: also
// where the application was asked about before.
func (c *court) flood(what, token string, path func() string) {
	c.Helper()
	before := c.asked.Load()
	if status, _, body := c.answer(c.url, token, "/v1/events?application="+shop.String()); status != http.StatusForbidden {
		c.Fatalf("%s: the application is answered %d %s", what, status, body)
	}
	for n := range budgeted + 10 {
		status, header, body := c.answer(c.url, token, path())
		got, expected := fmt.Sprint(status), "403"
		if status == http.StatusTooManyRequests {
			got = fmt.Sprint(status, " ", header.Get("Retry-After"), " ", strings.Contains(string(body), `"rate.exceeded"`))
		}
		if n >= budgeted-1 {
			expected = "429 1 true"
		}
		if got != expected {
			c.Errorf("%s: request %d is answered %s, want %s: %s", what, n, got, expected, body)
			break
		}
	}
	const others = 20 // about whose the token is, and about namespaces
	if asked := c.asked.Load() - before; asked > budgeted+others {
		c.Errorf("%s: %d questions to the API server", what, asked)
	}
}
