package services_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/theeye-dev/theeye/api/registry"
)

// dial opens a connection to ingest that lives until the test's end.
func (s *system) dial() net.Conn {
	s.t.Helper()
	conn, err := new(net.Dialer).DialContext(s.t.Context(), "tcp", strings.TrimPrefix(s.ingest.URL, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// TestFullMemoryIsAnswered 503: uploads of one application that stop in their middle hold all that it may have, and only
// it is told so.
func TestFullMemoryIsAnswered(t *testing.T) {
	t.Parallel()
	const memory, announced, sent = 64 << 20, 4 << 20, 1<<20 + 1<<10 // beyond 1 MiB a body gets all it announces
	s := newSystem(t, "", fmt.Sprintf("THEEYE_REQUEST_MEMORY=%d", memory>>20))
	hog, other := s.register("hog", registry.Policy{}), s.register("other", registry.Policy{})
	for range memory / 2 / announced {
		_, err := fmt.Fprintf(s.dial(), "POST /v1/events HTTP/1.1\r\nHost: ingest\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s",
			hog.key, announced, strings.Repeat(" ", sent))
		if err != nil {
			t.Fatal(err)
		}
	}
	whole := sound + strings.Repeat(" ", sent)
	eventually(t, func() error {
		if status, body := s.post(hog, whole); status != http.StatusServiceUnavailable || problem(body) != "service.overloaded" {
			return fmt.Errorf("answered %d %s", status, body)
		}
		return nil
	})
	if status, body := s.post(other, whole); status != http.StatusAccepted {
		t.Errorf("another application is answered %d %s", status, body)
	}
}

// TestIngestThatStopsAnswersUploads: what comes soon is accepted, what does not is told to go to another replica, and
// nothing is cut off.
func TestIngestThatStopsAnswersUploads(t *testing.T) {
	t.Parallel()
	s := newSystem(t, "")
	a := s.register("web", registry.Policy{})
	first, rest := s.upload(a, http.StatusAccepted, "")
	second, _ := s.upload(a, http.StatusServiceUnavailable, "service.shutting_down")
	eventually(t, func() error {
		_, stacks := s.do(http.MethodGet, s.ingest.OpsURL+"/debug/pprof/goroutine?debug=2", "", nil)
		if n := bytes.Count(stacks, []byte("ingest.(*decoder).read(")); n < 2 {
			return fmt.Errorf("%d bodies are read", n)
		}
		return nil
	})
	s.stopWith(s.ingest)
	_ = rest.Close()
	if err := errors.Join(<-first, <-second); err != nil {
		t.Error(err)
	}
	s.stopped(s.ingest)
	s.awaitEvents(a, url.Values{}, 1)
}

// upload posts an event whose body does not end before more is closed, and tells whether it is answered as it should be.
func (s *system) upload(a application, status int, code string) (ended <-chan error, more *io.PipeWriter) {
	s.t.Helper()
	body, more := io.Pipe()
	s.t.Cleanup(func() { _ = more.Close() })
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, s.ingest.URL+"/v1/events", body)
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+a.key)
	request.Header.Set("Content-Type", "application/json")
	answered := make(chan error, 1)
	go func() { answered <- s.answers(request, status, code) }()
	if _, err := io.WriteString(more, sound); err != nil {
		s.t.Fatal(err)
	}
	return answered, more
}

// answers tells whether a request is answered as it should be.
func (s *system) answers(request *http.Request, status int, code string) error {
	response, err := s.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	answer, err := io.ReadAll(response.Body)
	if err == nil && (response.StatusCode != status || problem(answer) != code) {
		err = errors.New(response.Status + " " + string(answer))
	}
	return err
}
