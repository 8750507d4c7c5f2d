package services_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/jackc/pgx/v5"
)

// balancer stands before persistence as a load balancer does, which cuts connections and has answers of its own.
type balancer struct {
	*httptest.Server
	mutex  sync.Mutex
	answer int                // instead of the stream; 0: the stream itself
	cut    context.CancelFunc // of the stream
	asked  []string           // Last-Event-ID of each question for the stream
}

func newBalancer(t *testing.T, before string) *balancer {
	t.Helper()
	to, err := url.Parse(before)
	if err != nil {
		t.Fatal(err)
	}
	l := &balancer{}
	pass := &httputil.ReverseProxy{
		FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host },
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }, //nolint:forbidigo // as net/http asks for
	}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/tail/stream" {
			ctx, answer := l.stream(r)
			if answer != 0 {
				http.Error(w, "no", answer)
				return
			}
			r = r.WithContext(ctx)
		}
		pass.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { l.turn(http.StatusBadGateway); l.CloseClientConnections(); l.Close() })
	return l
}

func (l *balancer) stream(r *http.Request) (context.Context, int) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.asked = append(l.asked, r.Header.Get("Last-Event-ID"))
	ctx, cut := context.WithCancel(r.Context())
	l.cut = cut
	return ctx, l.answer
}

// turn cuts the stream off, and answers what comes then; 0: by the stream.
func (l *balancer) turn(answer int) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.answer = answer
	if l.cut != nil {
		l.cut()
	}
}

// places returns where the stream was asked to go on since it was asked last.
func (l *balancer) places() []string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	asked := l.asked
	l.asked = nil
	return asked
}

const tailIs = `document.getElementById("tail-state").textContent === `

// TestConsoleTailComesBack by itself, whatever stands between for a moment, behind what it was told; and ends where that
// is no use.
func TestConsoleTailComesBack(t *testing.T) {
	p := newPeople(t)
	l := newBalancer(t, p.persistence.URL)
	b := newBrowser(t, l.URL)
	b.login(p.blog.key)
	b.open("/tail")
	b.until(tailIs + `"live"`)
	n := 0
	post := func() {
		n++
		p.send(p.blog, fmt.Sprintf(`{"id":"n%d","session_id":"s","category":"article","name":"read","data":{"big":12345678901234567890,"price":1.10,"e":[1e30,{}],"t":"<é>"}}`, n))
		p.awaitEvents(p.blog, url.Values{"session_id": {"s"}}, n)
	}
	rows := func() string { return fmt.Sprintf(`document.querySelectorAll("#tail-list li").length === %d`, n) }
	l.places()
	for _, answer := range []int{http.StatusServiceUnavailable, http.StatusBadGateway, http.StatusTooManyRequests} {
		l.turn(answer) // the first before anything was told
		b.until(tailIs + `"connecting" && document.getElementById("tail-note").textContent.includes("and asked again")`)
		post() // meanwhile
		l.turn(0)
		b.until(tailIs + `"live" && ` + rows() + ` && document.getElementById("tail-note").hidden`)
		for _, place := range l.places() {
			if place == "" {
				t.Errorf("after %d the tail begins anew", answer)
			}
		}
	}
	b.numbers()
	b.examine("tail-again", "live")
	b.withoutRedis(p, post, rows)
	b.quiet() // of those statuses

	l.turn(http.StatusForbidden)
	b.until(tailIs + `"ended" && document.querySelector(".problem[role=alert]")`)
	l.turn(0)
	l.places()
	b.open("/tail")
	b.until(tailIs + `"live"`)
	p.mustAdmin(http.MethodDelete, p.blog.path()+"/credentials/1", nil)
	b.until(tailIs + `"ended" && document.querySelector(".problem a[href='/login?next=%2Ftail']")`)
	b.examine("tail-ended", "The live tail has ended.")
	if asked := l.places(); len(asked) != 1 {
		t.Errorf("what has ended was asked for %d times", len(asked))
	}
	b.quiet() // of the status 403
}

// numbers are shown as they were sent, where rows are closed and where they are open.
func (b *browser) numbers() {
	b.t.Helper()
	if got, want := evaluate[string](b, `document.querySelector("#tail-list .c-data").textContent`), `{"big":12345678901234567890,"price":1.10,"e":[1e30,{}],"t":"<é>"}`; !same(got, want) {
		b.t.Errorf("the row shows %s, want %s", got, want)
	}
	b.do(chromedp.Focus(chromedp.CSS("#tail-list summary")), chromedp.KeyEvent(kb.Enter))
	b.until(`document.querySelector("#tail-list details[open] pre").textContent !== ""`)
	got := evaluate[string](b, `document.querySelector("#tail-list pre").textContent`)
	for _, want := range []string{"\n  \"big\": 12345678901234567890", "\n  \"price\": 1.10", "\n    1e30,\n    {}\n  ]", `"t": "<é>"`} {
		if !strings.Contains(got, want) {
			b.t.Errorf("the open row shows %s, without %s", got, want)
		}
	}
}

