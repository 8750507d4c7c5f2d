package kit_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-kit/kit/endpoint"
	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/kit"
)

type greeting struct {
	Text string `json:"text"`
}

// greet fails as it is told.
func greet(_ context.Context, name string) (greeting, error) {
	switch name {
	case "nobody":
		return greeting{}, fault.New(fault.CodeNotFound, "nobody is here")
	case "away":
		return greeting{}, fault.Wrap(fault.CodeUnavailable, "try again", errors.New("secret cause"))
	case "bug":
		return greeting{}, errors.New("secret bug")
	}
	return greeting{"hello " + name}, nil
}

func decodeName(_ context.Context, r *http.Request) (string, error) {
	name := r.URL.Query().Get("name")
	if name == "" {
		return "", fault.New(fault.CodeParameter, "name is required")
	}
	return name, nil
}

func ask(handler http.Handler, method, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(method, target, nil))
	return w
}

func problem(t *testing.T, w *httptest.ResponseRecorder) (p fault.Problem) {
	t.Helper()
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("content type %q", got)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Status != w.Code || p.Title == "" ||
		!strings.HasSuffix(p.Type, "#"+string(p.Code)) {
		t.Errorf("problem %s, %v", w.Body, err)
	}
	return p
}

func TestHandler(t *testing.T) {
	t.Parallel()
	var order []string
	trail := func(name string) endpoint.Middleware {
		return func(next endpoint.Endpoint) endpoint.Endpoint {
			return func(ctx context.Context, request any) (any, error) {
				order = append(order, name)
				return next(ctx, request)
			}
		}
	}
	h := kit.Handler(greet, decodeName, kit.JSON, trail("outer"), trail("inner"))
	w := ask(h, "GET", "/?name=you")
	if w.Code != http.StatusOK || w.Body.String() != `{"text":"hello you"}`+"\n" || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("got %d %s %s", w.Code, w.Body, w.Header())
	}
	if diff := cmp.Diff([]string{"outer", "inner"}, order); diff != "" {
		t.Errorf("middleware (-want +got):\n%s", diff)
	}
	for query, want := range map[string]fault.Problem{
		"":            {Status: 400, Code: fault.CodeParameter, Detail: "name is required"},
		"name=nobody": {Status: 404, Code: fault.CodeNotFound, Detail: "nobody is here"},
		"name=away":   {Status: 503, Code: fault.CodeUnavailable, Detail: "try again"},
		"name=bug":    {Status: 500, Code: fault.CodeInternal, Detail: "the request could not be served; it is logged with this trace id"},
	} {
		w := ask(h, "GET", "/?"+query)
		got := problem(t, w)
		got.Type, got.Title = "", ""
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", query, diff)
		}
		if retry := w.Header().Get("Retry-After"); (retry != "") != (want.Status == 503) {
			t.Errorf("%q: Retry-After %q", query, retry)
		}
		if strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%q: the cause is shown: %s", query, w.Body)
		}
	}
}

