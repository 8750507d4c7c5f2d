package testenv

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// HTTP returns a client that fails the test where what it sends and is answered contradicts api/openapi.yaml.
func HTTP(t testing.TB) *http.Client {
	t.Helper()
	return &http.Client{Transport: Contract(t, http.DefaultTransport)}
}

// Contract holds every exchange on the public API that passes through next against api/openapi.yaml.
//
// Every answer must be as it says, without a member that it does not name. What a service takes whole must be a request
// that it allows, and what a service refuses for a reason that a schema can tell must be one that it forbids: so a test
// may send what is wrong, on purpose, and need not mark it.
func Contract(t testing.TB, next http.RoundTripper) http.RoundTripper {
	t.Helper()
	agreed, err := agreement()
	if err != nil {
		t.Fatalf("testenv: read api/openapi.yaml: %v", err)
	}
	return &contract{t: t, next: next, agreement: agreed}
}

type contract struct {
	t         testing.TB
	next      http.RoundTripper
	agreement *openAPI
}

// RoundTrip implements http.RoundTripper. The answer is read to its end before it returns.
func (c *contract) RoundTrip(request *http.Request) (*http.Response, error) {
	if !strings.HasPrefix(request.URL.Path, "/v1/") && !strings.HasPrefix(request.URL.Path, "/.well-known/") {
		return c.next.RoundTrip(request)
	}
	sent := record(&request)
	response, err := c.next.RoundTrip(request)
	if err != nil {
		return nil, err //nolint:wrapcheck // as if it were not between
	}
	answer, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil { // the service was killed: the test sees as much of it
		response.Body = io.NopCloser(io.MultiReader(bytes.NewReader(answer), broken{err}))
		return response, nil //nolint:nilerr // reading tells it
	}
	response.Body = io.NopCloser(bytes.NewReader(answer))
	body, whole := sent.bytes()
	if err := c.agreement.judge(exchange{request, body, whole, response, answer}); err != nil {
		// Without the query, which may hold more than a report should show.
		c.t.Errorf("%s %s, answered %d %.300s\nis not as in api/openapi.yaml: %v\nsent: %.300s",
			request.Method, request.URL.Path, response.StatusCode, answer, err, body)
	}
	return response, nil
}

// CloseIdleConnections lets http.Client do what it does without this.
func (c *contract) CloseIdleConnections() {
	if closer, ok := c.next.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}

type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

// recording keeps what is read of a request's body. The transport may still read when the answer is there.
type recording struct {
	io.ReadCloser
	announced int64

	mutex sync.Mutex
	data  []byte
	ended bool
}

// record replaces a request's body with one that is recorded.
func record(request **http.Request) *recording {
	r := &recording{ReadCloser: (*request).Body, announced: (*request).ContentLength}
	if r.ReadCloser == nil || r.ReadCloser == http.NoBody {
		r.ended = true
		return r
	}
	clone := *(*request) // a RoundTripper must leave the original as it is
	clone.Body = r
	if again := (*request).GetBody; again != nil {
		clone.GetBody = func() (io.ReadCloser, error) { // for a connection that was closed while it was idle
			body, err := again()
			r.mutex.Lock()
			defer r.mutex.Unlock()
			r.ReadCloser, r.data, r.ended = body, nil, false
			return r, err
		}
	}
	*request = &clone
	return r
}

func (r *recording) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.data, r.ended = append(r.data, p[:n]...), r.ended || errors.Is(err, io.EOF)
	return n, err //nolint:wrapcheck // io.EOF must stay itself
}

// bytes returns what was sent, and whether that is all of the body.
func (r *recording) bytes() (data []byte, whole bool) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return bytes.Clone(r.data), r.ended || r.announced > 0 && int64(len(r.data)) == r.announced
}
