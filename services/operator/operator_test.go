package operator

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// An Application becomes a Secret whose key auth knows by its hash, and says so; then it goes, and nothing is left.
func TestApplicationBecomesCredentials(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app, secret := w.ready(w.apply("web-shop"))
	key := string(secret.Data[v1alpha1.KeyAPIKey])
	for name, want := range map[string]string{
		v1alpha1.KeyType: "theeye", v1alpha1.KeyProvider: "theeye", v1alpha1.KeyClientID: apikey.ClientID(app.UUID()),
		v1alpha1.KeyClientSecret: key, v1alpha1.KeyURI: eventsURL, v1alpha1.KeyTokenURI: tokenURL,
	} {
		if got := string(secret.Data[name]); got != want {
			t.Errorf("key %s is %q, want %q", name, got, want)
		}
	}
	if secret.Type != corev1.SecretType(v1alpha1.SecretType) || !metav1.IsControlledBy(secret, app) {
		t.Errorf("Secret has type %s and owners %v", secret.Type, secret.OwnerReferences)
	}
	if app.Status.ClientID != app.ClientID() || app.Status.Binding == nil || app.Status.Binding.Name != "web-shop-theeye" {
		t.Errorf("status is %+v", app.Status)
	}
	for _, condition := range []string{v1alpha1.ConditionRegistered, v1alpha1.ConditionCredentialsPublished, v1alpha1.ConditionSchemasValid} {
		if !meta.IsStatusConditionTrue(app.Status.Conditions, condition) {
			t.Errorf("%s is not true: %+v", condition, app.Status.Conditions)
		}
	}
	if record := w.record(app); record.Cluster != w.namespace || record.Namespace != w.namespace || record.Name != "web-shop" {
		t.Errorf("auth has %+v", record)
	}
	if _, err := w.secret("web-shop-theeye-next"); err == nil {
		t.Error("the candidate was left")
	}

	if err := w.client.Delete(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	w.eventually(func() error {
		_, err := w.read(app)
		if err == nil {
			return errStillThere
		}
		return nil
	})
	if record := w.record(app); record != nil {
		t.Errorf("auth still has %+v", record)
	}
}
