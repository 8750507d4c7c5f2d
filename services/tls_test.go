package services_test

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"testing"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// TestEverythingOverTLS: every port of every service, Redis and PostgreSQL, each verified by an authority that the
// machine does not know.
func TestEverythingOverTLS(t *testing.T) {
	t.Parallel()
	ca, other := testenv.NewAuthority(t), testenv.NewAuthority(t)
	s := &system{t: t, redis: testenv.OwnRedis(t), client: ca.Client(t)}
	identity := ca.Issue(t)
	env := []string{
		"THEEYE_REDIS_URL=" + testenv.SecureRedis(t, s.redis, identity), "THEEYE_REDIS_CA_FILE=" + ca.File,
		"THEEYE_POSTGRES_URL=" + testenv.SecurePostgres(t, identity), "PGSSLMODE=verify-full", "PGSSLROOTCERT=" + ca.File,
		"THEEYE_ADMIN_TOKEN=" + adminToken,
	}
	start := func(name string) *testenv.Process {
		return testenv.Start(t, testenv.Options{Name: name, Env: env, TLS: ca.Issue(t)})
	}
	s.auth, s.ingest, s.persistence = start("auth"), start("ingest"), start("persistence")
	a := s.register("web", registry.Policy{})
	if status, body := s.post(a, eventJSON(0, 0)); status != http.StatusAccepted {
		t.Fatalf("answered %d %s", status, body)
	}
	s.awaitEvents(a, url.Values{}, 1)
	for _, p := range []*testenv.Process{s.auth, s.ingest, s.persistence} {
		s.awaitStatus(p.OpsURL+"/readyz?full", http.StatusOK)
		s.awaitStatus(p.URL+"/readyz", http.StatusOK)
	}

	env = append(env, "THEEYE_REDIS_CA_FILE="+other.File)
	stranger := testenv.Start(t, testenv.Options{Name: "ingest", Env: env, Unready: true})
	response, err := http.Get(stranger.OpsURL + "/readyz?full")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusServiceUnavailable || !bytes.Contains(body, []byte("certificate signed by unknown authority")) {
		t.Errorf("with another's authority: %d %s %v", response.StatusCode, body, err)
	}
}
