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

	"github.com/theeye-dev/theeye/api/event"
)

// counted writes the counts of an answer, one a line.
func (l *library) counted(who uuid.UUID, query string) string {
	l.Helper()
	var s Stats
	l.get(who, "/v1/stats?"+query, &s)
	var lines []string
	for _, c := range s.Counts {
		application := map[uuid.UUID]string{shop: "shop", blog: "blog"}[c.Application]
		lines = append(lines, strings.Join(strings.Fields(fmt.Sprint(c.At[5:13], " ", application, " ", c.Category, " ", c.Name, " ", c.Outcome, " ", c.Events)), " "))
	}
	return strings.Join(lines, "; ")
}

// TestStats counts by everything, after redeliveries by two replicas and an erasure.
func TestStats(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	noon := time.Date(2024, time.May, 4, 12, 30, 0, 0, time.UTC)
	l.clocked(noon)
	first := l.request(shop, typed("1", "s", "page", "view", noon), typed("1", "s", "page", "view", noon), typed("2", "s", "page", "view", noon),
		typed("1", "s", "cart", "add", noon), refused(`{"session_id":"s","category":"page","name":"view"}`, "field.unknown"), refused(`{"category":"page"}`, "field.missing"),
		event.Item{Original: []byte(`{`)})
	l.insert(first)
	_, err := l.replica("second").Insert(t.Context(), records(l.entry(first, l.request(blog, typed("1", "t", "page", "view", noon)))))
	l.must(err)
	l.clocked(noon.Add(14 * time.Hour))
	l.insert(l.request(shop, typed("3", "t", "page", "view", noon)))
	l.recounted("afterwards")
	range2 := "from=2024-05-04T12:00:00Z&to=2024-05-05T12:00:00Z"
	for query, want := range map[string]string{
		"":                                     "05-04T12 8; 05-05T02 1",
		"bucket=day":                           "05-04T00 8; 05-05T00 1",
		"by=application":                       "05-04T12 shop 7; 05-04T12 blog 1; 05-05T02 shop 1",
		"by=outcome&application=shop/web-shop": "05-04T12 conflict 1; 05-04T12 duplicate 1; 05-04T12 failed 1; 05-04T12 refused 2; 05-04T12 stored 2; 05-05T02 stored 1",
		"by=type":                              "05-04T12 2; 05-04T12 cart add 1; 05-04T12 page view 5; 05-05T02 page view 1",
		"by=type,outcome&category=page":        "05-04T12 page view duplicate 1; 05-04T12 page view refused 1; 05-04T12 page view stored 3; 05-05T02 page view stored 1",
		"category=page&outcome=stored&bucket=day": "05-04T00 3; 05-05T00 1",
		"bucket=all":                   "05-04T12 9",
		"bucket=all&by=outcome":        "05-04T12 conflict 1; 05-04T12 duplicate 1; 05-04T12 failed 1; 05-04T12 refused 2; 05-04T12 stored 4",
		"bucket=all&by=type&name=view": "05-04T12 page view 6",
		"name=add":                     "05-04T12 1",
		"outcome=failed":               "05-04T12 1",
	} {
		l.same(query, want, l.counted(uuid.Nil, query+"&"+range2))
	}
	l.same("own", "05-04T12 blog 1", l.counted(blog, "by=application&"+range2))
	_, err = l.store.requestErasure(t.Context(), target{session: "t"}, time.Now())
	l.must(err)
	l.finish(l.store)
	l.same("without a session", "05-04T12 page view 2", l.counted(uuid.Nil, "by=type&outcome=stored&"+range2))
	l.erase(shop)
	l.same("without an application", "", l.counted(uuid.Nil, range2))
	if n := l.count("SELECT count(*) FROM persistence.types WHERE application = $1", shop); n != 0 {
		t.Errorf("%d types are left of what is erased", n)
	}
	for query, says := range map[string]string{
		"bucket=minute": "hour, day or all", "by=": "empty", "by=type,": "by must be", "by=type,type": "by must be", "outcome=lost": "outcome must be one of stored", "limit=1": "unknown parameter",
		"from=2024-01-01T00:00:00Z&to=2026-01-01T00:00:00Z": "400 days apart", "from=2999-01-01T00:00:00Z": "from must be before to",
	} {
		status, body := l.raw(l.url, l.token(shop), "/v1/stats?"+query)
		var problem struct{ Detail string }
		l.must(json.Unmarshal(body, &problem))
		if status != http.StatusBadRequest || !strings.Contains(problem.Detail, says) {
			t.Errorf("%s answered %d %s", query, status, body)
		}
	}
	if status, body := l.raw(l.url, l.token(shop), "/v1/stats?application="+url.QueryEscape("shop/web-log")); status != http.StatusForbidden {
		t.Errorf("another's counts: %d %s", status, body)
	}
}

