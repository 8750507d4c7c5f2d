package persistence

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/registry"
)

// TestDueIsWhatGoes holds the dry run against what retention then does.
func TestDueIsWhatGoes(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	now := time.Now().UTC().Truncate(time.Second)
	log := applicationLog{}
	log.keep(shop, 8*day)
	log.keep(blog, 15*day)
	l.kept = l.retention(l.store, log, &now)
	base := l.serve(l.store, l.ring)
	l.aged(shop, now, 20, 5)
	l.aged(blog, now, 18, 5)
	l.insert(l.request(uuid.MustParse("cccccccc-0000-4000-8000-000000000003"), item("a", "s", "")))
	now = now.Add(9*day - now.Sub(now.Truncate(day))) // midnight
	due := func(query string) (d Due) {
		l.Helper()
		status, body := l.raw(base, adminToken, "/v1/retention"+query)
		if status != http.StatusOK {
			l.Fatalf("%s answered %d %s", query, status, body)
		}
		l.must(json.Unmarshal(body, &d))
		return d
	}
	first := due("")
	if first.Mode != RetentionEnforce || first.At != now.Format(time.RFC3339) {
		t.Errorf("at %s, mode %s", first.At, first.Mode)
	}
	kept := func(d time.Duration) *registry.Duration { return (*registry.Duration)(&d) }
	had := l.count("SELECT count(*) FROM persistence.events WHERE application = $1", shop) // with the library's own
	// Whole days that ended an hour more than 8 and 15 days before: with the one that began then, one less.
	cutShop, cutBlog := now.Add(-9*day), now.Add(-16*day)
	goes := func(application uuid.UUID, before time.Time) int {
		return l.count("SELECT count(*) FROM persistence.events WHERE application = $1 AND occurred_at < $2", application, before)
	}
	refused := func(application uuid.UUID, kept time.Duration) int {
		return l.count("SELECT count(*) FROM persistence.failures WHERE application = $1 AND received_at < $2", application, now.Add(-kept))
	}
	want := []DueApplication{
		{Application: shop, Name: "shop/aaaa", Known: true, Retention: kept(8 * day), Before: cutShop.Format(time.RFC3339), Events: goes(shop, cutShop), Failures: refused(shop, 8*day)},
		{Application: blog, Name: "shop/bbbb", Known: true, Retention: kept(15 * day), Before: cutBlog.Format(time.RFC3339), Events: goes(blog, cutBlog), Failures: refused(blog, 15*day)},
		{Application: uuid.MustParse("cccccccc-0000-4000-8000-000000000003"), Gone: true},
	}
	l.same("applications", want, first.Applications)
	if want[0].Events < 50 || want[0].Events == had || want[1].Events < 20 {
		t.Errorf("of %d events %d are due, and %d", had, want[0].Events, want[1].Events)
	}
	days := func(d Due) (names []string) {
		for _, one := range d.Days {
			if one.State != "due" || one.Bytes <= 0 {
				t.Errorf("day %+v", one)
			}
			names = append(names, one.Day)
		}
		return names
	}
	// What-if: nothing is due with a longer retention, and nothing is changed by asking.
	longer := due("?application=" + blog.String() + "&retention=2400h")
	l.same("if the other kept them longer", []DueApplication{{
		Application: blog, Name: "shop/bbbb", Known: true, Retention: kept(2400 * time.Hour),
		Before: now.Add(-101 * day).Format(time.RFC3339),
	}}, longer.Applications)
	if slices.ContainsFunc(days(longer), func(name string) bool { return name >= now.Add(-26*day).Format(time.DateOnly) }) {
		t.Errorf("days that one keeps longer: %v", longer.Days)
	}
	l.same("asked again", first, due(""))

	before := days(first)
	events := l.count("SELECT count(*) FROM persistence.events")
	l.must(l.kept.Round(t.Context()))
	l.same("events that went", want[0].Events+want[1].Events, events-l.count("SELECT count(*) FROM persistence.events"))
	left := l.partitionNames()
	for _, name := range before {
		d, err := time.Parse(time.DateOnly, name)
		l.must(err)
		if slices.Contains(left, partitionName(d)) {
			t.Errorf("%s is still there", name)
		}
	}
	for i := range want {
		want[i].Events, want[i].Failures = 0, 0
	}
	again := due("")
	if diff := cmp.Diff(want, again.Applications, cmpopts.EquateEmpty()); diff != "" || len(again.Days) != 0 {
		t.Errorf("afterwards: %v %s", again.Days, diff)
	}
}

// TestWhoMayAskForRetention, and for what.
func TestWhoMayAskForRetention(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	now := time.Now()
	l.kept = l.retention(l.store, applicationLog{}, &now)
	base := l.serve(l.store, l.ring)
	const uid = "aaaaaaaa-0000-4000-8000-000000000001"
	for name, c := range map[string]struct {
		authorization, query string
		status               int
		says                 string
	}{
		"admin":            {"Bearer " + adminToken, "", 200, ""},
		"operator":         {"Bearer " + operatorToken, "", 200, ""},
		"an application":   {"Bearer " + l.keys[shop], "", 403, "list on applications/events (theeye.dev) in all namespaces, or the admin token, is missing"},
		"nobody":           {"", "", 401, "send Authorization"},
		"by name":          {"Bearer " + adminToken, "?application=shop/web-shop&retention=1h", 200, ""},
		"alone":            {"Bearer " + adminToken, "?application=" + uid, 400, "go together"},
		"without":          {"Bearer " + adminToken, "?retention=1h", 400, "go together"},
		"unknown":          {"Bearer " + adminToken, "?application=no/such&retention=1h", 400, "neither a UID nor"},
		"no duration":      {"Bearer " + adminToken, "?retention=1d&application=" + uid, 400, "a duration like 720h"},
		"negative":         {"Bearer " + adminToken, "?retention=-1h&application=" + uid, 400, "above 0"},
		"beyond all":       {"Bearer " + adminToken, "?retention=876001h&application=" + uid, 400, "at most 876000h"},
		"unknown question": {"Bearer " + adminToken, "?limit=1", 400, "unknown parameter"},
	} {
		if status, _, detail := l.ask(http.MethodGet, base, "/v1/retention"+c.query, c.authorization); status != c.status || !strings.Contains(detail, c.says) {
			t.Errorf("%s: answered %d %s", name, status, detail)
		}
	}
}
