package services_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/stream"
)

// TestTroubleIsAnswered 503 with Retry-After while Redis is slow or full, and by itself as before when that is over; a
// body that stops coming is answered 408.
func TestTroubleIsAnswered(t *testing.T) {
	s := newSystem(t, "")
	a := s.register("web-shop", registry.Policy{})
	stalled := s.stall(a)
	troubled := func(what string) {
		t.Helper()
		status, body := s.post(a, sound) // the contract asks for Retry-After
		if status != http.StatusServiceUnavailable || !strings.HasPrefix(problem(body), "service.") {
			t.Errorf("while Redis is %s a post is answered %d %s", what, status, body)
		}
	}
	healed := func() {
		t.Helper()
		eventually(t, func() error {
			if status, body := s.post(a, sound); status != http.StatusAccepted {
				return fmt.Errorf("answered %d %s", status, body)
			}
			return nil
		})
	}
	healed()
	freeze(t, s.redis.PID())
	troubled("slow")
	if err := s.redis.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	healed()
	client, err := stream.Open(s.redis.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close() //nolint:errcheck // the test's end
	limit := func(memory string) {
		if err := client.ConfigSet(t.Context(), "maxmemory", memory).Err(); err != nil {
			t.Fatal(err)
		}
	}
	limit("1mb")
	troubled("full")
	limit("0")
	healed()
	if err := <-stalled; err != nil {
		t.Error(err)
	}
}

// stall sends a body that stops coming, and tells whether it was answered as such.
func (s *system) stall(a application) <-chan error {
	s.t.Helper()
	body, more := io.Pipe()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, s.ingest.URL+"/v1/events", body)
	if err != nil {
		s.t.Fatal(err)
	}
	request.ContentLength = 1 << 20
	request.Header.Set("Authorization", "Bearer "+a.key)
	request.Header.Set("Content-Type", "application/json")
	ended := make(chan error, 1)
	go func() {
		response, err := s.client.Do(request)
		if err != nil {
			ended <- err
			return
		}
		defer response.Body.Close() //nolint:errcheck // only read
		answer, err := io.ReadAll(response.Body)
		if err == nil && (response.StatusCode != http.StatusRequestTimeout || problem(answer) != "request.timeout") {
			err = errors.New(response.Status + " " + string(answer))
		}
		ended <- err
	}()
	_, _ = io.WriteString(more, strings.Repeat(" ", 70<<10)) // the reader's fault is told by the answer
	s.t.Cleanup(func() { _ = more.Close() })
	return ended
}