// TestStatsOfNow: without times it is the last day, by the hour.
func TestStatsOfNow(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.clocked(time.Now().Add(-25 * time.Hour))
	l.insert(l.request(shop, item("old", "s", "")))
	l.clocked(time.Now())
	l.insert(l.request(shop, item("new", "s", "")))
	var s Stats
	l.get(shop, "/v1/stats", &s)
	from, err := event.ParseTimestamp(s.From)
	l.must(err)
	to, err := event.ParseTimestamp(s.To)
	l.must(err)
	if len(s.Counts) != 1 || s.Counts[0].Events != 1 || to.Sub(from) != 24*time.Hour || s.Bucket != "hour" {
		t.Errorf("%+v", s)
	}
	l.get(shop, "/v1/stats?bucket=day", &s)
	if n := len(s.Counts); n != 2 {
		t.Errorf("by the day: %+v", s)
	}
}

// TestTypesAreBounded: an application that makes up types has so many counters, and all of its events are counted.
func TestTypesAreBounded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const sent = maxCountedTypes + 200
	for from := 0; from < sent; from += 400 {
		var items []event.Item
		for n := from; n < from+400; n++ {
			items = append(items, typed(fmt.Sprint(n), "s", "page", fmt.Sprint("name ", n), time.Now()))
		}
		f.insert(f.request(shop, items...))
	}
	f.insert(f.request(blog, item("a", "s", "")))
	f.same("types", maxCountedTypes, f.count("SELECT count(*) FROM persistence.types WHERE application = $1", shop))
	f.same("events", sent, f.count("SELECT sum(events) FROM persistence.type_usage WHERE application = $1", shop))
	f.same("of no type", sent-maxCountedTypes, f.count("SELECT sum(events) FROM persistence.type_usage WHERE application = $1 AND category = ''", shop))
	f.insert(f.request(shop, typed("again", "s", "page", "name 1", time.Now())))
	f.same("of a known one", 2, f.count("SELECT sum(events) FROM persistence.type_usage WHERE name = 'name 1'"))
}

// TestEdgesOfTime: at either end of the time that can be written every list finds nothing, or says what is wrong; and no
// answer has a time that RFC 3339 has not.
func TestEdgesOfTime(t *testing.T) {
	t.Parallel()
	a := newAudience(t)
	a.insert(a.request(shop, item("e", "s", ""), refused("{}", "field.missing")))
	last, first := "9999-12-31T23:59:59Z", "0001-01-01T00:00:00.000001Z"
	for _, path := range []string{"/v1/events?", "/v1/events?category=page&", "/v1/events?session_id=s&", "/v1/sessions?", "/v1/sessions?name=view&", "/v1/failures?", "/v1/export?", "/v1/stream?"} {
		for query, want := range map[string]int{
			"from=" + first + "&to=" + last: 200, "from=" + last: 200, "to=" + first: 200,
			"from=" + url.QueryEscape("9999-12-31T23:59:59+23:59"): 200, "to=" + url.QueryEscape("0001-01-01T00:00:01-23:59"): 200,
			"to=9999-12-31T23:59:59-23:59": 400, "from=" + url.QueryEscape("0001-01-01T00:00:00+23:59"): 400,
			"from=0000-01-01T00:00:00Z": 400, "to=0000-12-31T23:59:59Z": 400, "to=10000-01-01T00:00:00Z": 400, "from=0001-01-01T00:00:00Z": 400,
		} {
			if status, body := a.firstOf(path + query); status != want {
				t.Errorf("%s%s is answered %d %s, want %d", path, query, status, body, want)
			}
		}
	}
	for query, says := range map[string]string{
		"to=" + last: "to must be at most", "bucket=day&to=" + last: "the last day of the year 9999", "from=9999-12-31T23:30:00Z&to=" + last: "the last hour of the year 9999",
		"to=" + first: "24h0m0s after the beginning of the year 1", "bucket=day&to=" + first: "720h0m0s after", "from=" + first: "400 days", "to=0000-01-01T00:00:00Z": "no such day",
		"from=" + last: "from must be before to",
	} {
		status, body := a.firstOf("/v1/stats?" + query)
		if status != http.StatusBadRequest || !strings.Contains(body, says) || !strings.Contains(body, `"parameter":"`) {
			t.Errorf("%s is answered %d %s, want %q", query, status, body, says)
		}
	}
	for _, query := range []string{"to=9999-12-31T23:00:00Z", "bucket=day&to=9999-12-31T00:00:00Z", "from=" + first + "&to=0001-01-02T00:00:00Z", "bucket=day&to=0001-01-31T00:00:00Z"} {
		status, body := a.firstOf("/v1/stats?" + query)
		var stats Stats
		if err := json.Unmarshal([]byte(body), &stats); err != nil || status != http.StatusOK {
			t.Errorf("%s is answered %d %s", query, status, body)
		}
		for _, edge := range []string{stats.From, stats.To} {
			if _, err := time.Parse(time.RFC3339, edge); err != nil {
				t.Errorf("%s: %v", query, err)
			}
		}
	}
}

// firstOf asks as an admin; of a stream it does not wait for the body.
func (a *audience) firstOf(path string) (status int, body string) {
	a.Helper()
	if query, ok := strings.CutPrefix(path, "/v1/stream?"); ok {
		return a.open(a.Context(), a.url, adminToken, query, "").StatusCode, "" //nolint:bodyclose // its cleanup does
	}
	status, answer := a.raw(a.url, adminToken, path)
	return status, string(answer)
}
