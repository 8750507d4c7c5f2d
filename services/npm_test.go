package services_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// TestNPMCloudEvents posts with the npm package cloudevents, as it is published: in both modes, and without a length.
func TestNPMCloudEvents(t *testing.T) {
	s := newSystem(t, "")
	a := s.register("web-shop", registry.Policy{})
	window := testenv.Through(t, s.ingest.URL)
	printed := run(t, testenv.Node(t, "testdata/clients", "cloudevents.js", window.URL+"/v1/events", a.key))
	if n := strings.Count(string(printed), `"status":"accepted"`); n != 2 {
		t.Errorf("%d events were accepted: %s", n, printed)
	}
	if err := passed(window, "", []testenv.Seen{
		{Method: "POST", MediaType: "application/cloudevents+json; charset=utf-8", Chunked: true, Status: http.StatusAccepted},
		{Method: "POST", MediaType: "application/json; charset=utf-8", Chunked: true, Status: http.StatusAccepted},
	}); err != nil {
		t.Error(err)
	}
	for _, mode := range []string{"structured", "binary"} {
		e := s.awaitEvents(a, url.Values{"session_id": {"npm " + mode}}, 1)[0]
		var data map[string]any
		if err := json.Unmarshal(e.Data, &data); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]any{"total": 12.5, "note": "naïve ☃"}, data); diff != "" {
			t.Errorf("%s: %s", mode, diff)
		}
		if e.Type != "com.example.order placed" || e.Public {
			t.Errorf("%s: %s, public %t", mode, e.Type, e.Public)
		}
		for name, want := range map[string]string{"id": "npm-" + mode, "source": "/shop/checkout", "subject": "order 17"} {
			if e.Attributes[name] != want {
				t.Errorf("%s: %s is %v", mode, name, e.Attributes[name])
			}
		}
	}
}
