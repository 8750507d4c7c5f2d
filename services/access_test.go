package services_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"

	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// forgotten is longer than a permission is remembered for by persistence, with what a busy API server takes to hear of it.
const forgotten = 40 * time.Second

// TestPeopleReadWhatRBACAllows: persistence, with the rights of its own service account and no others, reads to who is
// bound to the viewer's role in a namespace, and stops when the binding is gone.
func TestPeopleReadWhatRBACAllows(t *testing.T) {
	t.Parallel()
	namespace := testenv.Kubernetes(t).Namespace(t)
	o := newOperated(t, []string{namespace}, "--leader-elect=false")
	app := o.create(namespace, "web-shop", "{}")
	o.accepted(namespace, "web-shop")
	o.allow("", "events_viewer_role.yaml")
	for _, name := range []string{"jane", "joe"} {
		o.cluster.ServiceAccount(t, namespace, name)
	}
	o.cluster.Kubectl(t, "create", "rolebinding", "readers", "-n", namespace, "--clusterrole=theeye-events-viewer", "--serviceaccount="+namespace+":jane")
	jane, joe := o.cluster.Token(t, namespace, "jane", ""), o.cluster.Token(t, namespace, "joe", persistenceAudience)
	asks := func(token, method, path string) (int, string) {
		status, body := o.do(method, o.persistence.URL+path, "Bearer "+token, nil)
		return status, string(body)
	}
	eventually(t, func() error {
		status, body := asks(jane, http.MethodGet, "/v1/events")
		if status != http.StatusOK || !strings.Contains(body, string(app.UID)) || !strings.Contains(body, `"partial":true`) {
			return fmt.Errorf("jane is answered %d %s", status, body)
		}
		return nil
	})
	usage := "/v1/applications/" + string(app.UID) + "/usage"
	for _, c := range []struct {
		token, method, path string
		status              int
		says                string
	}{
		{jane, http.MethodGet, "/v1/access", 200, `"verbs":["get","list","watch"]`},
		{jane, http.MethodGet, "/v1/events?application=" + namespace + "/web-shop", 200, string(app.UID)},
		{jane, http.MethodGet, usage, 200, "accepted_24h"},
		{jane, http.MethodDelete, "/v1/applications/" + string(app.UID) + "/events", 403, "delete on applications/events (theeye.dev)"},
		{jane, http.MethodDelete, "/v1/sessions/s", 403, "delete on applications/events (theeye.dev) in all namespaces is missing"},
		{joe, http.MethodGet, "/v1/events", 403, "list on applications/events (theeye.dev) is missing"},
		{joe, http.MethodGet, usage, 403, "get on applications/events (theeye.dev)"},
		{"sha256~nobody", http.MethodGet, "/v1/events", 401, "Kubernetes does not know the token"},
	} {
		if status, body := asks(c.token, c.method, c.path); status != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s %s is answered %d %s, want %d and %q", c.method, c.path, status, body, c.status, c.says)
		}
	}
	begin := time.Now()
	o.cluster.Kubectl(t, "delete", "rolebinding", "readers", "-n", namespace)
	eventually(t, func() error {
		if status, body := asks(jane, http.MethodGet, "/v1/events"); status != http.StatusForbidden {
			return fmt.Errorf("jane is answered %d %s", status, body)
		}
		return nil
	})
	if took := time.Since(begin); took > forgotten {
		t.Errorf("it took %s", took)
	}
}

// accessReviews is the right to ask what people may.
func accessReviews() authorizationv1.ResourceAttributes {
	return authorizationv1.ResourceAttributes{Verb: "create", Group: "authorization.k8s.io", Resource: "subjectaccessreviews"}
}
