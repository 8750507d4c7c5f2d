package persistence

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/kit"
)

// FuzzQuery: a query string is a query within its bounds, or an invalid parameter.
func FuzzQuery(f *testing.F) {
	f.Add("session_id=s&limit=10&from=2024-01-02T03:04:05Z&to=2024-01-03+00:00:00&cursor=AAAA")
	f.Add("category=%00&name=%ff")
	f.Fuzz(func(t *testing.T, text string) {
		request := &http.Request{URL: &url.URL{RawQuery: text}}
		given, err := kit.Parameters(request, "session_id", "category", "name", "from", "to", "limit", "cursor")
		var q Query
		if err == nil {
			q, err = parseQuery(given)
		}
		switch {
		case err != nil && fault.ProblemOf(err).Code != fault.CodeParameter:
			t.Errorf("error %v", err)
		case err == nil && (q.Limit < 1 || q.Limit > maxLimit || !q.From.IsZero() && !q.To.IsZero() && !q.From.Before(q.To)):
			t.Errorf("%q reads as %+v", text, q)
		}
	})
}
