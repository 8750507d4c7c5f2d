package persistence

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	metricnoop "go.opentelemetry.io/otel/metric/noop"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/admin"
	"github.com/theeye-dev/theeye/services/internal/keyring"
	"github.com/theeye-dev/theeye/services/internal/kit"
	"github.com/theeye-dev/theeye/services/internal/stream"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

const adminToken = "an-admin-token-for-tests"

// library is a fixture whose data is read over HTTP, by applications shop and blog and by the admin.
type library struct {
	*fixture
	url  string
	keys map[uuid.UUID]string
	ring *keyring.Keyring
	kept *Retention // of what is served
	tail *Tail      // of what is served

	redis redis.UniversalClient // with the application log
}

func newLibrary(t testing.TB) *library {
	t.Helper()
	l := &library{fixture: newFixture(t), keys: map[uuid.UUID]string{}, ring: keyring.New(time.Now)}
	client, err := stream.Open(testenv.Redis(t).URL())
	l.must(err)
	t.Cleanup(func() { _ = client.Close() })
	l.redis = client
	l.register(client, shop, "web-shop")
	l.register(client, blog, "web-log")
	l.must(client.HSet(t.Context(), registry.LatestKey, registry.FieldComplete, "1").Err())
	l.follow(client)
	l.url = l.serve(l.store, l.ring)
	return l
}

// register writes an application's record as auth does, before anybody follows the log.
func (l *library) register(client redis.UniversalClient, uid uuid.UUID, name string) {
	l.Helper()
	key := apikey.New("test", apikey.ClientID(uid), "1")
	record, err := json.Marshal(registry.Application{
		UID: uid, Namespace: "shop", Name: name, ClientID: apikey.ClientID(uid), Revision: 1,
		Credentials: []registry.Credential{{ID: "1", SHA256: registry.Digest(apikey.HashOf(key))}},
	})
	l.must(err)
	l.must(client.HSet(l.Context(), registry.LatestKey, uid.String(), record).Err())
	l.keys[uid] = key
}

func (l *library) follow(client redis.UniversalClient) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(l.Context()))
	ended := make(chan error, 1)
	go func() { ended <- keyring.NewFollower(client, l.ring, slog.New(slog.DiscardHandler)).Run(ctx) }()
	l.Cleanup(func() {
		cancel()
		l.must(<-ended)
	})
	deadline, retry := time.NewTimer(30*time.Second), time.NewTicker(5*time.Millisecond)
	defer deadline.Stop()
	defer retry.Stop()
	for l.ring.Ready() != nil {
		select {
		case <-retry.C:
		case <-deadline.C:
			l.Fatal("the application log was not read")
		}
	}
}

func (l *library) serve(store *Postgres, ring *keyring.Keyring) string {
	l.Helper()
	token, err := admin.Static(adminToken)
	l.must(err)
	observer, err := kit.NewObserver(slog.New(slog.NewTextHandler(l.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})), metricnoop.Meter{}, false)
	l.must(err)
	eraser, err := NewEraser(store, time.Now, slog.New(slog.DiscardHandler), metricnoop.Meter{})
	l.must(err)
	server := httptest.NewServer(Handler(&Reader{
		Store: store, Keys: ring, Admin: token, Operator: operator{}, Eraser: eraser, Retention: l.kept, Tail: l.tail, Replays: l.replayer(store, ring), Now: time.Now,
	}, observer))
	l.Cleanup(server.Close)
	return server.URL
}

// token of an application, or the admin's for uuid.Nil.
func (l *library) token(who uuid.UUID) string {
	if who == uuid.Nil {
		return adminToken
	}
	return l.keys[who]
}

func (l *library) raw(base, token, path string) (int, []byte) {
	l.Helper()
	request, err := http.NewRequestWithContext(l.Context(), http.MethodGet, base+path, nil)
	l.must(err)
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := testenv.HTTP(l).Do(request)
	l.must(err)
	defer response.Body.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(response.Body)
	l.must(err)
	return response.StatusCode, body
}

