package services_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// pageSaw is what testdata/clients/page.html tells.
type pageSaw struct {
	JSON, Plain, Wrong struct {
		Status int
		Body   struct {
			Accepted int
			Code     string
		}
		Error string
	}
	Beacon bool
}

// page serves testdata/clients/page.html from an origin of its own; what the page saw comes over the channel.
func page(t *testing.T) (origin string, saw <-chan pageSaw) {
	t.Helper()
	told := make(chan pageSaw, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, "testdata/clients/page.html") })
	mux.HandleFunc("POST /seen", func(_ http.ResponseWriter, r *http.Request) {
		var seen pageSaw
		if err := json.NewDecoder(r.Body).Decode(&seen); err != nil {
			t.Errorf("the page tells: %v", err)
		}
		told <- seen
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL, told
}

// visit opens a page in a browser and returns what it saw.
func visit(t *testing.T, origin, events string, a application, label string, saw <-chan pageSaw) pageSaw {
	t.Helper()
	query := url.Values{"events": {events}, "client": {a.clientID}, "label": {label}}
	testenv.Browse(t, origin+"/?"+query.Encode())
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	select {
	case seen := <-saw:
		return seen
	case <-deadline.C:
		t.Fatal("the page told nothing")
		return pageSaw{}
	}
}

// TestWebPages posts with Chromium from a page of an origin that the application lists, and from one that it does not:
// by fetch, with a preflight and without, and by sendBeacon. The browser keeps answers from the foreign page, and ingest
// keeps its events out.
func TestWebPages(t *testing.T) {
	s := newSystem(t, "")
	window := testenv.Through(t, s.ingest.URL)
	events := window.URL + "/v1/events"
	own, fromOwn := page(t)
	foreign, fromForeign := page(t)
	a := s.register("web-shop", registry.Policy{Origins: []string{own}})

	seen := visit(t, own, events, a, "own", fromOwn)
	if seen.JSON.Status != http.StatusAccepted || seen.JSON.Body.Accepted != 1 || seen.Plain.Status != http.StatusAccepted || !seen.Beacon {
		t.Errorf("the application's own page saw %+v", seen)
	}
	if seen.Wrong.Status != http.StatusBadRequest || seen.Wrong.Body.Code != "request.malformed" {
		t.Errorf("the application's own page saw of its mistake %+v", seen.Wrong)
	}
	var names []string
	for _, e := range s.awaitEvents(a, url.Values{"session_id": {"own"}}, 3) {
		names = append(names, e.Type)
		if !e.Public || string(e.Data) != `{"path": "/é"}` && string(e.Data) != `{"path":"/é"}` {
			t.Errorf("%s is public: %t, with data %s", e.Type, e.Public, e.Data)
		}
	}
	slices.Sort(names)
	if diff := cmp.Diff([]string{"page interaction beacon", "page interaction fetch", "page interaction plain"}, names); diff != "" {
		t.Error(diff)
	}

	seen = visit(t, foreign, events, a, "foreign", fromForeign)
	if seen.JSON.Error != "TypeError" || seen.Plain.Error != "TypeError" || seen.Wrong.Error != "TypeError" {
		t.Errorf("a foreign page saw %+v", seen)
	}
	want := []testenv.Seen{
		{Method: "OPTIONS", Origin: foreign, Status: http.StatusNoContent}, // and the browser posts no JSON after it
		{Method: "POST", Origin: foreign, MediaType: "text/plain;charset=UTF-8", Status: http.StatusForbidden},
		{Method: "POST", Origin: foreign, MediaType: "text/plain;charset=UTF-8", Status: http.StatusForbidden},
		{Method: "POST", Origin: foreign, MediaType: "text/plain;charset=UTF-8", Status: http.StatusForbidden}, // the beacon
	}
	eventually(t, func() error { return passed(window, foreign, want) })
	if stored, err := s.events(a, url.Values{"session_id": {"foreign"}}); err != nil || len(stored) > 0 {
		t.Errorf("a foreign page's events are stored: %v, %v", stored, err)
	}
}

// passed says whether just these exchanges of an origin went through a window.
func passed(window *testenv.Window, origin string, want []testenv.Seen) error {
	got := slices.DeleteFunc(window.Seen(), func(s testenv.Seen) bool { return s.Origin != origin })
	if diff := cmp.Diff(want, got); diff != "" {
		return errors.New(diff)
	}
	return nil
}
