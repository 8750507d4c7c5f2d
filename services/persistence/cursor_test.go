package persistence

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

// FuzzCursor: whatever place a cursor names is one that is written the same again, or an invalid parameter; and so is
// whatever else a client sends.
func FuzzCursor(f *testing.F) {
	f.Add(Position{Time: time.Unix(1, 0), Sequence: [16]byte{1}}.bytes(), "")
	f.Add(sessionPosition{time.Unix(1, 0), "s"}.bytes(), "AQ")
	f.Fuzz(func(t *testing.T, place []byte, text string) {
		for _, l := range []listing{listEvents, listSession, listExport, listSessions, listFailures, listReplays} {
			q := Query{list: l}
			for _, cursor := range []string{q.cursors()(place), text} {
				q.After, q.AfterSession = nil, nil
				err := q.goOn(cursor)
				if err != nil {
					if fault.ProblemOf(err).Code != fault.CodeParameter {
						t.Errorf("error %v", err)
					}
					continue
				}
				var again []byte
				if q.After != nil {
					again = q.After.bytes()
				} else {
					again = q.AfterSession.bytes()
				}
				if got := q.cursors()(again); got != strings.NewReplacer("\r", "", "\n", "").Replace(cursor) {
					t.Errorf("%q is written as %q", cursor, got)
				}
			}
		}
	})
}

// nextOf is where the page of a question ends; that of an export where its first line does.
func (l *library) nextOf(token, asked string) string {
	l.Helper()
	status, body := l.raw(l.url, token, asked)
	var page struct {
		NextCursor string `json:"next_cursor"`
		Cursor     string
	}
	if err := json.NewDecoder(strings.NewReader(string(body))).Decode(&page); err != nil || status != http.StatusOK || page.NextCursor+page.Cursor == "" {
		l.Fatalf("%s answered %d %s (%v)", asked, status, body, err)
	}
	return page.NextCursor + page.Cursor
}

