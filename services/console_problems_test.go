package services_test

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// TestConsoleProblems: what a page does not take of its address it does not leave out, and what the API refuses has its
// status on the page, too: with the form as it was filled in, what is wrong beside the field that it is about, and a way on.
func TestConsoleProblems(t *testing.T) {
	p := newPeople(t)
	p.furnish()
	s := &surfer{t: t, base: p.persistence.URL}
	s.login(adminToken)
	for path, c := range map[string]struct {
		status int
		shows  []string
	}{
		"/?bucket=bogus":                  {400, []string{`unknown parameter &#34;bucket&#34;`, `href="/">This page without`}},
		"/?span=bogus":                    {400, []string{"day, week, month, year", `href="/">This page without`}},
		"/?span=day&span=week":            {400, []string{"given 2 times"}},
		"/?%zz":                           {400, []string{"malformed"}},
		"/events?%zz":                     {400, []string{"malformed", `name="category"`}},
		"/events?bogus=1":                 {400, []string{`unknown parameter &#34;bogus&#34;`, `name="category"`, `href="/events">Without it`}},
		"/events?bogus=1&name=view":       {400, []string{`value="view"`, `href="/events?name=view">Without it`}},
		"/events?bogus=1&name=":           {400, []string{"bogus"}},
		"/events?select=id":               {400, []string{`unknown parameter`}},
		"/events?name=a&name=b":           {400, []string{"given 2 times", `id="wrong-name"`}},
		"/events?from=soon&category=page": {400, []string{`value="soon"`, `id="wrong-from"`, `href="#field-from"`, `value="page"`}},
		"/events?from=2026-02-01T00:00&to=2026-01-01T00:00": {400, []string{"from must be before to", `value="2026-01-01T00:00:00"`, `id="wrong-from"`}},
		"/events?order=up":                         {400, []string{`<option value="up" selected>`, `id="wrong-order"`}},
		"/events?application=shop/none":            {400, []string{`value="shop/none"`, `id="wrong-application"`}},
		"/events?application=" + uuid.Nil.String(): {400, []string{"the nil UUID", `id="wrong-application"`}},
		"/events?data.a%5Bnear%5D=1":               {400, []string{`value="a[near]"`, `id="wrong-condition"`, `href="#field-condition"`}},
		"/events?data.cart=":                       {400, []string{`value="cart"`, `id="wrong-condition"`}},
		"/events?data.=1":                          {400, []string{`id="wrong-condition"`}},
		"/events?data.a=1&data.a=2":                {400, []string{"given 2 times", `value="2"`}},
		"/events?limit=0&name=x":                   {400, []string{"limit must be", `href="/events?name=x">Without it`}},
		"/events?cursor=x&name=y":                  {400, []string{`href="/events?name=y">From the first page`}},
		"/sessions?bogus=1":                        {400, []string{"bogus", `name="session_id"`}},
		"/sessions?to=soon":                        {400, []string{`id="wrong-to"`, `value="soon"`}},
		"/sessions?session_id=a&bogus=1":           {400, []string{"bogus", `value="a"`}},
		"/failures?bogus=1":                        {400, []string{"bogus", `name="code"`}},
		"/failures?state=ajar":                     {400, []string{`<option value="ajar" selected>`, `id="wrong-state"`}},
		"/failures?stage=first":                    {400, []string{`id="wrong-stage"`}},
		"/failures?data.a=1":                       {400, []string{"unknown parameter"}},
		"/tail?bogus=1":                            {400, []string{"bogus", `name="category"`}},
		"/tail?data.a%5Bnear%5D=1&outcome=stored":  {400, []string{`value="a[near]"`, `id="wrong-condition"`, `href="#field-condition"`}},
		"/tail?outcome=lost":                       {400, []string{"outcome must be", `href="/tail">Without it`}},
		"/tail?outcome=stored,lost&name=a":         {400, []string{"outcome must be", `value="a"`}},
		"/tail?application=shop/none":              {400, []string{`id="wrong-application"`}},
		"/replays?bogus=1":                         {400, []string{"bogus", `name="state"`, `href="/replays">Without it`}},
		"/replays?state=ajar":                      {400, []string{`<option value="ajar" selected>`, `id="wrong-state"`}},
		"/replays?dry_run=perhaps":                 {400, []string{`<option value="perhaps" selected>`, `id="wrong-dry_run"`}},
		"/replays?application=shop/none":           {400, []string{`value="shop/none"`, `id="wrong-application"`}},
		"/replays?cursor=x&state=running":          {400, []string{`href="/replays?state=running">From the first page`}},
		"/applications?bogus=1":                    {400, []string{"bogus"}},
		"/sessions/checkout-7f3a?bogus=1":          {400, []string{"bogus", `href="/sessions/checkout-7f3a">This page without`, `href="/sessions">All sessions`}},
		"/sessions/checkout-7f3a?order=up":         {400, []string{"order must be"}},
		"/sessions/none":                           {404, []string{"no such session", `href="/sessions">All sessions`}},
		"/events/none":                             {400, []string{"application is missing"}},
		"/events/none?application=shop/web-shop":   {404, []string{"no event of this id", `href="/events">All events`}},
		"/failures/none":                           {404, []string{`href="/failures">All failures`}},
		"/failures/none?bogus=1":                   {400, []string{"bogus"}},
		"/failures/none?dry_run=true":              {404, []string{`href="/failures">All failures`}},
		"/failures/none?dry_run=false":             {400, []string{"dry_run must be true"}},
		"/replays/none":                            {404, []string{`href="/replays">All replays`}},
		"/applications/nope":                       {404, []string{"no application at /applications/nope", `href="/applications">All applications`}},
		"/applications/" + uuid.Nil.String():       {404, []string{"no application"}},
		"/applications/" + uuid.NewString():        {404, []string{"no application with this uid"}},
		"/applications/%2F":                        {404, []string{"no page"}},
		"/export?bogus=1":                          {400, []string{"bogus", `href="/events">All events`}},
		"/export?application=shop/none":            {400, []string{"namespace/name"}},
		"/export?format=csv-raw":                   {400, []string{"format must be ndjson or csv", `href="/events">All events`}},
		"/export?format=xml":                       {400, []string{"format must be ndjson or csv"}},
		"/tail/stream?bogus=1":                     {400, []string{"bogus"}},
	} {
		p.problem(s, path, c.status, c.shows...)
	}
	for _, path := range []string{"/tail?outcome=lost", "/tail?application=shop/none"} {
		if got := s.ask(http.MethodGet, path, nil); strings.Contains(got.body, `id="tail"`) {
			t.Errorf("%s listens all the same", path)
		}
	}
	for form, want := range map[string]string{ // what a person forgot is asked for, and not left out
		"path=cart.total&op=gte&value=": "/events?data.cart.total%5Bgte%5D=", "path=&op=eq&value=20": "/events?data.=20",
		"path=a": "/events?data.a=", "value=b": "/events?data.=b", "op=eq": "/events",
		"path=a&path=a&op=eq&op=eq&value=1&value=2": "/events?data.a=1&data.a=2",
	} {
		if got := s.ask(http.MethodGet, "/events?"+form, nil); got.status != http.StatusSeeOther || got.header.Get("Location") != want {
			t.Errorf("the form with %s leads to %d %s", form, got.status, got.header.Get("Location"))
		}
	}
	const listens = "/tail?path=cart.total&op=gte&value=20&outcome=stored&outcome=failed&name="
	if got := s.ask(http.MethodGet, listens, nil); got.header.Get("Location") != "/tail?data.cart.total%5Bgte%5D=20&outcome=stored%2Cfailed" {
		t.Errorf("%s leads to %d %s", listens, got.status, got.header.Get("Location"))
	}
	for _, form := range []url.Values{{"bogus": {"1"}}, {"code": {""}}, {"code": {"a", "b"}}, {"state": {"open"}, "cursor": {"x"}}} {
		form.Set("dry_run", "true")
		if got := s.ask(http.MethodPost, "/replays", form); got.status != http.StatusBadRequest || !strings.Contains(got.body, `href="/replays">All replays`) {
			t.Errorf("a replay of %v is answered %d %s", form, got.status, got.body)
		}
	}
	if page := s.get("/replays"); !strings.Contains(page, "There is none") {
		t.Errorf("something is replayed: %s", page)
	}
	failure := linkIn(s.get("/failures"), "/failures/")
	s.ask(http.MethodPost, failure+"/discard", url.Values{})
	if got := s.ask(http.MethodPost, failure+"/replay", url.Values{}); got.status != http.StatusConflict || !strings.Contains(got.body, `href="`+failure+`">Back`) {
		t.Errorf("to replay what is discarded is answered %d %s", got.status, got.body)
	}

	own := &surfer{t: t, base: p.persistence.URL}
	own.login(p.shop.key)
	p.problem(own, "/events?application="+p.blog.uid.String(), 403, "permission.denied", `id="wrong-application"`, `name="category"`)
	p.problem(own, "/tail?application="+p.blog.uid.String(), 403, "permission.denied", `id="wrong-application"`)
	there, not := p.blog.uid.String(), uuid.NewString()
	for _, path := range []string{"/applications/", "/events?application=", "/failures?application=", "/tail?application=", "/events/b0?application="} {
		exists, nothing := own.ask(http.MethodGet, path+there, nil), own.ask(http.MethodGet, path+not, nil)
		if exists.status != http.StatusForbidden || exists.status != nothing.status || strings.ReplaceAll(exists.body, there, "it") != strings.ReplaceAll(nothing.body, not, "it") {
			t.Errorf("%s tells what is there: %d %s\nfrom what is not: %d %s", path, exists.status, exists.body, nothing.status, nothing.body)
		}
	}

	p.redisDies() // and nobody knows who is called what
	eventually(t, func() error {
		if got := s.ask(http.MethodGet, "/events?application=shop/none", nil); got.status != http.StatusServiceUnavailable {
			return fmt.Errorf("answered %d", got.status)
		}
		return nil
	})
	got := p.problem(s, "/events?application=shop/none&name=x", 503, `value="shop/none"`, `href="/events?application=shop%2Fnone&amp;name=x">Try again`)
	if got.header.Get("Retry-After") == "" {
		t.Error("it does not say when to try again")
	}
	p.problem(s, "/applications/"+uuid.NewString(), 503, `">Try again`)
	p.problem(s, "/export?application=shop/none", 503, `">Try again`)
	s.get("/events")
}

