package ingest_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/theeye-dev/theeye/api/registry"
)

// cors are the headers of an answer that are for browsers, without the prefix Access-Control-.
func cors(h http.Header) map[string]string {
	got := map[string]string{}
	for name, values := range h {
		if short, ok := strings.CutPrefix(name, "Access-Control-"); ok {
			got[short] = strings.Join(values, " | ")
		}
	}
	return got
}

const (
	corsHeaders = "Authorization, Content-Type, Content-Encoding, Idempotency-Key, Prefer, Traceparent, Tracestate, Baggage, Sentry-Trace"
	corsExposed = "Retry-After, RateLimit, RateLimit-Policy, Preference-Applied"
)

func TestPreflight(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	d.register(nextUID(), fromPages(page))
	leave := func(more string) map[string]string {
		return map[string]string{"Allow-Origin": page, "Allow-Methods": "POST", "Allow-Headers": corsHeaders + more, "Max-Age": "7200"}
	}
	const asked = "Access-Control-Request-Headers"
	for name, c := range map[string]struct {
		header []string
		want   map[string]string
	}{
		"listed":           {[]string{"Origin", page, "Access-Control-Request-Method", "POST", asked, "authorization,content-type"}, leave("")},
		"CloudEvents":      {[]string{"Origin", page, asked, "ce-id,ce-sessionid, ce-type,content-type"}, leave(", ce-id, ce-sessionid, ce-type")},
		"no attributes":    {[]string{"Origin", page, asked, "ce-,ce-a b,ce-ä,ce-a\tb,CE-ID,x-ce-id,ce-a-b"}, leave("")},
		"foreign":          {[]string{"Origin", "https://evil.example", "Access-Control-Request-Method", "POST", asked, "ce-id"}, map[string]string{}},
		"null":             {[]string{"Origin", "null"}, map[string]string{}},
		"upper case":       {[]string{"Origin", strings.ToUpper(page)}, map[string]string{}},
		"trailing slash":   {[]string{"Origin", page + "/"}, map[string]string{}},
		"two headers":      {[]string{"Origin", page, "Origin", page}, map[string]string{}},
		"no browser":       {nil, map[string]string{}},
		"with credentials": {[]string{"Origin", page, "Cookie", "a=b"}, leave("")},
	} {
		got := d.send(http.MethodOptions, "/v1/events?key=x", nil, c.header...)
		if got.status != http.StatusNoContent || len(got.body) > 0 || !slices.Contains(strings.Split(got.header.Get("Vary"), ", "), "Origin") {
			t.Errorf("%s: answered %d %q, Vary %q", name, got.status, got.body, got.header.Values("Vary"))
		}
		if diff := cmp.Diff(c.want, cors(got.header)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestPreflightBeforeTheLogIsRead is 503, which a browser does not remember.
func TestPreflightBeforeTheLogIsRead(t *testing.T) {
	t.Parallel()
	d := closedDoor(t)
	got := d.send(http.MethodOptions, "/v1/events", nil, "Origin", page)
	if got.status != http.StatusServiceUnavailable || got.Code != "service.starting" || len(cors(got.header)) > 0 {
		t.Errorf("answered %d %s %v", got.status, got.body, cors(got.header))
	}
}

// TestPagesReadAnswers: whatever the status, a page of a listed origin may read the answer, and no other page may.
func TestPagesReadAnswers(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	a := d.register(nextUID(), fromPages(page))
	suspended := d.register(nextUID(), registry.Policy{Suspended: true})
	for name, c := range map[string]struct {
		method, query, key, body string
		status                   int
	}{
		"accepted":  {"POST", "?key=" + a.ClientID, "", good, 202},
		"malformed": {"POST", "?key=" + a.ClientID, "", "{", 400},
		"no key":    {"POST", "", "", good, 401},
		"wrong key": {"POST", "", "Bearer x", good, 401},
		"suspended": {"POST", "", "Bearer " + suspended.key, good, 403},
		"too large": {"POST", "?key=" + a.ClientID, "", strings.Repeat(" ", 4<<20) + good, 413},
		"rejected":  {"POST", "?key=" + a.ClientID, "", unknown, 422},
		"method":    {"PUT", "", "", good, 405},
	} {
		for _, origin := range []string{page, "https://evil.example", ""} {
			header := []string{"Content-Type", "text/plain"}
			if origin != "" {
				header = append(header, "Origin", origin)
			}
			if c.key != "" {
				header = append(header, "Authorization", c.key)
			}
			got := d.send(c.method, "/v1/events"+c.query, strings.NewReader(c.body), header...)
			status, want := c.status, map[string]string{"Allow-Origin": page, "Expose-Headers": corsExposed}
			if origin != page {
				want = map[string]string{}
				if c.query != "" {
					status = http.StatusForbidden
				}
			}
			if diff := cmp.Diff(want, cors(got.header)); diff != "" || got.status != status || got.header.Get("Vary") != "Origin" {
				t.Errorf("%s from %q: %d %s, Vary %q\n%s", name, origin, got.status, got.body, got.header.Values("Vary"), diff)
			}
		}
	}
}
