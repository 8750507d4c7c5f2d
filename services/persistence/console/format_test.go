package console

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"
)

func TestLocal(t *testing.T) {
	t.Parallel()
	for next, want := range map[string]string{
		"/": "/", "/events?name=a&from=b#c": "/events?name=a&from=b#c", "": "/", "events": "/", "//evil.example": "/", "/\\evil.example": "/",
		"https://evil.example/": "/", "javascript:alert(1)": "/", "/\t/evil.example": "/", "/\r\nX: y": "/", "/login?next=/": "/", "\\\\evil": "/",
		"/\x00evil": "/", "/events?name=\x00": "/", "/\x7f": "/", "/\u0085": "/", "/\xff": "/", "/%00": "/%00", "/%2Fevil.example": "/", "/%2f/evil.example": "/",
		"/%5Cevil.example": "/", "/events\\..": "/", "/%": "/", "/logout": "/", "/loginx": "/loginx", "/tail/stream?name=x": "/", "/sessions/%0A": "/sessions/%0A",
		"/sessions/-?id=a%2Fb": "/sessions/-?id=a%2Fb", "/events?name=é": "/events?name=é",
	} {
		if got := local(next); got != want {
			t.Errorf("after a login %q leads to %q, want %q", next, got, want)
		}
	}
}

// TestHref: whatever an id is, its page's address leads to it, and browsers make no other of it.
func TestHref(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"a", ".", "..", "...", "-", "a/b", "a//b", "%2e", "a?b#c", `"><script>`, "é ü", "a+b", "../../login", " "} {
		address := href("/sessions", id, "", "application", "u/v")
		parsed, err := url.Parse("http://theeye" + address)
		if err != nil {
			t.Fatalf("%q: %v", id, err)
		}
		mux, got := http.NewServeMux(), ""
		mux.HandleFunc("GET /sessions/{id}", func(_ http.ResponseWriter, r *http.Request) { got = idOf(r) })
		mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, parsed.String(), nil))
		if got != id || parsed.Query().Get("application") != "u/v" {
			t.Errorf("%q has the page %s, which is that of %q", id, address, got)
		}
		mux.HandleFunc("GET /v1/sessions/{id}", func(_ http.ResponseWriter, r *http.Request) { got = r.PathValue("id") })
		mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/v1/sessions/"+segment(id), nil))
		if got != id {
			t.Errorf("the API is asked for %q instead of %q", got, id)
		}
	}
}

func TestDuration(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0 ms", 1500 * time.Microsecond: "1 ms", 2500 * time.Millisecond: "2.5 s", 60 * time.Second: "1 min", 61 * time.Second: "1 min 1 s",
		90 * time.Minute: "1 h 30 min", 47 * time.Hour: "47 h", 49 * time.Hour: "2 d 1 h",
	} {
		if got := duration(d); got != want {
			t.Errorf("%d is %q, want %q", d, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1\u202f000", 12345678: "12\u202f345\u202f678", -1234: "−1\u202f234"} {
		if got := count(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}

// TestFilter: what a form sends becomes the API's parameters, once and without what is empty.
func TestFilter(t *testing.T) {
	t.Parallel()
	given, err := url.ParseQuery("name=view&category=&from=2026-05-04T12:00&path=cart.total&op=gte&value=20&path=&op=eq&value=&path=coupon&op=exists&value=&other=1&data.a=x")
	if err != nil {
		t.Fatal(err)
	}
	f := filterOf(given, eventFields()...)
	f.conditions(given)
	const want = "/events?data.a=x&data.cart.total%5Bgte%5D=20&data.coupon%5Bexists%5D=true&from=2026-05-04T12%3A00%3A00.000000Z&name=view"
	if got := f.Link("/events"); got != want || !f.partial {
		t.Errorf("the form asks for\n%s, want\n%s", got, want)
	}
	again, err := url.Parse(want)
	if err != nil {
		t.Fatal(err)
	}
	f = filterOf(again.Query(), eventFields()...)
	if f.conditions(again.Query()); f.partial || f.Link("/events") != want || (question{Filter: f}).TimeField("from", "").Value != "2026-05-04T12:00:00" {
		t.Errorf("the address leads to %s, %t, %s", f.Link("/events"), f.partial, f.Get("from"))
	}
	if got := f.Conditions(); len(got) != 4 || got[1] != (condition{"cart.total", "gte", "20", "data.cart.total[gte]"}) || got[2] != (condition{"coupon", "exists", "true", "data.coupon[exists]"}) {
		t.Errorf("the form shows %v", got)
	}
}