func (p *people) redisDies() {
	p.t.Helper()
	if err := p.redis.Kill(); err != nil {
		p.t.Fatal(err)
	}
}

// problem asks for a page that there is not, which must be one for people nevertheless.
func (p *people) problem(s *surfer, path string, status int, shows ...string) reply {
	p.t.Helper()
	got := s.ask(http.MethodGet, path, nil)
	if got.status != status || got.header.Get("Content-Type") != "text/html; charset=utf-8" || got.header.Get("WWW-Authenticate") != "" ||
		got.header.Get("Content-Disposition") != "" || strings.Count(got.body, `role="alert"`) != 1 || strings.Count(got.body, "<nav aria-label=\"Main\"") != 1 {
		p.t.Errorf("%s is answered %d %v %s, want %d", path, got.status, got.header, got.body, status)
		return got
	}
	for _, want := range shows {
		if !strings.Contains(got.body, want) {
			p.t.Errorf("%s does not show %s: %s", path, want, got.body)
		}
	}
	return got
}

// TestConsoleProblemsInParts: a part of a page that cannot be had fits where it was to be, has its status, and a way to try
// again.
func TestConsoleProblemsInParts(t *testing.T) {
	p := newPeople(t)
	p.furnish()
	s := &surfer{t: t, base: p.persistence.URL}
	s.login(adminToken)
	for path, begins := range map[string]string{
		"/events?cursor=x": `<li class="more"><div class="problem"`, "/failures?cursor=x": `<tr class="more"><td colspan="7"><div class="problem"`,
		"/sessions?cursor=x": `<tr class="more"><td colspan="5"><div class="problem"`, "/sessions/checkout-7f3a?cursor=x": `<li class="more"><div class="problem"`,
		"/replays?cursor=x": `<tr class="more"><td colspan="8"><div class="problem"`, "/events?bogus=1": `<li class="more"><div class="problem"`, "/events/none?application=shop/web-shop": `<div class="problem"`, "/replays/none": `<div class="problem"`,
	} {
		got := s.ask(http.MethodGet, path, nil, "HX-Request", "true")
		if got.status/100 != 4 || !strings.HasPrefix(strings.TrimSpace(got.body), begins) || strings.Contains(got.body, "<html") {
			t.Errorf("%s is answered %d %s", path, got.status, got.body)
		}
		first, _, _ := strings.Cut(path, "?")
		if strings.Contains(begins, "more") && !strings.Contains(got.body, `href="`+first+`">From the first page`) {
			t.Errorf("%s has no way on: %s", path, got.body)
		}
	}
	p.redisDies()
	const away = "/events?application=shop/none"
	eventually(t, func() error {
		got := s.ask(http.MethodGet, away, nil, "HX-Request", "true")
		if got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, `hx-get="`+away+`"`) || !strings.Contains(got.body, "Try again") {
			return fmt.Errorf("answered %d %s", got.status, got.body)
		}
		return nil
	})
	(&surfer{t: t, base: s.base, cookie: s.cookie}).ask(http.MethodPost, "/logout", url.Values{})
	if got := s.ask(http.MethodGet, "/events?cursor=x", nil, "HX-Request", "true"); got.status != http.StatusUnauthorized || got.header.Get("HX-Redirect") != "/login?next=%2F" {
		t.Errorf("who is logged out is answered %d %v", got.status, got.header)
	}
	got := s.ask(http.MethodGet, "/events?cursor=x", nil, "HX-Request", "true", "HX-Current-URL", s.base+"/events?name=a")
	if got.header.Get("HX-Redirect") != "/login?next=%2Fevents%3Fname%3Da" {
		t.Errorf("who is logged out does not come back to the page: %v", got.header)
	}
}

