package persistence

import (
	"encoding/json"
	"testing"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

// TestProblemsNameTheirParameter: a form can show what is wrong beside the field that it is about. What is of no parameter
// names none.
func TestProblemsNameTheirParameter(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.insert(l.request(shop, item("e", "s", "")))
	l.tail = &Tail{}
	base := l.serve(l.store, l.ring)
	for path, want := range map[string]string{
		"/v1/events?bogus=1":                                           "bogus",
		"/v1/events?bogus=1&wrong=2":                                   "bogus", // the first by name, always
		"/v1/events?name=a&name=b":                                     "name",
		"/v1/events?category=":                                         "category",
		"/v1/events?from=soon":                                         "from",
		"/v1/events?to=2026-01-01T00:00:00+01:00":                      "to",
		"/v1/events?from=2026-02-01&to=2026-01-01":                     "from",
		"/v1/events?from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z": "from",
		"/v1/events?limit=0":                                           "limit",
		"/v1/events?cursor=x":                                          "cursor",
		"/v1/events?order=up":                                          "order",
		"/v1/events?select=nothing":                                    "select",
		"/v1/events?data.a%5Bnear%5D=1":                                "data.a[near]",
		"/v1/events?application=shop/none":                             "application",
		"/v1/events/e":                                                 "application",
		"/v1/sessions?session_id=s":                                    "session_id",
		"/v1/sessions/s?id=s":                                          "id",
		"/v1/failures?state=ajar":                                      "state",
		"/v1/failures?stage=first":                                     "stage",
		"/v1/stats?bucket=week":                                        "bucket",
		"/v1/stats?outcome=lost":                                       "outcome",
		"/v1/stream?outcome=lost":                                      "outcome",
		"/v1/stream?name=":                                             "name",
		"/v1/export?format=xml":                                        "format",
		"/v1/sessions/none":                                            "",
		"/v1/nothing?name=":                                            "",
	} {
		status, body := l.raw(base, adminToken, path)
		var problem fault.Problem
		l.must(json.Unmarshal(body, &problem))
		if status < 400 || problem.Parameter != want {
			t.Errorf("%s answered %d %s, want the parameter %q", path, status, body, want)
		}
	}
	for who, reference := range map[uuid.UUID]string{shop: blog.String(), blog: uuid.NewString()} {
		var problem fault.Problem
		_, body := l.raw(base, l.keys[who], "/v1/events?application="+reference)
		l.must(json.Unmarshal(body, &problem))
		if problem.Code != fault.CodeForbidden || problem.Parameter != "application" {
			t.Errorf("another's application is answered %s", body)
		}
	}
}
