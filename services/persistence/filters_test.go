package persistence

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/services/internal/fault"
)

// asked reads the ids that a question finds; parameters alternate name and value.
func (l *library) asked(who uuid.UUID, parameters ...string) string {
	l.Helper()
	query := url.Values{}
	for i := 0; i < len(parameters); i += 2 {
		query.Set(parameters[i], parameters[i+1])
	}
	return strings.Join(l.ids(who, query.Encode()), " ")
}

// TestDataFilters asks for values in data, by type, path and comparison.
func TestDataFilters(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	base := time.Now().Add(-time.Hour)
	for n, data := range []string{
		`{"n":5,"s":"5","host":"shop","seen":true,"none":null,"cart":{"total":19.99,"items":[{"sku":"a","count":1},{"sku":"b","count":20}]}}`,
		`{"n":5.0,"s":"x","host":"blog","seen":false,"tags":["new","red"],"a.b":1,"é\"":2}`,
		`{"n":-7e2,"s":"é","tags":[["red"]],"cart":{"total":100},"0":"zero"}`,
		`{"n":100000000000000000000000.5,"s":"Z"}`,
	} {
		l.insert(l.request(shop, at(item(fmt.Sprint(n), "s", `"data":`+data), base.Add(time.Duration(n)*time.Minute))))
	}
	l.insert(l.request(shop, at(item("bare", "s", ""), base)))
	for _, c := range []struct{ name, value, ids string }{
		{"data.n", "5", "1 0"},
		{"data.n", "5.000", "1 0"},
		{"data.n", `"5"`, ""},
		{"data.s", "5", ""},
		{"data.s", `"5"`, "0"},
		{"data.s", "x", "1"},
		{"data.n[eq]", "5", "1 0"},
		{"data.n[ne]", "5", "3 2 bare"},
		{"data.n[gt]", "5", "3"},
		{"data.n[gte]", "5", "3 1 0"},
		{"data.n[lt]", "0", "2"},
		{"data.n[lte]", "-700", "2"},
		{"data.n[gt]", "x", ""},
		{"data.n", "100000000000000000000000.5", "3"},
		{"data.s[gt]", "Z", "2 1"},
		{"data.s[lte]", "Z", "3 0"},
		{"data.s", "é", "2"},
		{"data.seen", "true", "0"},
		{"data.seen", `"true"`, ""},
		{"data.seen[ne]", "true", "3 2 1 bare"},
		{"data.none", "null", "0"},
		{"data.n", "null", ""},
		{"data.none[exists]", "true", "0"},
		{"data.seen[exists]", "false", "3 2 bare"},
		{"data.cart.total[gt]", "19.98", "2 0"},
		{"data.cart.items.sku", "b", "0"},
		{"data.cart.items[1].sku", "b", "0"},
		{"data.cart.items[0].sku", "b", ""},
		{"data.cart.items.count[gte]", "20", "0"},
		{"data.tags", "red", "2 1"},
		{"data.tags[0][0]", "red", "2"},
		{"data.tags[exists]", "true", "2 1"},
		{`data."a.b"`, "1", "1"},
		{`data."é\""`, "2", "1"},
		{"data.0", "zero", "2"},
		{"data.host", `"shop"`, "0"},
		{"data.host", " shop", ""},
	} {
		if got := l.asked(shop, c.name, c.value); got != c.ids {
			t.Errorf("%s=%s finds %q, want %q", c.name, c.value, got, c.ids)
		}
	}
	l.same("two conditions", "1", l.asked(shop, "data.n[gt]", "0", "data.seen", "false", "category", "page", "session_id", "s"))
	l.same("of another application", "", l.asked(blog, "data.n", "5"))
	l.same("of all", "1 0", l.asked(uuid.Nil, "data.n", "5"))
}