// same compares JSON whose members may be in another order.
func same(got, want string) bool {
	for part := range strings.SplitSeq(strings.Trim(want, "{}"), ",\"") {
		if !strings.Contains(got, strings.TrimPrefix(part, `"`)) {
			return false
		}
	}
	return true
}

// withoutRedis nobody can tell whether the credential is still good: the stream ends with service.unavailable.
func (b *browser) withoutRedis(p *people, post func(), rows func() string) {
	b.t.Helper()
	p.redisDies()
	b.until(tailIs + `"connecting"`)
	if err := p.redis.Restart(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	b.until(tailIs + `"live"`)
	eventually(b.t, func() error { // the door is open again
		status, answer := p.do(http.MethodPost, p.ingest.URL+"/v1/events?", "Bearer "+p.blog.key, []byte(`[]`))
		if status == http.StatusServiceUnavailable {
			return fmt.Errorf("answered %d %s", status, answer)
		}
		return nil
	})
	post()
	b.until(rows())
}

// TestConsoleTailKeepsNoSession: a tail that somebody has left open is no use of the session, and ends with it.
func TestConsoleTailKeepsNoSession(t *testing.T) {
	p := newPeople(t)
	s := &surfer{t: t, base: p.persistence.URL}
	s.login(adminToken)
	ended := make(chan reply, 1)
	go func() { ended <- s.ask(http.MethodGet, "/tail/stream", nil, "Accept", "text/event-stream") }()
	p.listening()
	conn, err := pgx.Connect(t.Context(), p.postgresURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context()) //nolint:errcheck // a test's
	// The stream looks every 5 s: once before the session ends, and then when it has.
	noted, err := conn.Exec(t.Context(), "UPDATE persistence.console_sessions SET used_at = $1", time.Now().Add(6*time.Second-2*time.Hour))
	if err != nil || noted.RowsAffected() != 1 {
		t.Fatal(noted, err)
	}
	select {
	case got := <-ended:
		if _, last, _ := strings.Cut(got.body, "event: end\n"); got.status != http.StatusOK || !strings.Contains(last, "credential.invalid") {
			t.Errorf("the stream was answered %d %s", got.status, got.body)
		}
	case <-time.After(patience):
		t.Fatal("an open tail keeps its session")
	}
	got := s.ask(http.MethodGet, "/tail/stream", nil, "Accept", "text/event-stream")
	if got.status != http.StatusUnauthorized || got.header.Get("Content-Type") != "application/problem+json" || !strings.Contains(got.body, "credential.invalid") {
		t.Errorf("without a session the stream is answered %d %v %s", got.status, got.header, got.body)
	}
}

// listening waits until the replica has a listener.
func (p *people) listening() {
	p.t.Helper()
	eventually(p.t, func() error {
		if status, metrics := p.do(http.MethodGet, p.persistence.OpsURL+"/metrics", "", nil); !listens.Match(metrics) {
			return fmt.Errorf("nobody listens: %d", status)
		}
		return nil
	})
}

// TestConsoleAnswersHEAD at once, also where GET has no end, with the header that GET has.
func TestConsoleAnswersHEAD(t *testing.T) {
	p := newPeople(t)
	p.furnish()
	s := &surfer{t: t, base: p.persistence.URL}
	s.login(adminToken)
	for path, kind := range map[string]string{"/tail/stream": "text/event-stream", "/export?format=csv": "text/csv; charset=utf-8", "/events": "text/html; charset=utf-8"} {
		got := s.ask(http.MethodHead, path, nil)
		if got.status != http.StatusOK || got.header.Get("Content-Type") != kind {
			t.Errorf("HEAD %s is answered %d %v", path, got.status, got.header)
		}
	}
	eventually(t, func() error { // and no handler is left behind
		_, metrics := p.do(http.MethodGet, p.persistence.OpsURL+"/metrics", "", nil)
		if listens.Match(metrics) {
			return fmt.Errorf("somebody listens")
		}
		return nil
	})
	if got := s.ask(http.MethodHead, "/tail/stream?bogus=1", nil); got.status != http.StatusBadRequest {
		t.Errorf("a wrong question is answered %d", got.status)
	}
}
