package persistence

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// TestNothingLeaks: what somebody may not read is answered as what is not there, to the letter and by as many questions
// to Kubernetes.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	c.fill()
	home, nothing := c.person("home"), c.person("nothing")
	c.grant("home", c.home, verbs())
	for name, token := range map[string]string{"who reads a part": home, "who reads nothing": nothing} {
		for _, path := range []string{
			"/v1/events?application=%s", "/v1/events/e?application=%s", "/v1/sessions/s?application=%s", "/v1/stats?application=%s",
			"/v1/failures?application=%s", "/v1/export?application=%s", "/v1/stream?application=%s",
			"/v1/applications/%s/usage", "/v1/applications/%s/policy", "DELETE /v1/applications/%s/events",
		} {
			c.alike(name, token, path, blog.String(), uuid.NewString())
		}
		c.alike(name, token, "/v1/events?application=%s", url.QueryEscape(c.away+"/web-log"), url.QueryEscape(c.away+"/none"))
		c.alike(name, token, "/v1/sessions/%s", "only-blog", "unknown")
		c.alike(name, token, "/v1/sessions/%s", "only-lost", "unknown")
		c.alike(name, token, "/v1/events?session_id=%s", "only-blog", "unknown")
		c.alike(name, token, "/v1/access?application=%s", blog.String(), uuid.NewString())
	}
}

// alike asks twice when nothing is remembered, about what is there and what is not.
func (c *court) alike(name, token, path, there, not string) {
	c.Helper()
	var answers [2]string
	var asked [2]int64
	for i, what := range []string{there, not} {
		c.forget()
		before := c.asked.Load()
		status, _, body := c.answer(c.url, token, fmt.Sprintf(path, what))
		asked[i] = c.asked.Load() - before
		answers[i] = fmt.Sprintf("%d %s", status, strings.ReplaceAll(string(body), what, "it"))
	}
	if answers[0] != answers[1] || asked[0] != asked[1] {
		c.Errorf("%s asks %s about what is there: %s by %d questions\nand about what is not: %s by %d",
			name, path, answers[0], asked[0], answers[1], asked[1])
	}
}

// TestNothingIsNotAll: a question that was narrowed to nothing finds nothing, wherever it is asked.
func TestNothingIsNotAll(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.insert(f.request(shop, item("e", "s", ""), refused("{}", "field.missing")))
	for _, q := range []Query{{}, {SessionID: "s"}, {Category: "page"}, {Category: "page", Name: "view"}} {
		q.Limit, q.From, q.To = 10, time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		q.Stats.Bucket = "hour"
		q.within(Scope{})
		events, err := f.store.Events(t.Context(), q)
		f.must(err)
		sessions, err := f.store.Sessions(t.Context(), q)
		f.must(err)
		stats, err := f.store.Stats(t.Context(), q)
		f.must(err)
		failures, err := f.store.Failures(t.Context(), q)
		f.must(err)
		session, err := f.store.Session(t.Context(), Query{SessionID: "s", Limit: 10, Among: q.Among})
		f.must(err)
		if n := len(events.Events) + len(sessions.Sessions) + len(stats.Counts) + len(failures.Failures); n > 0 || session != nil {
			t.Errorf("%+v finds %d things, and %+v", q, n, session)
		}
	}
}

// TestPermittedPartIsPaged: pages of the permitted part are those of a store that has nothing else, and a cursor of
// somebody who reads everything shows no more.
func TestPermittedPartIsPaged(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	for n := range 20 {
		for _, uid := range []uuid.UUID{shop, blog, bygone} {
			c.insert(c.request(uid, item(fmt.Sprint(n), fmt.Sprintf("s%d", n%3), ""), refused("{}", "field.missing")))
		}
	}
	token := c.person("home")
	c.grant("home", c.home, verbs())
	for _, path := range []string{"/v1/events?limit=3", "/v1/events?limit=3&order=oldest", "/v1/events?limit=3&category=page", "/v1/events?session_id=s1&limit=2", "/v1/failures?limit=3"} {
		own, part := c.pages(c.keys[shop], path), c.pages(token, path)
		if own != part || strings.Contains(part, blog.String()) {
			t.Errorf("%s: the application reads %s\nthe person %s", path, own, part)
		}
	}
	for _, path := range []string{"/v1/sessions?limit=1", "/v1/sessions?limit=1&name=view"} {
		if own, part := c.pages(c.keys[shop], path), c.pages(token, path); own != part || strings.Count(part, `"session_id"`) != 3 {
			t.Errorf("%s: the application reads %s\nthe person %s", path, own, part)
		}
	}
	_, _, body := c.answer(c.url, adminToken, "/v1/events?limit=2")
	var page EventPage
	c.must(json.Unmarshal(body, &page))
	status, _, body := c.answer(c.url, token, "/v1/events?cursor="+page.NextCursor)
	if status != http.StatusOK || strings.Contains(string(body), blog.String()) || !strings.Contains(string(body), shop.String()) {
		t.Errorf("another's cursor: %d %s", status, body)
	}
}

// pages reads all pages of a question, without what says that they are a part, and without cursors.
func (c *court) pages(token, path string) (all string) {
	c.Helper()
	for cursor := ""; ; {
		status, _, body := c.answer(c.url, token, path+cursor)
		if status != http.StatusOK {
			c.Fatalf("%s: %d %s", path, status, body)
		}
		var page map[string]json.RawMessage
		c.must(json.Unmarshal(body, &page))
		var next string
		if page["next_cursor"] != nil {
			c.must(json.Unmarshal(page["next_cursor"], &next))
		}
		for _, list := range []string{"events", "sessions", "failures"} {
			all += string(page[list])
		}
		if next == "" {
			return all
		}
		cursor = "&cursor=" + next
	}
}