// TestConsoleLinksLeadSomewhere: every link of every page, and between what belongs together there are some.
func TestConsoleLinksLeadSomewhere(t *testing.T) {
	p := newPeople(t)
	p.furnish()
	s := &surfer{t: t, base: p.persistence.URL}
	s.login(adminToken)
	begun := s.ask(http.MethodPost, "/replays", url.Values{"code": {"schema.mismatch"}, "dry_run": {"true"}}).header.Get("Location")
	pages := map[string]string{}
	for open := []string{"/", begun}; len(open) > 0; open = open[1:] {
		if _, seen := pages[open[0]]; seen || strings.HasPrefix(open[0], "/static/") {
			continue
		}
		got := s.ask(http.MethodGet, open[0], nil)
		if got.status != http.StatusOK {
			t.Errorf("%s is answered %d %s", open[0], got.status, got.header.Get("Location"))
		}
		pages[open[0]] = got.body
		for _, match := range pageLinks.FindAllStringSubmatch(got.body, -1) {
			if to, _, _ := strings.Cut(html.UnescapeString(match[1]), "#"); to != "" {
				open = append(open, to)
			}
		}
	}
	if len(pages) < 60 {
		t.Errorf("only %d pages are linked", len(pages))
	}
	shop := p.shop.uid.String()
	for page, leads := range map[string][]string{
		"/":                              {"/failures?stage=ingest", "/failures?code=id.conflict", "/applications/" + shop},
		"/events":                        {"/sessions/checkout-7f3a", "/events/v3?application=" + shop, "/applications/" + shop},
		"/events/v3?application=" + shop: {"/sessions/checkout-7f3a", "/applications/" + shop},
		"/sessions/checkout-7f3a":        {"/events/v3?application=" + shop, "/applications/" + shop},
		"/applications/" + shop:          {"/events?application=" + shop, "/failures?application=" + shop, "/sessions?application=" + shop, "/events?application=" + shop + "&category=page+interaction&name=pageview"},
		begun:                            {"/failures?code=schema.mismatch", "/replays"},
		linkIn(s.get("/failures?code=schema.mismatch"), "/failures/"): {
			"/failures?application=" + shop + "&code=schema.mismatch&state=open", "/events?session_id=checkout-7f3a", "/applications/" + shop,
		},
	} {
		for _, to := range leads {
			if !strings.Contains(html.UnescapeString(pages[page]), `href="`+to) {
				t.Errorf("%s does not lead to %s: %s", page, to, pages[page])
			}
		}
	}
}