// TestCursorBelongsToItsQuestion: given to another list, or to a question with another filter or in another order, it is
// refused; how many rows a page has, and what is shown of them, may change.
func TestCursorBelongsToItsQuestion(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	r := l.replayer(l.store, book{})
	base := time.Now().Add(-time.Hour)
	for n := range 5 {
		l.insert(l.request(shop, at(item(fmt.Sprint(n), "s", `"data":{"n":1}`), base.Add(time.Duration(n)*time.Minute)), item(fmt.Sprint("t", n), fmt.Sprint("t", n), "")))
		l.refuse(shop, refused(fmt.Sprintf(`{"id":"r%d"}`, n), "field.missing"))
		l.begin(r, Query{Application: shop})
	}
	since, until := base.Add(-time.Hour).UTC().Format(time.RFC3339), time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	all := []string{"/v1/events", "/v1/events?session_id=s", "/v1/sessions/s", "/v1/export", "/v1/sessions", "/v1/sessions?category=page", "/v1/failures", "/v1/replays"}
	for _, asked := range all {
		cursor := l.nextOf(adminToken, withParameter(asked, "limit=2", "/v1/export"))
		for _, other := range all {
			status, body := l.raw(l.url, adminToken, withParameter(other, "cursor="+cursor, ""))
			if other == asked && status != http.StatusOK || other != asked && (status != http.StatusBadRequest || !strings.Contains(string(body), "cursor is of another")) {
				t.Errorf("a cursor of %s is answered by %s with %d %s", asked, other, status, body)
			}
		}
	}
	more := "&from=" + since + "&to=" + until
	for asked, others := range map[string][]string{
		"/v1/events?category=page&data.n=1" + more: {
			"/v1/events?data.n=1" + more, "/v1/events?category=page" + more, "/v1/events?category=page&data.n=2" + more, "/v1/events?category=page&data.m=1" + more,
			"/v1/events?category=page&data.n[ne]=2" + more, "/v1/events?category=page&data.n=1&to=" + until, "/v1/events?category=page&data.n=1&from=" + since,
			"/v1/events?name=page&data.n=1" + more, "/v1/events?category=page&data.n=1&order=oldest" + more, "/v1/events?category=page&data.n=1&session_id=s" + more,
			"/v1/events?category=page&data.n=1&application=" + shop.String() + more,
		},
		"/v1/events?session_id=s":                        {"/v1/events?session_id=t", "/v1/events?session_id=s&order=newest", "/v1/events"},
		"/v1/sessions/s?order=newest":                    {"/v1/sessions/t1?order=newest", "/v1/sessions/s", "/v1/sessions/s?order=newest&name=view"},
		"/v1/export?name=view":                           {"/v1/export", "/v1/export?name=view&order=newest", "/v1/export?category=view"},
		"/v1/sessions?to=" + until:                       {"/v1/sessions", "/v1/sessions?from=" + until},
		"/v1/sessions?category=page":                     {"/v1/sessions?name=page", "/v1/sessions?category=page&name=view"},
		"/v1/failures?code=field.missing&state=open":     {"/v1/failures?code=field.missing", "/v1/failures?state=open", "/v1/failures?code=field.missing&state=open&stage=ingest"},
		"/v1/replays?dry_run=false":                      {"/v1/replays", "/v1/replays?dry_run=true", "/v1/replays?dry_run=false&state=running"},
		"/v1/replays?application=" + shop.String():       {"/v1/replays", "/v1/replays?application=" + blog.String()},
		"/v1/events?application=" + shop.String():        {"/v1/events?application=" + blog.String(), "/v1/events"},
		"/v1/failures?application=" + shop.String():      {"/v1/failures?application=" + blog.String(), "/v1/failures"},
		"/v1/events?data.n=1&data.n[exists]=true" + more: {"/v1/events?data.n=1" + more},
	} {
		cursor := l.nextOf(adminToken, withParameter(asked, "limit=1", "/v1/export"))
		for _, other := range others {
			status, body := l.raw(l.url, adminToken, withParameter(other, "cursor="+cursor, ""))
			if status != http.StatusBadRequest || !strings.Contains(string(body), `"code":"request.parameter"`) || !strings.Contains(string(body), "cursor is of another question") {
				t.Errorf("a cursor of %s is answered by %s with %d %s", asked, other, status, body)
			}
		}
	}
	for asked, same := range map[string][]string{
		"/v1/events?data.n=1&data.n[exists]=true": {"/v1/events?data.n[exists]=true&data.n=1&limit=3&select=id", "/v1/events?order=newest&data.n[eq]=1&data.n[exists]=true"},
		"/v1/events?session_id=s":                 {"/v1/events?session_id=s&order=oldest&select=id,data"},
		"/v1/export":                              {"/v1/export?format=csv&select=id", "/v1/export?order=oldest"},
		"/v1/failures?from=" + since:              {"/v1/failures?limit=1000&from=" + url.QueryEscape(base.Add(-time.Hour).Truncate(time.Second).In(time.FixedZone("", 7200)).Format(time.RFC3339))},
		"/v1/replays":                             {"/v1/replays?limit=7"},
	} {
		cursor := l.nextOf(adminToken, withParameter(asked, "limit=1", "/v1/export"))
		for _, other := range same {
			if status, body := l.raw(l.url, adminToken, withParameter(other, "cursor="+cursor, "")); status != http.StatusOK {
				t.Errorf("a cursor of %s is answered by %s with %d %s", asked, other, status, body)
			}
		}
	}
}

// withParameter adds one to an address, but for paths that have no such.
func withParameter(asked, parameter, but string) string {
	switch {
	case but != "" && strings.HasPrefix(asked, but):
		return asked
	case strings.Contains(asked, "?"):
		return asked + "&" + parameter
	}
	return asked + "?" + parameter
}

// TestCursorOfTheReleaseBefore, or of none, is refused, and so is one that was cut or changed.
func TestCursorOfTheReleaseBefore(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	for n := range 3 {
		l.insert(l.request(shop, item(fmt.Sprint(n), "s", ""), refused("{}", "field.missing")))
	}
	encoded := base64.RawURLEncoding.EncodeToString
	place := Position{time.Now(), uuid.New()}.bytes()
	cursor := l.nextOf(adminToken, "/v1/events?limit=1")
	whole, err := base64.RawURLEncoding.DecodeString(cursor)
	l.must(err)
	for name, wrong := range map[string]string{
		"of the release before": encoded(place), "in the other order": encoded(append(place, 1)), "of sessions": "s." + encoded(append(place[:8], "a"...)), "cut": encoded(whole[:len(whole)-1]),
		"longer": encoded(append(whole, 0)), "nothing": "AA", "its head": encoded(whole[:cursorHead]), "padded": cursor + "=", "a time that is none": encoded(append(whole[:cursorHead:cursorHead], append([]byte("\x7f\xff\xff\xff\xff\xff\xff\xff"), place[8:]...)...)),
	} {
		for _, list := range []string{"/v1/events", "/v1/failures", "/v1/sessions", "/v1/export", "/v1/replays", "/v1/sessions/s"} {
			status, body := l.raw(l.url, adminToken, list+"?cursor="+url.QueryEscape(wrong))
			if status != http.StatusBadRequest || !strings.Contains(string(body), "begin again without it") && !strings.Contains(string(body), "another list") {
				t.Errorf("%s: one that is %s is answered %d %s", list, name, status, body)
			}
		}
	}
}

