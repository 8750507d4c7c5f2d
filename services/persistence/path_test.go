package persistence

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

// oddIDs are what clients may call a session or an event, and what something on the way may take for something else.
func oddIDs() []string {
	return []string{
		"/", ".", "..", "...", "a/b", "a/../b", "/a", "a/", "//", "%2F", "%252F", "%", " ", " a ", "+", "a b", "?", "#", "a?b=c#d", "&", ";", "-", "{id}",
		"\\", "\n", "\t", "id", "http://a/b", "é", "e\u0301", "\u202e", strings.Repeat("🙂", 128), `"'<>`,
	}
}

// TestEveryIDIsReachable of a session and of an event, escaped in the path and in the query, and that of a session is erased
// by it.
func TestEveryIDIsReachable(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	for n, id := range oddIDs() {
		l.insert(l.request(shop, item(id, id, fmt.Sprintf(`"data":{"n":%d}`, n))))
	}
	token := "?application=" + shop.String()
	for n, id := range oddIDs() {
		data := fmt.Sprintf(`{"n":%d}`, n)
		escaped := strings.ReplaceAll(url.PathEscape(id), ".", "%2E") // or clients step upwards
		for _, where := range []string{"/" + escaped + token, "/-" + token + "&id=" + url.QueryEscape(id)} {
			var h History
			l.get(uuid.Nil, "/v1/events"+where, &h)
			if h.ID != id || h.Event == nil || string(h.Event.Data) != data {
				t.Errorf("event %q by %s is %+v", id, where, h)
			}
			var s Session
			l.get(uuid.Nil, "/v1/sessions"+where, &s)
			if s.SessionID != id || len(s.Events) != 1 || string(s.Events[0].Data) != data {
				t.Errorf("session %q by %s is %+v", id, where, s)
			}
		}
	}
	working := l.working(l.ring)
	for n, id := range oddIDs() {
		where := "/v1/sessions/" + strings.ReplaceAll(url.PathEscape(id), ".", "%2E")
		if n%2 == 0 {
			where = "/v1/sessions/-?id=" + url.QueryEscape(id)
		}
		if status, _, detail := l.ask(http.MethodDelete, working, where, "Bearer "+adminToken); status != http.StatusNoContent {
			t.Errorf("erasing %q is answered %d %s", id, status, detail)
		}
	}
	if left := l.count("SELECT count(*) FROM persistence.events"); left > 0 {
		t.Errorf("%d events are left", left)
	}
}

// TestIDInThePathOrTheQuery: in one of both.
func TestIDInThePathOrTheQuery(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.insert(l.request(shop, item("-", "-", "")))
	application := "application=" + shop.String()
	for path, want := range map[string]int{
		"/v1/events/-?" + application:                       200, // an id like any other
		"/v1/sessions/-?" + application:                     200,
		"/v1/events/-?id=-&" + application:                  200,
		"/v1/events/a?id=a&" + application:                  400,
		"/v1/sessions/a?id=-":                               400,
		"/v1/sessions/-?id=":                                400,
		"/v1/sessions/-?id=-&id=-":                          400,
		"/v1/sessions/-?id=%00":                             400,
		"/v1/sessions/%00":                                  400,
		"/v1/events?id=-":                                   400,
		"/v1/sessions/":                                     404,
		"/v1/events/":                                       404,
		"/v1/sessions/%2F":                                  404,
		"/v1/sessions/%2f?" + application:                   404,
		"/v1/failures/%2F":                                  404,
		"/v1/applications/%2F/usage":                        404,
		"/v1/events/%2F?" + application + "&cursor=nothing": 400,
	} {
		status, body := l.raw(l.url, adminToken, path)
		if status != want {
			t.Errorf("%s is answered %d %s, want %d", path, status, body, want)
		}
	}
	for _, method := range []string{http.MethodPost, http.MethodPut} {
		for _, path := range []string{"/v1/sessions/%2F", "/v1/sessions/x", "/v1/events/%2F", "/v1/events/x"} {
			if status, code, _ := l.ask(method, l.url, path, "Bearer "+adminToken); status != http.StatusMethodNotAllowed || code != fault.CodeMethod {
				t.Errorf("%s %s is answered %d %s", method, path, status, code)
			}
		}
	}
}