var pageLinks = regexp.MustCompile(`href="(/[^"]*)"`)

var sessionLinks = regexp.MustCompile(`<th scope="row"><a href="(/sessions/[^"]*)">`)

// TestConsoleOpensEveryID by the links of its pages, whatever clients have chosen.
func TestConsoleOpensEveryID(t *testing.T) {
	p := newPeople(t)
	ids := []string{
		"/", ".", "..", "...", "a/b", "a/../b", "//", `\`, "%2F", "%", " ", "a b", "+", "?", "#", "a?b=c#d", "&", ";", "-", "\n", "http://a/b", "é",
		strings.Repeat("🙂", 128), `"'<>`, "export", "stream", "erase", "login", // and words of addresses
	}
	for _, id := range ids {
		quoted, err := json.Marshal(id)
		if err != nil {
			t.Fatal(err)
		}
		p.send(p.blog, fmt.Sprintf(`{"id":%s,"session_id":%s,"category":"article","name":"read","data":{"same":%s}}`, quoted, quoted, quoted))
	}
	p.awaitEvents(p.blog, url.Values{}, len(ids))
	s := &surfer{t: t, base: p.persistence.URL}
	s.login(adminToken)
	found := sessionLinks.FindAllStringSubmatch(s.get("/sessions"), -1)
	if len(found) != len(ids) {
		t.Fatalf("%d sessions are listed, of %d", len(found), len(ids))
	}
	opened := map[string]bool{}
	event := regexp.MustCompile(`href="(/events/[^"]*)">This event`)
	for _, link := range found {
		page := s.get(html.UnescapeString(link[1]))
		match := event.FindStringSubmatch(page)
		if match == nil {
			t.Errorf("%s shows no event: %s", link[1], page)
			continue
		}
		page = s.get(html.UnescapeString(match[1]))
		for _, id := range ids {
			if strings.Contains(html.UnescapeString(page), "<h1>Event <code>"+id+"</code></h1>") {
				opened[id] = true
			}
		}
	}
	for _, id := range ids {
		if !opened[id] {
			t.Errorf("no link leads to %q", id)
		}
		got := s.ask(http.MethodGet, "/sessions?session_id="+url.QueryEscape(id), nil) // the field of the form
		if s.get(got.header.Get("Location")); got.status != http.StatusSeeOther {
			t.Errorf("the form leads to %d for %q", got.status, id)
		}
	}
	b := newBrowser(t, p.persistence.URL)
	b.login(adminToken)
	for _, id := range []string{"/", "..", "a/b", `\`, "%2F"} { // what browsers make something of
		b.open("/sessions")
		quoted, _ := json.Marshal(id) // a string has a JSON form
		evaluate[bool](b, fmt.Sprintf(`window.before = true, [...document.querySelectorAll("th a")].find((a) => a.textContent === %s).click(), true`, quoted))
		b.arrived()
		if got := evaluate[string](b, `document.querySelector("h1 code").textContent`); got != id {
			t.Errorf("the link of %q leads to %q at %s", id, got, b.path())
		}
		evaluate[bool](b, `document.querySelector("#erase").open = true, document.querySelector("#erase input").checked = true`)
		b.submit("#erase button")
		if b.path() != "/sessions?erased=yes" { // it takes longer, which the session's own page tells
			b.until(`document.querySelector("#state .finished")`)
			b.quiet() // of the status 404
		}
	}
	b.mustBeQuiet("odd ids")
}
