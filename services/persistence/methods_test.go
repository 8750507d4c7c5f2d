package persistence

import (
	"io"
	"net/http"
	"testing"

	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// TestMethods: every path has the methods that are documented, and says so.
func TestMethods(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	testenv.Methods(t, l.url, "persistence")
}

// TestHeadOfWhatHasNoEnd ends: of an answer that goes on and on nobody has asked for the body.
func TestHeadOfWhatHasNoEnd(t *testing.T) {
	t.Parallel()
	a := newAudience(t)
	a.insert(a.request(shop, item("e", "s", "")))
	for path, media := range map[string]string{"/v1/stream": "text/event-stream", "/v1/export": "application/x-ndjson", "/v1/export?format=csv": "text/csv; charset=utf-8"} {
		request := bearing(t, adminToken, path)
		request.Method, request.RequestURI = http.MethodHead, ""
		request.URL.Scheme, request.URL.Host = "http", a.url[len("http://"):]
		for range 2 { // over one connection
			response, err := http.DefaultClient.Do(request)
			a.must(err)
			_, err = io.Copy(io.Discard, response.Body)
			a.must(err)
			a.must(response.Body.Close())
			if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != media {
				t.Errorf("%s is answered %d %v", path, response.StatusCode, response.Header)
			}
		}
	}
	a.same("listeners", int64(0), a.tail.listeners.total())
	a.eventually("all memory is given back", func() bool { return a.given(heldBytes) })
}
