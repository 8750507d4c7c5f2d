package services_test

import (
	"net/http"
	"testing"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/stream"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// TestIngestIsNotReadyBeforeItHasReadTheLog starts ingest where auth has never been: a key may be right, so that it is
// answered 503 and not 401.
func TestIngestIsNotReadyBeforeItHasReadTheLog(t *testing.T) {
	s := &system{t: t, redis: testenv.Redis(t), client: testenv.HTTP(t)}
	t.Cleanup(s.client.CloseIdleConnections)
	s.ingest = testenv.Start(t, testenv.Options{Name: "ingest", Env: []string{"THEEYE_REDIS_URL=" + s.redis.URL()}, Unready: true})
	s.awaitStatus(s.ingest.OpsURL+"/readyz", http.StatusServiceUnavailable)
	if status, body := s.post(application{key: "any"}, eventJSON(0, 0)); status != http.StatusServiceUnavailable || problem(body) != "service.starting" {
		t.Errorf("answered %d %s", status, body)
	}
}

// TestUnsafeRedisIsRefused turns a safe Redis into one that loses acknowledged events when it is killed, and back.
func TestUnsafeRedisIsRefused(t *testing.T) {
	s := newSystem(t, "")
	a := s.register("web", registry.Policy{})
	client, err := stream.Open(s.redis.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close() //nolint:errcheck // the test's end
	set := func(fsync string) {
		if err := client.ConfigSet(t.Context(), "appendfsync", fsync).Err(); err != nil {
			t.Fatal(err)
		}
	}
	set("everysec")
	for _, p := range []*testenv.Process{s.auth, s.ingest, s.persistence} {
		s.awaitStatus(p.OpsURL+"/readyz", http.StatusServiceUnavailable)
	}
	if status, body := s.post(a, eventJSON(0, 0)); status != http.StatusServiceUnavailable || problem(body) != "service.unsafe" {
		t.Errorf("answered %d %s", status, body)
	}
	set("always")
	s.awaitStatus(s.ingest.OpsURL+"/readyz", http.StatusOK)
	if status, body := s.post(a, eventJSON(0, 0)); status != http.StatusAccepted {
		t.Errorf("answered %d %s", status, body)
	}
}
