package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func auditLine(stage, verb, user, ref string, code int) string {
	return fmt.Sprintf(`{"kind":"Event","stage":"%s","verb":"%s","user":{"username":"%s"},"objectRef":%s,"responseStatus":{"code":%d}}`+"\n",
		stage, verb, user, ref, code)
}

func write(t *testing.T, path string, text ...string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(strings.Join(text, "")); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestAuditLog takes from a log what was added to it since, also when its last line is not whole, or a new file begun.
func TestAuditLog(t *testing.T) {
	t.Parallel()
	const received, complete = "RequestReceived", "ResponseComplete"
	const status = `{"resource":"applications","subresource":"status","apiGroup":"theeye.dev"}`
	const secrets, lease = `{"resource":"secrets"}`, `{"resource":"leases","apiGroup":"coordination.k8s.io"}`
	path := filepath.Join(t.TempDir(), "audit.log")
	write(t, path, auditLine(received, "patch", "a", status, 0), auditLine(complete, "patch", "a", status, 409))
	log, err := openAuditLog(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.close() }()
	taken := func(want map[string]*asked) {
		t.Helper()
		got, err := log.take()
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%v, %s", err, diff)
		}
	}
	taken(map[string]*asked{"a": {Requests: requests{"patch applications/status": 1}, Refused: requests{"patch applications/status: 409": 1}}})
	half := auditLine(received, "get", "b", secrets, 0)
	write(t, path, auditLine(received, "watch", "a", secrets, 0), auditLine(received, "update", "a", lease, 0),
		auditLine(received, "create", "a", `{"resource":"events"}`, 0), auditLine("ResponseStarted", "watch", "a", secrets, 200), half[:20])
	taken(map[string]*asked{"a": {Requests: requests{}, Refused: requests{}, Watches: 1, Leases: 2}})
	write(t, path, half[20:], auditLine(complete, "get", "b", secrets, 404))
	if err := os.Rename(path, filepath.Join(filepath.Dir(path), "audit-2026-03-01T12-00-00.000.log")); err != nil {
		t.Fatal(err)
	}
	write(t, path, auditLine(received, "create", "b", `{"resource":"events","apiGroup":"events.k8s.io"}`, 0))
	both := &asked{Requests: requests{"get secrets": 1, "create events": 1}, Refused: requests{}}
	taken(map[string]*asked{"b": both})
	if both.writes() != 1 || both.Requests.total() != 2 {
		t.Errorf("%d writes of %d requests", both.writes(), both.Requests.total())
	}
	for _, name := range []string{"audit-1.log", "audit-2.log"} {
		write(t, filepath.Join(filepath.Dir(path), name), "")
	}
	if _, err := log.take(); err == nil {
		t.Error("a file of the log was missed without a word")
	}
}

func TestParseMetrics(t *testing.T) {
	t.Parallel()
	const text = `# HELP a_total A.
a_total{http_request_method="GET",http_route="/v1/applications/{uid}"} 12
a_total{http_request_method="PUT",http_route="/"} 1e+06
a_total_more 3
b 0
`
	got, err := parseMetrics(strings.NewReader(text), "a_total", "b")
	want := []sample{
		{"a_total", map[string]string{"http_request_method": "GET", "http_route": "/v1/applications/{uid}"}, 12},
		{"a_total", map[string]string{"http_request_method": "PUT", "http_route": "/"}, 1e6},
		{"b", map[string]string{}, 0},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(sample{})); diff != "" || err != nil {
		t.Errorf("%v, %s", err, diff)
	}
	if diff := cmp.Diff(requests{"a": 2, "c": 1}, requests{"a": 5, "b": 1, "c": 1}.since(requests{"a": 3, "b": 1})); diff != "" {
		t.Error(diff)
	}
}
