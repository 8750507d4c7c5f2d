package console

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestOverviewTellsWhatIsKnownOfTheBacklog: of now, of a moment ago, or why nothing is; and it tells so whatever else cannot be had.
func TestOverviewTellsWhatIsKnownOfTheBacklog(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 4, 12, 0, 8, 0, time.UTC)
	measured := func(ago time.Duration, age float64) string {
		return fmt.Sprintf(`{"oldest_age_seconds":%g,"pending_entries":1,"measured_at":%q}`, age, now.Add(-ago).Format(time.RFC3339Nano))
	}
	const away = `{"type":"about:blank","title":"Unavailable","status":503,"code":"service.unavailable","detail":"the streams have not been measured of late"}`
	for name, c := range map[string]struct {
		status      int
		body        string
		stats       int
		want, never []string
	}{
		"of now":        {200, measured(2*time.Second, 0), 200, []string{"none waits"}, []string{"cannot be measured", "unknown"}},
		"that waits":    {200, measured(measuredLately, 2.5), 200, []string{`<span class="n">2.5 s`}, []string{"cannot be measured"}},
		"of a while":    {200, measured(8*time.Second, 0), 200, []string{"none waited", `datetime="2026-05-04T12:00:00`, "the streams cannot be measured now", `href="/?span=week">Try again`}, []string{"none waits"}},
		"old, and some": {200, measured(8*time.Second, 2.5), 200, []string{`<span class="n">2.5 s`, "the streams cannot be measured now"}, nil},
		"unknown":       {503, away, 200, []string{`<span class="n">unknown`, "the streams have not been measured of late", `href="/?span=week">Try again`}, []string{"none wait", "cannot be measured"}},
		"all there is":  {200, measured(0, 0), 503, []string{"none waits", "cannot be counted now"}, []string{`class="tile stored"`}},
		"nothing":       {503, away, 503, []string{`<span class="n">unknown`, "cannot be counted now"}, nil},
	} {
		api := http.NewServeMux()
		answer := func(path string, status int, body string) {
			api.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status); _, _ = w.Write([]byte(body)) })
		}
		answer("/v1/backlog", c.status, c.body)
		answer("/v1/stats", c.stats, map[int]string{200: `{"counts":[]}`, 503: away}[c.stats])
		console, err := New(Options{API: api, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		asked, page := httptest.NewRequest(http.MethodGet, "/?span=week", nil), httptest.NewRecorder()
		v := &visit{client: &client{api: api, outer: asked}, c: console, w: page, r: asked, who: &access{Kind: "admin", All: true}}
		if err := console.overview(v); err != nil || page.Code != c.stats {
			t.Errorf("%s: answered %d, %v", name, page.Code, err)
		}
		for _, want := range append(c.want, "oldest not stored yet") {
			if !strings.Contains(page.Body.String(), want) {
				t.Errorf("%s: the overview does not have %q: %s", name, want, page.Body)
			}
		}
		for _, never := range c.never {
			if strings.Contains(page.Body.String(), never) {
				t.Errorf("%s: the overview has %q: %s", name, never, page.Body)
			}
		}
	}
}