// get reads an answer of 200.
func (l *library) get(who uuid.UUID, path string, into any) {
	l.Helper()
	status, body := l.raw(l.url, l.token(who), path)
	if status != http.StatusOK {
		l.Fatalf("%s answered %d %s", path, status, body)
	}
	l.must(json.Unmarshal(body, into))
}

// ids reads the ids of one page.
func (l *library) ids(who uuid.UUID, query string) []string {
	l.Helper()
	var page EventPage
	l.get(who, "/v1/events?"+query, &page)
	return idsOf(page.Events)
}

func idsOf(events []Event) []string {
	ids := []string{}
	for _, e := range events {
		ids = append(ids, e.ID)
	}
	return ids
}

// typed is an event of a session, category and name.
func typed(id, session, category, name string, t time.Time) event.Item {
	return at(event.Item{Original: fmt.Appendf(nil, `{"id":%q,"session_id":%q,"category":%q,"name":%q}`, id, session, category, name)}, t)
}

func TestQueries(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	base := time.Date(2024, time.March, 30, 12, 0, 0, 0, time.UTC)
	hour := func(n int) time.Time { return base.Add(time.Duration(n) * 24 * time.Hour) }
	l.insert(l.request(shop,
		typed("a", "s1", "page", "view", hour(0)), typed("b", "s1", "page", "click", hour(1)),
		typed("c", "s2", "cart", "add", hour(2)), typed("d", "s/2 ?&é", "cart", "view", hour(3)),
	), l.request(blog, typed("e", "s1", "page", "view", hour(0).Add(time.Second)), typed("f", "s3", "page", "read", hour(4))))
	stamp := func(n int) string { return url.QueryEscape(hour(n).Format(time.RFC3339)) }
	for _, c := range []struct {
		who   uuid.UUID
		query string
		ids   string
	}{
		{uuid.Nil, "", "f d c b e a"},
		{shop, "", "d c b a"},
		{blog, "", "f e"},
		{uuid.Nil, "application=" + shop.String(), "d c b a"},
		{uuid.Nil, "application=shop/web-log", "f e"},
		{shop, "application=" + shop.String(), "d c b a"},
		{shop, "application=shop%2Fweb-shop", "d c b a"},
		{uuid.Nil, "application=" + uuid.NewString(), ""},
		{uuid.Nil, "session_id=s1", "a e b"},
		{shop, "session_id=s1", "a b"},
		{blog, "session_id=s1", "e"},
		{blog, "session_id=s2", ""},
		{uuid.Nil, "session_id=" + url.QueryEscape("s/2 ?&é"), "d"},
		{uuid.Nil, "session_id=S1", ""},
		{uuid.Nil, "category=page", "f b e a"},
		{uuid.Nil, "name=view", "d e a"},
		{uuid.Nil, "category=page&name=view", "e a"},
		{shop, "category=page&name=view", "a"},
		{shop, "category=none", ""},
		{uuid.Nil, "from=" + stamp(1), "f d c b"},
		{uuid.Nil, "to=" + stamp(1), "e a"},
		{uuid.Nil, "from=" + stamp(1) + "&to=" + stamp(3), "c b"},
		{uuid.Nil, "from=2024-03-31+12:00:00&to=2024-03-31+12:00:00.000001", "b"},
		{uuid.Nil, "from=2024-03-31T14:00:00%2B02:00&limit=1", "f"},
		{uuid.Nil, "session_id=s1&from=" + stamp(1), "b"},
		{uuid.Nil, "session_id=s1&to=" + stamp(1) + "&name=view", "a e"},
		{uuid.Nil, "session_id=s1&application=shop/web-shop&category=page&name=click&from=" + stamp(0) + "&to=" + stamp(4) + "&limit=1000", "b"},
		{uuid.Nil, "limit=2", "f d"},
		{uuid.Nil, "session_id=s1&limit=1", "a"},
	} {
		l.same(c.query, strings.Fields(c.ids), append([]string{}, l.ids(c.who, c.query)...))
	}

	var page EventPage
	l.get(shop, "/v1/events?name=click", &page)
	want := Event{
		ID: "b", Application: shop, SessionID: "s1", Category: "page", Name: "click", Type: "page click", Credential: "1",
		Timestamp: "2024-03-31T12:00:00.000000Z", ReceivedAt: page.Events[0].ReceivedAt, StoredAt: page.Events[0].StoredAt, Sequence: page.Events[0].Sequence,
	}
	if got := page.Events[0]; fmt.Sprint(got) != fmt.Sprint(want) || got.Sequence == uuid.Nil || got.ReceivedAt == "" || got.StoredAt == "" || page.NextCursor != "" {
		t.Errorf("got %+v", page)
	}
	if status, body := l.raw(l.url, l.token(blog), "/v1/events?session_id=none"); status != 200 || string(body) != `{"events":[]}`+"\n" {
		t.Errorf("nothing reads %d %s", status, body)
	}
}