// TestCursorOutlivesRights: what somebody may read changes between two pages, and the next one goes on with what they may
// read by then: a cursor has nothing of the sender.
func TestCursorOutlivesRights(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	for n := range 4 {
		for _, uid := range []uuid.UUID{shop, blog} {
			c.insert(c.request(uid, item(fmt.Sprint(n), fmt.Sprint("s", n), ""), refused("{}", "field.missing")))
		}
	}
	token := c.person("home")
	c.grant("home", c.home, verbs())
	for _, list := range []string{"/v1/events", "/v1/failures", "/v1/sessions"} {
		mine := c.nextOf(token, list+"?limit=1")
		if status, body := c.raw(c.url, adminToken, list+"?cursor="+mine); status != http.StatusOK || !strings.Contains(string(body), blog.String()) {
			t.Errorf("%s: who may read more by now is answered %d %s", list, status, body)
		}
		all := c.nextOf(adminToken, list+"?limit=1")
		if status, body := c.raw(c.url, token, list+"?cursor="+all); status != http.StatusOK || strings.Contains(string(body), blog.String()) {
			t.Errorf("%s: who may read less by now is answered %d %s", list, status, body)
		}
		if status, body := c.raw(c.url, c.keys[shop], list+"?cursor="+all); status != http.StatusOK || strings.Contains(string(body), blog.String()) {
			t.Errorf("%s: a cursor of all is answered to an application with %d %s", list, status, body)
		}
	}
}

// TestCursorIsNobodys: where no application is named, it goes on with what whoever has it may read; where one is, it is one
// of that question, by whichever name.
func TestCursorIsNobodys(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	for n := range 4 {
		for _, uid := range []uuid.UUID{shop, blog} {
			l.insert(l.request(uid, item(fmt.Sprint(n), fmt.Sprint("s", n), "")))
			l.refuse(uid, refused("{}", "field.missing"))
		}
	}
	for _, path := range []string{"/v1/events", "/v1/sessions", "/v1/failures", "/v1/export"} {
		first := withParameter(path, "limit=1", "/v1/export")
		own, admins := l.nextOf(l.keys[shop], first), l.nextOf(adminToken, first)
		for name, e := range map[string]struct {
			token, cursor string
			foreign       bool
		}{
			"an application's, for the admin":             {adminToken, own, true},
			"an application's, for another":               {l.keys[blog], own, true},
			"the admin's, for an application":             {l.keys[shop], admins, false},
			"an application's, for itself, as ever":       {l.keys[shop], own, false},
			"an application's, for its own by an API key": {l.token(shop), own, false},
		} {
			status, body := l.raw(l.url, e.token, withParameter(path, "cursor="+e.cursor, ""))
			if status != http.StatusOK || strings.Contains(string(body), blog.String()) != e.foreign {
				t.Errorf("%s: a cursor of %s is answered %d %s", path, name, status, body)
			}
		}
		named := withParameter(first, "application="+shop.String(), "")
		if status, _ := l.raw(l.url, adminToken, withParameter(path, "application=shop/web-shop&cursor="+l.nextOf(l.keys[shop], named), "")); status != http.StatusOK {
			t.Errorf("%s: the cursor of an application that is named is answered %d", path, status)
		}
		if status, _ := l.raw(l.url, l.keys[shop], withParameter(path, "cursor="+l.nextOf(l.keys[shop], named), "")); status != http.StatusBadRequest {
			t.Errorf("%s: where it is not named, %d", path, status)
		}
	}
}
