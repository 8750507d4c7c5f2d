package services_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
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
	troubled := func(what string, codes ...string) (code string) {
		t.Helper()
		status, body := s.post(a, sound) // the contract asks for Retry-After
		if code = problem(body); status != http.StatusServiceUnavailable || !slices.Contains(codes, code) {
			t.Errorf("while Redis is %s a post is answered %d %s", what, status, body)
		}
		return code
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
	troubled("slow", "service.unavailable")
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
	eventually(t, func() error { // Redis itself refuses, until ingest has looked how full it is
		if code := troubled("full", "service.unavailable", "service.overloaded"); code != "service.overloaded" {
			return errors.New("answered " + code)
		}
		return nil
	})
	limit("0")
	healed()
	if err := <-stalled; err != nil {
		t.Error(err)
	}
}

// stall sends a large body that stops coming, and tells whether it was answered as such.
func (s *system) stall(a application) <-chan error {
	s.t.Helper()
	ended, more := s.upload(a, http.StatusRequestTimeout, "request.timeout")
	_, _ = io.WriteString(more, strings.Repeat(" ", 70<<10)) // the reader's fault is told by the answer
	return ended
}
