package services_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// TestConsoleOffersWhatMayBeDone: an application's own credential tries what it may not replay.
func TestConsoleOffersWhatMayBeDone(t *testing.T) {
	p := newPeople(t)
	p.furnish()
	own := &surfer{t: t, base: p.persistence.URL}
	own.login(p.shop.key)
	list := own.get("/failures")
	offers := func(where, page string, want bool) {
		t.Helper()
		if !strings.Contains(page, `value="true">Dry run`) || strings.Contains(page, `value="false">`) != want || strings.Contains(page, ">Discard") {
			t.Errorf("%s offers: %s", where, page)
		}
	}
	offers("the list", list, false)
	failure := linkIn(list, "/failures/")
	offers("a failure", own.get(failure), false)
	if page := own.get(failure + "?dry_run=true"); !strings.Contains(page, "Replayed now it would be") {
		t.Errorf("trying shows %s", page)
	}
	if page := own.get("/failures?state=discarded"); strings.Contains(page, `action="/replays"`) {
		t.Errorf("to replay what is discarded is offered: %s", page)
	}
	begun := own.ask(http.MethodPost, "/replays", url.Values{"dry_run": {"true"}})
	if begun.status != http.StatusSeeOther {
		t.Fatalf("a dry run is answered %d %s", begun.status, begun.body)
	}
	replay := begun.header.Get("Location")
	eventually(t, func() error {
		if page := own.get(replay); !strings.Contains(page, "finished") {
			return fmt.Errorf("the dry run is at %s", page)
		}
		return nil
	})
	if page := own.get(replay); strings.Contains(page, "Replay them now") {
		t.Errorf("who may not replay is offered to: %s", page)
	}
	admin := &surfer{t: t, base: p.persistence.URL}
	admin.login(adminToken)
	if page := admin.get(replay); !strings.Contains(page, "Replay them now") {
		t.Errorf("the dry run leads nowhere: %s", page)
	}
	if page := admin.get(failure); !strings.Contains(page, ">Discard") || !strings.Contains(page, ">Replay<") {
		t.Errorf("an administrator is offered: %s", page)
	}
}

// TestConsoleOverviewOfMany: the overview has what can be counted in one answer, says what cannot, and lists applications in
// any case.
func TestConsoleOverviewOfMany(t *testing.T) {
	address, err := url.Parse(testenv.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	query := address.Query()
	query.Set("statement_timeout", "2s") // what is locked below is given up within the test
	address.RawQuery = query.Encode()
	p := newPeopleOn(t, address.String())
	conn, err := pgx.Connect(t.Context(), p.postgresURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context()) //nolint:errcheck // a test's
	count := func(from, to int) {
		t.Helper()
		_, err := conn.Exec(t.Context(), `INSERT INTO persistence.usage (application, hour, outcome, writer, events)
			SELECT ('00000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, date_trunc('hour', $3::timestamptz), o, 'test', n
			FROM generate_series($1::int, $2::int) n, unnest(ARRAY['stored', 'refused']) o`, from, to, time.Now())
		if err != nil {
			t.Fatal(err)
		}
	}
	s := &surfer{t: t, base: p.persistence.URL}
	s.login(adminToken)
	count(1, 6000) // of both outcomes there are more counts than one answer has
	busiest := fmt.Sprintf("00000000-0000-4000-8000-%012x", 6000)
	for _, span := range []string{"", "?span=year"} {
		page := s.get("/" + span)
		_, list, _ := strings.Cut(page, `id="apps"`)
		if at := strings.Index(list, busiest); at < 0 || at > strings.Index(list, fmt.Sprintf("%012x", 5999)) || !strings.Contains(list, "6\u202f000</td><td") || !strings.Contains(list, "5\u202f902 more are in") {
			t.Errorf("the overview%s lists %.3000s", span, list)
		}
	}
	count(6001, 10_100)
	page := s.get("/")
	for _, want := range []string{"How much came of each cannot be shown", "more than 10000 counts", "shop/web-shop", "shop/web-log", `data-outcome="stored"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the overview of too many has no %q: %s", want, page)
		}
	}
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context()) //nolint:errcheck // a test's
	if _, err := tx.Exec(t.Context(), "LOCK TABLE persistence.usage IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	got := s.ask(http.MethodGet, "/?span=week", nil)
	if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
		t.Errorf("without counters the overview is answered %d %v", got.status, got.header)
	}
	for _, want := range []string{"What was received cannot be counted now", `href="/?span=week">Try again`, "shop/web-shop", "shop/web-log"} {
		if !strings.Contains(got.body, want) {
			t.Errorf("without counters the overview has no %q: %s", want, got.body)
		}
	}
}

// TestConsoleDrawsWholeSessions, and says of which it cannot.
func TestConsoleDrawsWholeSessions(t *testing.T) {
	p := newPeople(t)
	const all = 205 // more than a page
	var events []string
	for i := range all {
		events = append(events, fmt.Sprintf(`{"id":"%d","session_id":"long","category":"article","name":"read","timestamp":%q}`, i, time.Now().Add(time.Duration(i-all)*time.Second).UTC().Format(time.RFC3339Nano)))
	}
	p.send(p.blog, events...)
	s := &surfer{t: t, base: p.persistence.URL}
	s.login(adminToken)
	eventually(t, func() error {
		got := s.ask(http.MethodGet, "/sessions/long", nil)
		if n := strings.Count(got.body, "<rect"); n != all {
			return fmt.Errorf("%d events are drawn of %d", n, all)
		}
		return nil
	})
	page := s.get("/sessions/long")
	if strings.Contains(page, "The picture has") || strings.Count(page, "moment") > 210 {
		t.Errorf("the session is shown as %s", page)
	}
	if page = s.get(nextIn(page)); !strings.Contains(page, "The picture has 5 of the session&#39;s 205 events.") && !strings.Contains(page, "The picture has 5 of the session's 205 events.") {
		t.Errorf("the second page does not say what it draws: %s", page)
	}
}

// TestConsoleExportsNoForm: who is logged out is asked to log in, and comes back to the search; no file has the form in it.
func TestConsoleExportsNoForm(t *testing.T) {
	p := newPeople(t)
	p.furnish()
	s := &surfer{t: t, base: p.persistence.URL}
	if got := s.ask(http.MethodGet, "/export?format=csv&name=read&limit=3", nil); got.status != http.StatusSeeOther || got.header.Get("Location") != "/login?next=%2Fevents%3Fname%3Dread" {
		t.Errorf("without a session an export is answered %d %v", got.status, got.header)
	}
	if got := s.ask(http.MethodGet, "/export?format=csv", nil, "Accept", "*/*"); got.status != http.StatusUnauthorized || got.header.Get("Content-Disposition") != "" {
		t.Errorf("a program without a session is answered %d %v", got.status, got.header)
	}
	b := newBrowser(t, p.persistence.URL)
	b.login(adminToken)
	b.open("/events?name=read")
	conn, err := pgx.Connect(t.Context(), p.postgresURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context()) //nolint:errcheck // a test's
	if _, err := conn.Exec(t.Context(), "DELETE FROM persistence.console_sessions"); err != nil {
		t.Fatal(err)
	}
	b.submit("a[href^='/export?format=csv']")
	if got := b.path(); got != "/login?next=%2Fevents%3Fname%3Dread" {
		t.Errorf("the link leads to %s: %s", got, b.text())
	}
	b.loginHere(adminToken)
	if got := b.path(); got != "/events?name=read" {
		t.Errorf("the login leads to %s", got)
	}
	b.mustBeQuiet("an export without a session")
}
