package services_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/theeye-dev/theeye/api/registry"
)

// spans collects what the services export by OTLP over HTTP.
type spans struct {
	mu  sync.Mutex
	all []*trace.Span
}

func (c *spans) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var request collector.ExportTraceServiceRequest
	body, err := io.ReadAll(r.Body)
	if err = errors.Join(err, proto.Unmarshal(body, &request)); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range request.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			c.all = append(c.all, scope.GetSpans()...)
		}
	}
}

// find returns a span of a name for which ok holds.
func (c *spans) find(name string, ok func(*trace.Span) bool) *trace.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, span := range c.all {
		if span.GetName() == name && ok(span) {
			return span
		}
	}
	return nil
}

// links tells whether a span of another trace links to one.
func links(to *trace.Span) func(*trace.Span) bool {
	return func(span *trace.Span) bool {
		for _, link := range span.GetLinks() {
			if string(link.GetSpanId()) == string(to.GetSpanId()) && string(span.GetTraceId()) != string(to.GetTraceId()) {
				return true
			}
		}
		return false
	}
}

// TestTracesFollowAnEvent follows one POST by the spans of all that touches it: the request in the client's own trace,
// and linked to it, not below it, the append and the batch that stored it, with SQL below that.
func TestTracesFollowAnEvent(t *testing.T) {
	collected := &spans{}
	server := httptest.NewServer(collected)
	t.Cleanup(server.Close)
	s := newSystem(t, "", "OTEL_EXPORTER_OTLP_ENDPOINT="+server.URL, "OTEL_BSP_SCHEDULE_DELAY=50")
	a := s.register("web", registry.Policy{})
	const traceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.ingest.URL+"/v1/events", strings.NewReader(eventJSON(0, 0)))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+a.key)
	request.Header.Set("Traceparent", "00-"+traceID+"-00f067aa0ba902b7-01")
	response, err := s.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil || response.StatusCode != http.StatusAccepted {
		t.Fatalf("answered %d, %v", response.StatusCode, err)
	}
	eventually(t, func() error {
		post := collected.find("POST /v1/events", func(s *trace.Span) bool { return fmt.Sprintf("%x", s.GetTraceId()) == traceID })
		if post == nil {
			return errors.New("no span of the request in the client's trace")
		}
		if collected.find("send theeye:events", links(post)) == nil {
			return errors.New("no append is linked to the request")
		}
		stored := collected.find("process theeye:events", links(post))
		if stored == nil {
			return errors.New("no batch is linked to the request")
		}
		collected.mu.Lock()
		defer collected.mu.Unlock()
		for _, span := range collected.all {
			if string(span.GetParentSpanId()) == string(stored.GetSpanId()) {
				return nil
			}
		}
		return errors.New("no SQL below the batch")
	})
	status, body := s.do(http.MethodGet, s.persistence.URL+"/v1/sessions/"+sessionName(0), "Bearer "+a.key, nil)
	if want := `"trace_id":"` + traceID + `"`; status != http.StatusOK || !strings.Contains(string(body), want) {
		t.Errorf("read %d %s, want %s in it", status, body, want)
	}
}