func TestNothing(t *testing.T) {
	t.Parallel()
	h := kit.Handler(func(context.Context, string) (struct{}, error) { return struct{}{}, nil }, decodeName, kit.Nothing)
	if w := ask(h, "DELETE", "/?name=x"); w.Code != http.StatusNoContent || w.Body.Len() != 0 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestNotFoundAndMethodNotAllowed(t *testing.T) {
	t.Parallel()
	w := ask(kit.NotFound(), "GET", `/no%22where`)
	if p := problem(t, w); p.Code != fault.CodeNotFound || !strings.Contains(p.Detail, `/no"where`) || w.Code != http.StatusNotFound {
		t.Errorf("got %+v", p)
	}
	w = ask(kit.MethodNotAllowed("GET, PUT"), "POST", "/x")
	if p := problem(t, w); p.Code != fault.CodeMethod || !strings.Contains(p.Detail, "POST") || w.Header().Get("Allow") != "GET, HEAD, PUT" ||
		w.Code != http.StatusMethodNotAllowed {
		t.Errorf("got %+v %s", p, w.Header())
	}
}

func TestExact(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	h := kit.Exact(mux)
	for sent, meant := range map[string]string{
		"//v1/events": "/v1/events", "/v1//events": "/v1/events", "/eye/../v1/events": "/v1/events", "/./": "/", "//": "/", "/v1//": "/v1/",
		"/v1//sessions/a%2Fb": "/v1/sessions/a%2Fb",
	} {
		w := ask(h, "POST", "http://host"+sent)
		if p := problem(t, w); p.Code != fault.CodeNotFound || w.Code != http.StatusNotFound || !strings.HasSuffix(p.Detail, "the path meant is "+meant) {
			t.Errorf("%s: got %d %+v", sent, w.Code, p)
		}
	}
	for _, sent := range []string{"/", "/v1/events", "/v1/events/", "/v1/sessions/a%2F%2Fb", "/v1/sessions/%2E%2E", "/v1/..x"} {
		if w := ask(h, "POST", "http://host"+sent); w.Code != http.StatusNoContent {
			t.Errorf("%s: got %d", sent, w.Code)
		}
	}
}

// observed is an Observer whose metrics and log a test reads.
type observed struct {
	*kit.Observer
	t      *testing.T
	reader *sdkmetric.ManualReader
	log    strings.Builder
}

func newObserved(t *testing.T) *observed {
	t.Helper()
	o := &observed{t: t, reader: sdkmetric.NewManualReader()}
	meter := sdkmetric.NewMeterProvider(sdkmetric.WithReader(o.reader)).Meter("")
	var err error
	if o.Observer, err = kit.NewObserver(slog.New(slog.NewJSONHandler(&o.log, nil)), meter, false); err != nil {
		t.Fatal(err)
	}
	return o
}

// counts returns how many requests of a method were answered with a status.
func (o *observed) counts() map[string]uint64 {
	o.t.Helper()
	var collected metricdata.ResourceMetrics
	if err := o.reader.Collect(context.Background(), &collected); err != nil {
		o.t.Fatal(err)
	}
	found := map[string]uint64{}
	for _, scope := range collected.ScopeMetrics {
		for _, m := range scope.Metrics {
			for _, p := range m.Data.(metricdata.Histogram[float64]).DataPoints {
				text := func(key attribute.Key) string { v, _ := p.Attributes.Value(key); return v.String() }
				found[text("http.request.method")+" "+text("http.route")+" "+text("http.response.status_code")] += p.Count
			}
		}
	}
	return found
}

func TestObserver(t *testing.T) {
	t.Parallel()
	o := newObserved(t)
	h := o.Route("/greet", kit.Handler(greet, decodeName, kit.JSON))
	for _, query := range []string{"name=a", "name=b", "", "name=nobody", "name=away", "name=bug"} {
		ask(h, "GET", "/greet?"+query)
	}
	for _, method := range []string{"MADE", "UP", "get"} {
		ask(h, method, "/greet?name=a")
	}
	want := map[string]uint64{
		"GET /greet 200": 2, "GET /greet 400": 1, "GET /greet 404": 1, "GET /greet 503": 1, "GET /greet 500": 1,
		"_OTHER /greet 200": 3, // or any client could make series without end
	}
	if diff := cmp.Diff(want, o.counts()); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	var line struct{ Level, Msg, Route, Error string }
	if err := json.Unmarshal([]byte(o.log.String()), &line); err != nil {
		t.Fatalf("want one line, of what is our fault: %v in %s", err, o.log.String())
	}
	line.Error = strings.TrimSpace(line.Error)
	if line.Level != "ERROR" || line.Msg != "request failed" || line.Route != "/greet" || !strings.Contains(line.Error, "secret bug") {
		t.Errorf("logged %+v", line)
	}
}

// TestClientGoneWhileAnswering is nobody's fault: nothing is logged, and nothing is written after what failed.
func TestClientGoneWhileAnswering(t *testing.T) {
	t.Parallel()
	o := newObserved(t)
	served := make(chan struct{})
	large := func(context.Context, string) (greeting, error) { return greeting{strings.Repeat("x", 16<<20)}, nil }
	h := o.Route("/", kit.Handler(large, decodeName, kit.JSON))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(served)
		h.ServeHTTP(w, r)
	}))
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/?name=x", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	_ = response.Body.Close()
	select {
	case <-served:
	case <-time.After(30 * time.Second):
		t.Fatal("the handler does not end")
	}
	if o.log.Len() > 0 {
		t.Errorf("logged %s", o.log.String())
	}
}

// TestEncodeFails before and after the answer has begun: then the client is told by its end.
func TestEncodeFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		encode func(context.Context, http.ResponseWriter, greeting) error
		status int
		body   string
	}{
		"before": {func(context.Context, http.ResponseWriter, greeting) error { return errors.New("secret") }, 500, "internal"},
		"after": {func(_ context.Context, w http.ResponseWriter, _ greeting) error {
			_, _ = io.WriteString(w, "begun")
			return errors.New("secret")
		}, 200, "begun"},
		"flushed": {func(_ context.Context, w http.ResponseWriter, _ greeting) error {
			return errors.Join(http.NewResponseController(w).Flush(), errors.New("secret"))
		}, 200, ""},
	} {
		o := newObserved(t)
		var w *httptest.ResponseRecorder
		cut := func() (cut error) {
			defer func() { cut, _ = recover().(error) }()
			w = httptest.NewRecorder()
			o.Route("/", kit.Handler(greet, decodeName, c.encode)).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/?name=x", nil))
			return nil
		}()
		if errors.Is(cut, http.ErrAbortHandler) != (name != "before") {
			t.Errorf("%s: ended by %v", name, cut)
		}
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.body) || name != "before" && w.Body.String() != c.body {
			t.Errorf("%s: got %d %s", name, w.Code, w.Body)
		}
		if !strings.Contains(o.log.String(), "secret") {
			t.Errorf("%s: not logged", name)
		}
	}
}

// TestResponseControllerReachesTheConnection through the Observer.
func TestResponseControllerReachesTheConnection(t *testing.T) {
	t.Parallel()
	o := newObserved(t)
	server := httptest.NewServer(o.Route("/", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c := http.NewResponseController(w)
		if err := errors.Join(c.SetWriteDeadline(time.Now().Add(time.Minute)), c.Flush()); err != nil {
			t.Error(err)
		}
	})))
	defer server.Close()
	response, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
}