func TestRefusedDataFilters(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	many := url.Values{}
	for n := range maxProperties + 1 {
		many.Set(fmt.Sprint("data.a", n), "1")
	}
	query := func(name, value string) string { return url.Values{name: {value}}.Encode() }
	for asked, says := range map[string]string{
		query("data.", "1"): "an empty step", query("data..a", "1"): "an empty step", query("data.a.", "1"): "an empty step", query("data.[0]", "1"): "an empty step",
		query("data.a[", "1"): "without its ]", query("data.a[x]", "1"): "neither an index", query("data.a[-1]", "1"): "neither an index", query("data.a[1234567]", "1"): "neither an index",
		query("data.a[gt].b", "1"): "goes on after its operator", query("data.a[gt][lt]", "1"): "goes on after its operator", query("data.a]b", "1"): "JSON strings",
		query(`data."a`, "1"): "no JSON string", query(`data."a"b`, "1"): "other than . or [", query(`data."\u0000"`, "1"): "NUL", query("data.a\x00", "1"): "NUL", query("data.\xff", "1"): "UTF-8",
		query("data.a", ""): "is empty", query("data.a", "{}"): "has an object for a value", query("data.a", "[1]"): "has an array for a value", query("data.a", "1e999"): "no event can have",
		query("data.a[gt]", "true"): "only numbers and strings", query("data.a[lte]", "null"): "only numbers and strings", query("data.a[exists]", "1"): "true or false",
		query("data.a", strings.Repeat("x", maxPropertyBytes+1)): "2048 bytes", query("data."+strings.Repeat("a.", maxSteps)+"a", "1"): "deeper than 64",
		many.Encode(): "8 conditions", query("data", "1"): "unknown parameter", query("datum.a", "1"): "unknown parameter",
		"order=up": "newest or oldest", "select=id,nothing": "the fields of an event are id, application", "select=id,id": "twice", "select=,": "has \"\"",
	} {
		status, body := l.raw(l.url, l.token(shop), "/v1/events?"+asked)
		var problem fault.Problem
		l.must(json.Unmarshal(body, &problem))
		if status != http.StatusBadRequest || problem.Code != fault.CodeParameter || !strings.Contains(problem.Detail, says) {
			t.Errorf("%.200s answered %d %s, want %q", asked, status, body, says)
		}
	}
}

// FuzzProperty: whatever stands behind data. is a condition that PostgreSQL can read, or refused by name.
func FuzzProperty(f *testing.F) {
	for _, name := range []string{"data.a", `data."a\u00e9".b[3][gte]`, "data.tags[0]", `data.$."x"?(@==1)`, "data.*", `data."\ud800"`} {
		f.Add(name, "1")
		f.Add(name, `x" || true`)
	}
	l := newFixture(f)
	f.Fuzz(func(t *testing.T, name, value string) {
		if value, err := parseText("value", value); err == nil && strings.HasPrefix(name, propertyPrefix) {
			p, err := parseProperty(name, value)
			if err != nil {
				if fault.ProblemOf(err).Code != fault.CodeParameter {
					t.Error(err)
				}
				return
			}
			var c conditions
			p.condition(&c)
			if _, err := l.pool.Exec(t.Context(), "SELECT "+c.String()+" FROM (SELECT '{}'::jsonb AS data) AS d", c.args...); err != nil {
				t.Errorf("%q=%q: %v", name, value, err)
			}
		}
	})
}

// TestTypesOfOneName: a category or a name alone finds all types that have it, also where there are more than are
// looked up one by one.
func TestTypesOfOneName(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	base := time.Now().Add(-time.Hour)
	var items []event.Item
	for n := range maxTypes + 2 {
		items = append(items, typed(fmt.Sprintf("%03d", n), "s", "page", fmt.Sprint("name ", n), base.Add(time.Duration(n)*time.Second)))
	}
	l.insert(l.request(blog, items[:3]...), l.request(blog, typed("x", "s", "other", "name 1", base)))
	l.same("few types", "002 001 000", l.asked(blog, "category", "page"))
	l.same("categories", "001 x", l.asked(blog, "name", "name 1"))
	l.insert(l.request(shop, items...), l.request(shop, typed("y", "s", "rare", "name 1", base)))
	l.same("many types", "129 128", l.asked(shop, "category", "page", "limit", "2"))
	l.same("one of many", "y", l.asked(shop, "category", "rare"))
	l.same("the same of all", "129 128 127", l.asked(uuid.Nil, "category", "page", "limit", "3"))
	l.same("both of all", "001 001", l.asked(uuid.Nil, "category", "page", "name", "name 1"))
	l.same("before", "001 000", l.asked(blog, "category", "page", "to", base.Add(2*time.Second).Format(time.RFC3339Nano)))
}

func TestOrderAndSelect(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	base := time.Now().Add(-time.Hour)
	for n := range 5 {
		l.insert(l.request(shop, at(item(fmt.Sprint(n), "s", `"data":{"n":1}`), base.Add(time.Duration(n)*time.Minute))))
	}
	for query, want := range map[string]string{
		"": "4 3 2 1 0", "order=oldest": "0 1 2 3 4", "session_id=s": "0 1 2 3 4", "session_id=s&order=newest": "4 3 2 1 0",
	} {
		var got []string
		for cursor, pages := "", 0; pages == 0 || cursor != ""; pages++ {
			var page EventPage
			l.get(shop, "/v1/events?limit=2&"+query+cursor, &page)
			got, cursor = append(got, idsOf(page.Events)...), next(page.NextCursor)
		}
		l.same(query, want, strings.Join(got, " "))
	}
	_, body := l.raw(l.url, l.token(shop), "/v1/events?limit=1&select=id,data")
	l.same("selected", `{"events":[{"id":"4","data":{"n":1}}],`, string(body[:strings.IndexByte(string(body), ']')+2]))
	_, body = l.raw(l.url, l.token(shop), "/v1/sessions/s?limit=1&select=timestamp,data&data.n=2")
	if !strings.Contains(string(body), `"events":[]`) {
		t.Errorf("a session without such an event: %s", body)
	}
}

