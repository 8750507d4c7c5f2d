package kube_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/hack/servers/controlplane"
	"github.com/theeye-dev/theeye/services/internal/kube"
)

// TestExpiredTokenAndStoppedServer has an API server of its own: to sign a token that has ended, which Kubernetes gives
// nobody, and to stop it.
func TestExpiredTokenAndStoppedServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	plane, err := controlplane.Start(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	stop := func() {
		if err := plane.Kill(); err != nil {
			t.Errorf("stop API server: %v", err)
		}
	}
	t.Cleanup(stop)
	config := adminOf(t, plane)
	token := tokenOf(t, config, "operator", kube.AudienceAuth)
	f := newFixture(t, config, "default/operator")
	key := signingKey(t, filepath.Join(dir, "tokens.key"))
	now := time.Now()
	_ = f.answers("signed by the test", signed(t, key, token, now.Add(30*time.Minute)), http.StatusOK)
	_ = f.answers("expired", signed(t, key, token, now.Add(-time.Minute)), http.StatusUnauthorized)
	_ = f.answers("the operator's", token, http.StatusOK)

	stop()
	_ = f.answers("remembered", token, http.StatusOK)
	_ = f.answers("stopped", signed(t, key, token, now.Add(40*time.Minute)), http.StatusServiceUnavailable)
	f.clock.Advance(time.Minute)
	_ = f.answers("no longer remembered", token, http.StatusServiceUnavailable)
}

func adminOf(t *testing.T, plane *controlplane.ControlPlane) *rest.Config {
	t.Helper()
	pair, err := plane.Client("admin", "system:masters")
	if err != nil {
		t.Fatal(err)
	}
	return &rest.Config{Host: plane.URL(), TLSClientConfig: rest.TLSClientConfig{
		CAData: plane.CA(), CertData: pair.Certificate, KeyData: pair.Key,
	}}
}

// tokenOf makes a service account in the namespace default and returns a token of it.
func tokenOf(t *testing.T, config *rest.Config, name, audience string) string {
	t.Helper()
	api, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
	if err := api.Create(t.Context(), account); err != nil {
		t.Fatal(err)
	}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: []string{audience}}}
	if err := api.SubResource("token").Create(t.Context(), account, request); err != nil {
		t.Fatal(err)
	}
	return request.Status.Token
}

func signingKey(t *testing.T, path string) *ecdsa.PrivateKey {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// signed returns a token that says the same and ends at another time; an hour before that, it was issued.
func signed(t *testing.T, key *ecdsa.PrivateKey, token string, end time.Time) string {
	t.Helper()
	head, payload, _ := split(token)
	text, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(text, &claims); err != nil {
		t.Fatal(err)
	}
	claims["exp"], claims["iat"], claims["nbf"] = end.Unix(), end.Add(-time.Hour).Unix(), end.Add(-time.Hour).Unix()
	if text, err = json.Marshal(claims); err != nil {
		t.Fatal(err)
	}
	content := head + "." + base64.RawURLEncoding.EncodeToString(text)
	hash := sha256.Sum256([]byte(content))
	r, s, err := ecdsa.Sign(rand.Reader, key, hash[:])
	if err != nil {
		t.Fatal(err)
	}
	signature := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	return content + "." + base64.RawURLEncoding.EncodeToString(signature)
}