func TestRefusedQueries(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.insert(l.request(shop, item("a", "s1", "")))
	for _, c := range []struct {
		who    uuid.UUID
		path   string
		status int
		says   string
	}{
		{shop, "/v1/events?session=s1", 400, `unknown parameter "session"; known are session_id,`},
		{shop, "/v1/events?code=x", 400, `unknown parameter "code"`},
		{shop, "/v1/events?limit=1&limit=2", 400, `"limit" is given 2 times`},
		{shop, "/v1/events?limit=0", 400, "1 to 1000"},
		{shop, "/v1/events?limit=1001", 400, "1 to 1000"},
		{shop, "/v1/events?limit=ten", 400, "1 to 1000"},
		{shop, "/v1/events?limit=99999999999999999999", 400, "1 to 1000"},
		{shop, "/v1/events?from=yesterday", 400, "from: "},
		{shop, "/v1/events?to=2024-01-02T03:04:05+01:00", 400, "%2B"},
		{shop, "/v1/events?from=2024-01-02T00:00:00Z&to=2024-01-01T00:00:00Z", 400, "from must be before to"},
		{shop, "/v1/events?cursor=x", 400, "cursor"},
		{shop, "/v1/events?cursor=f" + strings.Repeat("_", 31), 400, "cursor"},
		{shop, "/v1/events?session_id=", 400, `"session_id" is empty`},
		{shop, "/v1/events?application=", 400, `"application" is empty`},
		{shop, "/v1/events?session_id=%00", 400, "not text"},
		{shop, "/v1/events?category=%ff", 400, "not text"},
		{shop, "/v1/events?session_id=%zz", 400, "query string"},
		{shop, "/v1/events?session_id=s1;name=x", 400, "query string"},
		{uuid.Nil, "/v1/events?application=web-shop", 400, "namespace/name"},
		{uuid.Nil, "/v1/events?application=shop/none", 400, "namespace/name"},
		{uuid.Nil, "/v1/events?application=" + uuid.Nil.String(), 400, "the nil UUID"},
		{shop, "/v1/events?application=" + blog.String(), 403, "that application's events only"},
		{shop, "/v1/events?application=shop/web-log", 403, "that application's events only"},
		{shop, "/v1/events?application=" + uuid.Nil.String(), 403, "that application's events only"},
		{shop, "/v1/failures?application=shop/web-log", 403, "that application's events only"},
		{shop, "/v1/sessions/s1?application=shop/none", 403, "that application's events only"},
		{shop, "/v1/failures?session_id=s1", 400, "unknown parameter"},
		{shop, "/v1/sessions/s1?session_id=s1", 400, "unknown parameter"},
		{shop, "/v1/sessions/none", 404, "no such session"},
		{blog, "/v1/sessions/s1", 404, "no such session"},
		{uuid.Nil, "/v1/sessions/s1?application=shop/web-log", 404, "no such session"},
		{shop, "/v1/sessions/%00", 400, "not text"},
		{shop, "/v1/sessions/%ff", 400, "not text"},
		{shop, "/v1/sessions/", 404, "nothing at"},
		{shop, "/v1/nothing", 404, "nothing at"},
	} {
		status, body := l.raw(l.url, l.token(c.who), c.path)
		var problem struct{ Detail string }
		l.must(json.Unmarshal(body, &problem))
		if status != c.status || !strings.Contains(problem.Detail, c.says) {
			t.Errorf("%s answered %d %s, want %d with %q", c.path, status, body, c.status, c.says)
		}
	}
	for _, token := range []string{"", "wrong", apikey.New("test", apikey.ClientID(shop), "1"), l.keys[shop] + "x"} {
		for _, path := range []string{"/v1/events", "/v1/sessions/s1", "/v1/failures", "/v1/events?unknown=1"} {
			if status, body := l.raw(l.url, token, path); status != http.StatusUnauthorized {
				t.Errorf("%s with token %q answered %d %s", path, token, status, body)
			}
		}
	}
	response, err := http.Post(l.url+"/v1/events", "application/json", strings.NewReader("{}"))
	l.must(err)
	l.must(response.Body.Close())
	if response.StatusCode != http.StatusMethodNotAllowed || !strings.Contains(response.Header.Get("Allow"), "GET") {
		t.Errorf("POST answered %d, Allow %q", response.StatusCode, response.Header.Get("Allow"))
	}
}