// TestShortPages: where events must be looked into, a page ends after some, and the next goes on.
func TestShortPages(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	base := time.Now().UTC().Truncate(day).Add(-30 * time.Hour)
	l.insert(l.request(shop, at(item("first", "s", `"data":{"x":1}`), base)), l.request(shop, at(item("last", "s", `"data":{"x":1}`), base.Add(10*time.Hour))))
	_, err := l.pool.Exec(t.Context(), `
		INSERT INTO persistence.events (application, id, session_id, category, name, occurred_at, received_at, sequence, credential)
		SELECT $1, n::text, 's', 'c', 'n', $2::timestamptz + n * interval '1 second', now(), gen_random_uuid(), '1' FROM generate_series(1, $3) AS n`,
		shop, base, 2*examined+100)
	l.must(err)
	for _, who := range []uuid.UUID{shop, uuid.Nil} {
		var got []string
		pages := 0
		for cursor := ""; pages == 0 || cursor != ""; pages++ {
			var page EventPage
			l.get(who, "/v1/events?data.x=1"+cursor, &page)
			got, cursor = append(got, idsOf(page.Events)...), next(page.NextCursor)
		}
		if pages != 3 || strings.Join(got, " ") != "last first" {
			t.Errorf("%d pages find %q", pages, got)
		}
	}
}

// TestHistory asks for an id that was stored, sent again, and used for something else, twice.
func TestHistory(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	now := time.Now()
	l.clocked(now.Add(-time.Minute))
	stored := l.request(shop, item("a/é", "s", `"data":{"n":1}`))
	stored.TraceID = [16]byte{15: 1}
	l.insert(stored)
	l.clocked(now.Add(-50 * time.Second))
	l.insert(l.request(shop, at(item("a/é", "s", `"data":{"n":1}`), now)), l.request(blog, item("a/é", "s", "")))
	l.clocked(now.Add(-40 * time.Second))
	l.insert(l.request(shop, item("a/é", "s", `"data":{"n":2}`), refused(`{"id":"a/é","session_id":5}`, "field.type"), refused(`{"id":"b"}`, "field.missing")))
	path := "/v1/events/" + url.PathEscape("a/é")
	var h History
	l.get(shop, path, &h)
	told := func(h History) (lines []string) {
		for _, m := range h.Happenings {
			lines = append(lines, strings.TrimSpace(m.What+" "+m.Code+" "+m.TraceID))
		}
		return lines
	}
	if h.Event == nil || h.Event.SessionID != "s" || h.Event.TraceID == "" || len(h.Failures) != 2 || h.More {
		t.Errorf("history %+v", h)
	}
	trace := "00000000000000000000000000000001"
	l.same("history", []string{"received  " + trace, "duplicate", "conflict id.conflict", "refused field.type", "stored  " + trace}, told(h))
	h = History{}
	l.get(uuid.Nil, path+"?application=shop/web-log", &h)
	l.same("of another application", []string{"received", "stored"}, told(h))
	h = History{}
	l.get(shop, "/v1/events/b", &h)
	if diff := cmp.Diff([]string{"refused field.missing"}, told(h)); diff != "" || h.Event != nil {
		t.Errorf("of a Failure alone: %s %+v", diff, h)
	}
	for asked, status := range map[string]int{"/v1/events/none": 404, "/v1/events/a?limit=1": 400, "/v1/events/%00": 400, path + "?application=" + blog.String(): 403} {
		if got, body := l.raw(l.url, l.token(shop), asked); got != status {
			t.Errorf("%s answered %d %s", asked, got, body)
		}
	}
	if status, body := l.raw(l.url, adminToken, path); status != 400 || !strings.Contains(string(body), "application is missing") {
		t.Errorf("without an application: %d %s", status, body)
	}
	for n := range historyLimit + 1 {
		l.insert(l.request(shop, item("a/é", "s", fmt.Sprintf(`"data":{"n":%d}`, n+10))))
	}
	h = History{}
	l.get(shop, path, &h)
	if len(h.Failures) != historyLimit || !h.More || h.Event == nil {
		t.Errorf("of many there are %d, more %t", len(h.Failures), h.More)
	}
}
