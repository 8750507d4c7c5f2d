package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	authenticationv1 "k8s.io/api/authentication/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/theeye-dev/theeye/services/internal/kube"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// mayReview makes a service account that may create token reviews and nothing else, as auth's own in a cluster, and
// waits until Kubernetes knows.
func mayReview(t *testing.T, cluster *testenv.Cluster, namespace string) *rest.Config {
	t.Helper()
	config := cluster.As(t, namespace, "auth")
	name := namespace + "-reviews-tokens"
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{"authentication.k8s.io"}, Resources: []string{"tokenreviews"}, Verbs: []string{"create"}},
	}}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: "auth"}},
	}
	client := cluster.Client(t)
	if err := client.Create(t.Context(), role); err != nil {
		t.Fatal(err)
	}
	if err := client.Create(t.Context(), binding); err != nil {
		t.Fatal(err)
	}
	return config
}

// TestOperatorsServiceAccount runs auth without any admin token: the operator's projected token opens it, and no other.
func TestOperatorsServiceAccount(t *testing.T) {
	t.Parallel()
	cluster := testenv.Kubernetes(t)
	namespace := cluster.Namespace(t)
	for _, account := range []string{"operator", "other"} {
		cluster.ServiceAccount(t, namespace, account)
	}
	path := cluster.Kubeconfig(t, mayReview(t, cluster, namespace))
	auth := testenv.Start(t, testenv.Options{
		Name: "auth",
		Args: []string{"--operator-account", "other-cluster/operator," + namespace + "/operator", "--kubeconfig", path},
		Env:  []string{"THEEYE_POSTGRES_URL=" + testenv.Postgres(t), "THEEYE_REDIS_URL=" + testenv.Redis(t).URL()},
	})
	url := auth.URL + "/v1/applications/" + uuid.NewString()
	token := cluster.Token(t, namespace, "operator", kube.AudienceAuth)
	awaitPermission(t, func() int {
		status, _ := put(t, url, token)
		return status
	})
	if status, body := put(t, url, token); status != http.StatusOK {
		t.Errorf("the operator again: %d %s", status, body)
	}
	for name, c := range map[string]struct {
		token  string
		status int
		says   string
	}{
		"another account":      {cluster.Token(t, namespace, "other", kube.AudienceAuth), http.StatusForbidden, namespace + "/operator"},
		"another audience":     {cluster.Token(t, namespace, "operator", kube.AudiencePersistence), http.StatusUnauthorized, kube.AudienceAuth},
		"the API server's":     {cluster.Token(t, namespace, "operator", ""), http.StatusUnauthorized, kube.AudienceAuth},
		"a forged signature":   {token[:strings.LastIndex(token, ".")] + "." + strings.Repeat("A", 86), http.StatusUnauthorized, "Kubernetes"},
		"an opaque token":      {"the-admin-token", http.StatusUnauthorized, "JSON Web Token"},
		"an empty admin token": {"", http.StatusUnauthorized, ""},
	} {
		if status, body := put(t, url, c.token); status != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	requests := cluster.Requests(t, testenv.Username(namespace, "auth"))
	for _, r := range requests {
		if r.Verb != "create" || r.Group != authenticationv1.GroupName || r.Resource != "tokenreviews" {
			t.Errorf("auth asked for more than reviews: %+v", r)
		}
	}
	log, err := os.ReadFile(auth.Log)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(log), token[strings.LastIndex(token, ".")+1:]) {
		t.Error("the log has the token")
	}
}

// put registers an application and returns the answer.
func put(t *testing.T, url, token string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url, strings.NewReader(`{"namespace":"shop","name":"web-shop","cluster":"east"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// awaitPermission asks until a new ClusterRoleBinding is known to Kubernetes' authorizer; until then auth answers 503.
func awaitPermission(t *testing.T, ask func() (status int)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		switch status := ask(); status {
		case http.StatusCreated, http.StatusOK:
			return
		case http.StatusServiceUnavailable:
		default:
			t.Fatalf("the operator is answered %d", status)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("auth may never review tokens")
		}
	}
}

func TestSomebodyMustBeLetIn(t *testing.T) {
	t.Parallel()
	servers := []string{
		"--postgres-url", "postgres://", "--redis-url", "redis://",
		"--issuer-url", "https://auth.example.com", "--signing-key-encryption", strings.Repeat("k", 32),
	}
	for _, c := range []struct {
		args []string
		good bool
	}{
		{nil, false},
		{[]string{"--admin-token", "t"}, true},
		{[]string{"--operator-account", "theeye/operator"}, true},
		{[]string{"--operator-account", "theeye/operator", "--admin-token", "t", "--kubeconfig", "/k"}, true},
		{[]string{"--operator-account", ""}, false},
		{[]string{"--operator-account", "operator"}, false},
	} {
		if _, err := parse(append(c.args, servers...)); (err == nil) != c.good {
			t.Errorf("%q: %v", c.args, err)
		}
	}
}

func TestTokensNeedTheirFlags(t *testing.T) {
	t.Parallel()
	good := filepath.Join(t.TempDir(), "good")
	short := filepath.Join(t.TempDir(), "short")
	for path, content := range map[string]string{good: strings.Repeat("k", 32) + "\n", short: strings.Repeat("k", 31) + "\n"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	others := []string{"--postgres-url", "postgres://", "--redis-url", "redis://", "--admin-token", "t"}
	for _, c := range []struct {
		args []string
		says string // "": it is good
	}{
		{[]string{"--issuer-url", "https://auth.example.com", "--signing-key-encryption-file", good}, ""},
		{[]string{"--issuer-url", "https://auth.example.com", "--signing-key-encryption-file", short}, "--signing-key-encryption-file: the encryption key of signing keys must have at least 32 bytes"},
		{[]string{"--issuer-url", "https://auth.example.com", "--signing-key-encryption-file", good + "x"}, "no such file"},
		{[]string{"--issuer-url", "https://auth.example.com"}, "at least 32 bytes"},
		{[]string{"--signing-key-encryption-file", good}, "--issuer-url must be"},
		{[]string{"--issuer-url", "auth:8081", "--signing-key-encryption-file", good}, "--issuer-url must be"},
	} {
		_, err := parse(append(c.args, others...))
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v", c.args, err)
		}
	}
}
