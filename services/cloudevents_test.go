package services_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/google/go-cmp/cmp"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// orderPlaced is a CloudEvent with all that the SDK sets, extensions of several types included.
func orderPlaced(t *testing.T, session string, at time.Time) cloudevents.Event {
	t.Helper()
	e := cloudevents.NewEvent()
	e.SetID("go-" + session)
	e.SetSource("https://shop.example.com/checkout")
	e.SetType("com.example.order.placed")
	e.SetSubject("order 17, é☃")
	e.SetTime(at)
	e.SetDataSchema("https://shop.example.com/schemas/order.json")
	e.SetExtension("sessionid", session)
	e.SetExtension("attempt", 3)
	e.SetExtension("trial", true)
	e.SetExtension("tenant", "100% naïve")
	if err := e.SetData(cloudevents.ApplicationJSON, map[string]any{"total": 12.5, "note": "naïve ☃", "lines": []any{map[string]any{"sku": "a"}}}); err != nil {
		t.Fatal(err)
	}
	return e
}

// sdkClient is a client of the SDK as it is published, with an API key.
func sdkClient(t *testing.T, base, key string) cloudevents.Client {
	t.Helper()
	c, err := cloudevents.NewClientHTTP(cloudevents.WithTarget(base+"/v1/events"), cloudevents.WithHeader("Authorization", "Bearer "+key))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestGoCloudEvents posts with the CNCF's Go SDK in all three modes. What is read back is what was sent: in binary mode
// the attributes are headers, and so those of other types come as text.
func TestGoCloudEvents(t *testing.T) {
	s := newSystem(t, "")
	a := s.register("web-shop", registry.Policy{})
	window := testenv.Through(t, s.ingest.URL)
	c, at := sdkClient(t, window.URL, a.key), time.Now().Add(-time.Hour).Truncate(time.Microsecond)
	for session, encoded := range map[string]context.Context{
		"structured": cloudevents.WithEncodingStructured(t.Context()),
		"binary":     cloudevents.WithEncodingBinary(t.Context()),
	} {
		result := c.Send(encoded, orderPlaced(t, session, at))
		var answer *cehttp.Result
		if !cloudevents.IsACK(result) || !cloudevents.ResultAs(result, &answer) || answer.StatusCode != http.StatusAccepted {
			t.Errorf("%s: %v", session, result)
		}
	}
	postBatch(t, window.URL, a.key, orderPlaced(t, "batch", at), orderPlaced(t, "batch 2", at))
	for _, session := range []string{"structured", "binary", "batch", "batch 2"} {
		got := s.awaitEvents(a, url.Values{"session_id": {session}}, 1)[0]
		var data any
		if err := json.Unmarshal(got.Data, &data); err != nil {
			t.Fatal(err)
		}
		attempt, trial := any(float64(3)), any(true)
		if session == "binary" {
			attempt, trial = "3", "true"
		}
		want := map[string]any{
			"id": "go-" + session, "source": "https://shop.example.com/checkout", "subject": "order 17, é☃", "datacontenttype": "application/json",
			"dataschema": "https://shop.example.com/schemas/order.json", "attempt": attempt, "trial": trial, "tenant": "100% naïve",
		}
		if diff := cmp.Diff(want, got.Attributes); diff != "" {
			t.Errorf("%s: attributes (-sent +read):\n%s", session, diff)
		}
		if diff := cmp.Diff(map[string]any{"total": 12.5, "note": "naïve ☃", "lines": []any{map[string]any{"sku": "a"}}}, data); diff != "" {
			t.Errorf("%s: data (-sent +read):\n%s", session, diff)
		}
		if got.Type != "com.example.order placed" || !got.Timestamp.Equal(at) {
			t.Errorf("%s: %s at %s, want %s", session, got.Type, got.Timestamp, at)
		}
	}
}

// postBatch sends events in batch mode, for which the SDK makes the request and has no client.
func postBatch(t *testing.T, base, key string, events ...cloudevents.Event) {
	t.Helper()
	request, err := cehttp.NewHTTPRequestFromEvents(t.Context(), base+"/v1/events", events)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+key)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // only read
	if body, err := io.ReadAll(response.Body); err != nil || response.StatusCode != http.StatusAccepted {
		t.Errorf("a batch is answered %d %s, %v", response.StatusCode, body, err)
	}
}

// TestGoCloudEventsThatAreWrong are NACKs with the status that says why, in the SDK's own terms.
func TestGoCloudEventsThatAreWrong(t *testing.T) {
	s := newSystem(t, "")
	a := s.register("web-shop", registry.Policy{})
	window := testenv.Through(t, s.ingest.URL)
	c := sdkClient(t, window.URL, a.key)
	set := func(contentType string, data any) func(*cloudevents.Event) error {
		return func(e *cloudevents.Event) error { return e.SetData(contentType, data) }
	}
	for name, change := range map[string]func(*cloudevents.Event) error{
		"a list as data": set(cloudevents.ApplicationJSON, []int{1}),
		"text as data":   set(cloudevents.TextPlain, "text"),
		"XML as data":    set(cloudevents.ApplicationXML, []byte("<a/>")),
		"no session":     func(e *cloudevents.Event) error { e.SetExtension("sessionid", nil); return nil },
		"no dot in type": func(e *cloudevents.Event) error { e.SetType("order"); return nil },
		"too old":        func(e *cloudevents.Event) error { e.SetTime(time.Unix(0, 0)); return nil },
	} {
		for mode, encoded := range map[string]context.Context{
			"structured": cloudevents.WithEncodingStructured(t.Context()),
			"binary":     cloudevents.WithEncodingBinary(t.Context()),
		} {
			e := orderPlaced(t, mode, time.Now())
			if err := change(&e); err != nil {
				t.Fatal(err)
			}
			expectNACK(t, name+", "+mode, c.Send(encoded, e), http.StatusUnprocessableEntity)
		}
	}
	stranger := sdkClient(t, window.URL, a.key+"x")
	expectNACK(t, "a wrong key", stranger.Send(t.Context(), orderPlaced(t, "s", time.Now())), http.StatusUnauthorized)
}

func expectNACK(t *testing.T, what string, result cloudevents.Result, status int) {
	t.Helper()
	var answer *cehttp.Result
	if !cloudevents.IsNACK(result) || !cloudevents.ResultAs(result, &answer) || answer.StatusCode != status {
		t.Errorf("%s: %v, want a NACK of %d", what, result, status)
	}
}