// TestNotAnswerableNow: what may be right is 503, never 400, 401 or 404.
func TestNotAnswerableNow(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	starting := l.serve(l.store, keyring.New(time.Now))
	for path, token := range map[string]string{
		"/v1/events": l.keys[shop], "/v1/events?application=shop/web-shop": adminToken,
	} {
		if status, body := l.raw(starting, token, path); status != http.StatusServiceUnavailable {
			t.Errorf("before the application log is read %s answered %d %s", path, status, body)
		}
	}
	if status, body := l.raw(starting, adminToken, "/v1/events?application="+shop.String()); status != http.StatusOK {
		t.Errorf("the admin, who needs no log, is answered %d %s", status, body)
	}
	gone := l.replica("gone")
	gone.pool.Close()
	for _, path := range []string{"/v1/events", "/v1/events?session_id=s", "/v1/sessions/s", "/v1/failures"} {
		status, body := l.raw(l.serve(gone, l.ring), adminToken, path)
		if status != http.StatusServiceUnavailable || strings.Contains(string(body), "closed pool") {
			t.Errorf("without a database %s answered %d %s", path, status, body)
		}
	}
}

// TestPagesAreWholeWhileEventsArrive follows cursors, of pages smaller than the groups of equal timestamps.
func TestPagesAreWholeWhileEventsArrive(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	base := time.Now().UTC().Truncate(day).Add(-36 * time.Hour)
	const count = 120
	var want []string
	for n := range count {
		application := shop
		if n%3 == 2 {
			application = blog
		}
		// Groups of ten share a moment; groups lie on three days.
		l.insert(l.request(application, typed(fmt.Sprintf("%03d", n), "s", "c", "n", base.Add(time.Duration(n/10)*4*time.Hour))))
		want = append(want, fmt.Sprintf("%03d", n))
	}
	for name, c := range map[string]struct {
		path    string
		reverse bool
	}{
		"newest first": {"/v1/events?", true},
		"a session":    {"/v1/events?session_id=s&", false},
		"one session":  {"/v1/sessions/s?", false},
	} {
		var got []string
		cursor, arrivals := "", 0
		for {
			var page EventPage
			path := c.path + "limit=7"
			if cursor != "" {
				path += "&cursor=" + cursor
			}
			l.get(uuid.Nil, path, &page)
			for _, e := range page.Events {
				if !strings.HasPrefix(e.ID, "new") {
					got = append(got, e.ID)
				}
			}
			if cursor = page.NextCursor; cursor == "" {
				break
			}
			// More arrives before, among and after what was read.
			for _, t := range []time.Time{base.Add(-time.Hour), base.Add(20 * time.Hour), base.Add(50 * time.Hour)} {
				arrivals++
				if arrivals < 30 {
					l.insert(l.request(shop, typed(fmt.Sprint("new ", name, arrivals), "s", "c", "n", t)))
				}
			}
		}
		if c.reverse {
			slices.Reverse(got)
		}
		l.same(name, want, got)
	}
}

