package testenv_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// witness is a test that notes that it was failed.
type witness struct {
	testing.TB
	report string
}

func (w *witness) Errorf(format string, args ...any) { w.report += fmt.Sprintf(format, args...) }

const (
	taken    = `{"accepted":1,"rejected":0,"events":[{"id":"e","status":"accepted"}]}`
	refused  = `{"accepted":1,"rejected":1,"events":[{"id":"e","status":"accepted"},{"status":"rejected","code":"field.missing"}]}`
	fine     = `{"session_id":"s","category":"c","name":"n"}`
	nameless = `{"session_id":"s","category":"c"}`
	problem  = `{"type":"https://example.com","title":"t","status":503,"code":"service.unavailable"}`
	events   = "/v1/events"
	anEvent  = `"id":"e","application":"aaaaaaaa-0000-4000-8000-000000000001","session_id":"s","category":"c","name":"n","type":"c n","timestamp":"2021-01-01T00:00:00Z","received_at":"2021-01-01T00:00:00Z","sequence":"aaaaaaaa-0000-4000-8000-000000000001","credential":"1"`
	asJSON   = "application/json"
)

// TestContract plays a service that keeps the contract or breaks it, and wants the breaks reported.
func TestContract(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		method, path, sent, media string
		status                    int
		answer                    string
		header                    [2]string
		broken                    string // what the report tells; "" for none
	}{
		"taken":                    {"POST", events, fine, asJSON, 202, taken, [2]string{}, ""},
		"taken in part":            {"POST", events, "[" + fine + "," + nameless + "]", asJSON, 202, refused, [2]string{}, ""},
		"taken without a type":     {"POST", events, fine, "", 202, taken, [2]string{}, ""},
		"lines":                    {"POST", events, fine + "\n\n" + fine + "\n", "application/x-ndjson", 202, taken, [2]string{}, ""},
		"taken and forbidden":      {"POST", events, nameless, asJSON, 202, taken, [2]string{}, "name"},
		"lines, one forbidden":     {"POST", events, fine + "\n" + nameless, "application/x-ndjson", 202, taken, [2]string{}, "name"},
		"media type not named":     {"POST", events, fine, "application/xml", 202, taken, [2]string{}, "application/xml"},
		"refused and allowed":      {"POST", events, fine, asJSON, 202, refused, [2]string{}, "allowed, and was refused"},
		"member not named":         {"POST", events, fine, asJSON, 202, taken[:len(taken)-1] + `,"colour":"red"}`, [2]string{}, "colour"},
		"member deep within":       {"GET", events, "", "", 200, `{"events":[{` + anEvent + `,"colour":"red"}]}`, [2]string{}, "colour"},
		"page of events":           {"GET", events, "", "", 200, `{"events":[{` + anEvent + `}]}`, [2]string{}, ""},
		"format":                   {"GET", events, "", "", 200, `{"events":[{` + strings.Replace(anEvent, "aaaaaaaa-0", "A-0", 1) + `}]}`, [2]string{}, "uuid"},
		"parameter out of bounds":  {"GET", events + "?limit=0", "", "", 200, `{"events":[]}`, [2]string{}, "limit"},
		"a session with a slash":   {"GET", "/v1/sessions/a%2Fb", "", "", 404, strings.Replace(problem, "service.unavailable", "not_found", 1), [2]string{}, ""},
		"status not named":         {"POST", events, fine, asJSON, 418, problem, [2]string{}, "status"},
		"header is there":          {"POST", events, fine, asJSON, 503, problem, [2]string{"Retry-After", "1"}, ""},
		"header is missing":        {"POST", events, fine, asJSON, 503, problem, [2]string{}, "Retry-After"},
		"code not named":           {"POST", events, fine, asJSON, 503, strings.Replace(problem, "unavailable", "gone", 1), [2]string{"Retry-After", "1"}, "code"},
		"nothing there":            {"GET", "/v1/nothing", "", "", 404, problem, [2]string{}, ""},
		"something there":          {"GET", "/v1/nothing", "", "", 200, "{}", [2]string{}, "no such path"},
		"another service's method": {"PUT", events, "", "", 405, problem, [2]string{}, ""},
		"no credential, and taken": {"POST", events, fine, asJSON, 202, taken, [2]string{"X-Anonymous", "yes"}, "ecurity"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("Content-Type", "application/json")
				if c.status >= 400 {
					w.Header().Set("Content-Type", "application/problem+json")
				}
				if c.header[0] != "" {
					w.Header().Set(c.header[0], c.header[1])
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.answer)
			}))
			defer server.Close()
			w := &witness{TB: t}
			body := io.Reader(strings.NewReader(c.sent))
			if name == "taken and forbidden" { // chunked: what is sent is seen on its way only
				body = io.MultiReader(body)
			}
			request, err := http.NewRequestWithContext(t.Context(), c.method, server.URL+c.path, body)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Content-Type", c.media)
			if c.header[0] != "X-Anonymous" {
				request.Header.Set("Authorization", "Bearer eye_test")
			}
			response, err := testenv.HTTP(w).Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close() //nolint:errcheck // only read
			if body, err := io.ReadAll(response.Body); err != nil || string(body) != c.answer {
				t.Errorf("read %q, %v", body, err)
			}
			if (w.report == "") != (c.broken == "") || !strings.Contains(w.report, c.broken) {
				t.Errorf("reported %q", w.report)
			}
		})
	}
}