func TestOrderOfEqualTimes(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	moment := time.Now().Add(-time.Hour)
	later := l.request(shop, typed("2", "s", "c", "n", moment), typed("3", "s", "c", "n", moment))
	earlier := typed("1", "s", "c", "n", moment.Add(-time.Microsecond))
	l.insert(l.request(shop, typed("4", "s", "c", "n", moment), earlier)) // received last, stored first
	l.insert(later)
	l.same("session", []string{"1", "2", "3", "4"}, l.ids(shop, "session_id=s"))
	l.same("newest first", []string{"4", "3", "2", "1"}, l.ids(shop, ""))
}

func TestSession(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	start := time.Date(2024, time.May, 1, 23, 0, 0, 0, time.UTC)
	l.insert(
		l.request(shop, typed("a", "s/é", "c", "n", start), typed("b", "s/é", "c", "m", start.Add(2*time.Hour))),
		l.request(blog, typed("c", "s/é", "c", "n", start.Add(time.Hour))),
		l.request(shop, typed("d", "other", "c", "n", start)),
	)
	var s Session
	path := "/v1/sessions/" + url.PathEscape("s/é")
	l.get(uuid.Nil, path, &s)
	l.same("of all", "s/é 2024-05-01T23:00:00.000000Z 2024-05-02T01:00:00.000000Z 3 a c b",
		fmt.Sprint(s.SessionID, " ", s.FirstAt, " ", s.LastAt, " ", s.Count, " ", strings.Join(idsOf(s.Events), " ")))
	l.same("applications", []uuid.UUID{shop, blog}, s.Applications)
	s = Session{}
	l.get(blog, path, &s)
	l.same("own", "1 c 2024-05-02T00:00:00.000000Z 2024-05-02T00:00:00.000000Z", fmt.Sprint(s.Count, " ", strings.Join(idsOf(s.Events), " "), " ", s.FirstAt, " ", s.LastAt))
	l.same("own applications", []uuid.UUID{blog}, s.Applications)
	s = Session{}
	l.get(uuid.Nil, path+"?name=n&limit=1", &s)
	if s.Count != 3 || len(s.Events) != 1 || s.NextCursor == "" {
		t.Errorf("a page of the session is %+v", s)
	}
}

func TestDataIsExact(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	cases := map[string]struct{ sent, read string }{ // jsonb sorts members by length and bytes; the values are the same
		"decimals": {`{"a":1.10,"b":-0.0,"c":1e-7,"d":100000000000000000000000.5}`, `{"a":1.10,"b":0.0,"c":0.0000001,"d":100000000000000000000000.5}`},
		"digits":   {`{"n":12345678901234567890123}`, `{"n":12345678901234567890123}`},
		"large":    {`{"n":1e308}`, `{"n":1` + strings.Repeat("0", 308) + `}`},
		"html":     {`{"h":"<a href=\"x\">&amp;</a>"}`, `{"h":"<a href=\"x\">&amp;</a>"}`},
		"text":     {`{"t":"é\u00e9\ud83d\ude00\n\u0001\u2028\u007f\/"}`, `{"t":"éé😀\n\u0001` + "\u2028\u007f" + `/"}`},
		"order":    {`{ "bb":1, "a":[ {} , [ ] ,null ], "":true}`, `{"":true,"a":[{},[],null],"bb":1}`},
		"empty":    {`{}`, `{}`},
		"name":     {`{"é<\u0022":1}`, `{"é<\"":1}`},
	}
	var items []event.Item
	for id, c := range cases {
		items = append(items, item(id, "s", `"data":`+c.sent))
	}
	l.insert(l.request(shop, append(items, item("absent", "s", ""))...))
	status, body := l.raw(l.url, l.token(shop), "/v1/events")
	if status != http.StatusOK {
		t.Fatalf("answered %d %s", status, body)
	}
	for id, c := range cases {
		if !strings.Contains(string(body), `"data":`+c.read+`,"timestamp"`) {
			t.Errorf("%s: %s is missing in\n%s", id, c.read, body)
		}
	}
	if strings.Count(string(body), `"data":`) != len(cases) {
		t.Error("an event without data reads as one with data")
	}
}

func TestFailurePages(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	binary := refused("", "json.utf8")
	binary.Original, binary.Truncated = []byte("{\"a\":\"\xff\"}"), true
	for n := range 7 {
		l.insert(l.request(shop, refused(fmt.Sprintf(`{"id":"%d","h":"<&>"}`, n), "field.missing")))
	}
	l.insert(l.request(blog, binary))
	l.storeEntries(stream.Entry{Stream: event.StreamKey(0), ID: "1700000000000-0", Batch: []byte("\xff")})
	var got []string
	for cursor := ""; ; {
		var page FailurePage
		l.get(shop, "/v1/failures?limit=3"+cursor, &page)
		for _, f := range page.Failures {
			got = append(got, f.EventID)
		}
		if page.NextCursor == "" {
			break
		}
		cursor = "&cursor=" + page.NextCursor
	}
	l.same("own, newest first", []string{"6", "5", "4", "3", "2", "1", "0"}, got)
	var all FailurePage
	l.get(uuid.Nil, "/v1/failures", &all)
	if len(all.Failures) != 9 || all.Failures[8].Application != nil || all.Failures[8].Code != "store.undecodable" {
		t.Errorf("all are %+v", all.Failures)
	}
	f := all.Failures[1]
	if f.EventID != "6" || f.Code != "field.missing" || f.Detail != "why" || f.Stage != "ingest" || f.State != "open" || *f.Original != `{"id":"6","h":"<&>"}` ||
		!slices.Equal(f.Pointers, []string{"/data"}) || *f.Application != shop || f.Credential != "1" || f.Truncated {
		t.Errorf("failure %+v", f)
	}
	var own FailurePage
	l.get(blog, "/v1/failures", &own)
	if len(own.Failures) != 1 || own.Failures[0].Original != nil || string(own.Failures[0].OriginalBase64) != string(binary.Original) || !own.Failures[0].Truncated {
		t.Errorf("of blog %+v", own.Failures)
	}
	_, body := l.raw(l.url, adminToken, "/v1/failures")
	for _, part := range []string{`"original":"{\"id\":\"6\",\"h\":\"<&>\"}"`, `"original_base64":"` + base64.StdEncoding.EncodeToString(binary.Original) + `"`, `"application":null`} {
		if !strings.Contains(string(body), part) {
			t.Errorf("%s is missing in %s", part, body)
		}
	}
	for query, n := range map[string]int{
		"code=json.utf8": 1, "code=none": 0, "application=shop/web-shop": 7, "application=shop/web-log&code=field.missing": 0, "to=2024-01-01T00:00:00Z": 1, "from=2024-01-01T00:00:00Z": 8,
	} {
		var page FailurePage
		l.get(uuid.Nil, "/v1/failures?"+query, &page)
		if len(page.Failures) != n {
			t.Errorf("%s: %d failures, want %d", query, len(page.Failures), n)
		}
	}
}

// TestReadsWhileWriting: what is counted of a session is there, whenever one looks.
func TestReadsWhileWriting(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	const count = 40
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := range count {
			if _, err := l.store.Insert(t.Context(), records(l.entry(l.request(shop, typed(fmt.Sprint(n), "s", "c", "n", time.Now()))))); err != nil {
				t.Error(err)
			}
		}
	})
	for seen := 0; seen < count; {
		events := l.ids(shop, "session_id=s&limit=1000")
		if len(events) < seen {
			t.Fatalf("%d events after %d", len(events), seen)
		}
		for n, id := range events {
			if id != fmt.Sprint(n) {
				t.Fatalf("place %d has %s", n, id)
			}
		}
		seen = len(events)
		if t.Failed() {
			break
		}
	}
	wg.Wait()
}
