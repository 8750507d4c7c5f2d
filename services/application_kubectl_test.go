package services_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/api/v1alpha1"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// observed is a status as the operator writes it, three days after the last event.
func observed(clientID string) v1alpha1.ApplicationStatus {
	now := metav1.Now()
	last, next := metav1.NewTime(now.Add(-72*time.Hour)), metav1.NewTime(time.Date(2038, 1, 19, 3, 14, 7, 0, time.UTC))
	return v1alpha1.ApplicationStatus{
		ObservedGeneration: 1, ClientID: clientID, Binding: &v1alpha1.Binding{Name: "web-shop-theeye"}, NextRotation: &next,
		Credentials: []v1alpha1.CredentialStatus{
			{ID: "2", State: v1alpha1.CredentialActive, IssuedAt: &now}, {ID: "1", State: v1alpha1.CredentialExpiring, ExpiresAt: &next, LastUsedAt: &last},
		},
		Usage: &v1alpha1.Usage{LastEventAt: &last, Accepted24h: 12345, Failed24h: 6},
		Conditions: []metav1.Condition{{
			Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonReady, Message: "all is well", LastTransitionTime: now,
		}},
	}
}

// age is what kubectl prints of a resource made just now.
var age = regexp.MustCompile(`\b\d+s\b`)

// table is what kubectl printed, its columns parted by a bar.
func table(printed string) string {
	printed = age.ReplaceAllString(strings.TrimSpace(printed), "0s")
	printed = regexp.MustCompile(`(?m) +$`).ReplaceAllString(printed, "")
	return regexp.MustCompile(` {2,}`).ReplaceAllString(printed, " | ")
}

const (
	narrow = `NAME | READY | CLIENT ID | SECRET | LAST EVENT | AGE
web-shop | True | eye_a | web-shop-theeye | 3d | 0s`
	wide = `NAME | READY | CLIENT ID | SECRET | LAST EVENT | AGE | REASON | ACCEPTED 24H | FAILED 24H | NEXT ROTATION | MESSAGE
web-shop | True | eye_a | web-shop-theeye | 3d | 0s | Ready | 12345 | 6 | 2038-01-19T03:14:07Z | all is well`
)

// kubectl shows what matters, under the short name and in the category, and can wait for readiness.
func TestApplicationColumns(t *testing.T) {
	t.Parallel()
	cluster, k8s := testenv.Kubernetes(t), strictly(t)
	namespace := cluster.Namespace(t)
	app := typed(t, withSpec(t, namespace, "web-shop", "{}"))
	if err := k8s.Create(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	newborn := cluster.Kubectl(t, "get", "eyeapp", "-n", namespace)
	if !strings.Contains(newborn, "web-shop") {
		t.Errorf("a newborn application is shown as\n%s", newborn)
	}
	app.Status = observed("eye_a")
	if err := k8s.Status().Update(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	for _, resource := range []string{"eyeapp", "applications.theeye.dev", "theeye"} {
		if diff := cmp.Diff(narrow, table(cluster.Kubectl(t, "get", resource, "-n", namespace))); diff != "" {
			t.Errorf("get %s: %s", resource, diff)
		}
	}
	if diff := cmp.Diff(wide, table(cluster.Kubectl(t, "get", "eyeapp", "-n", namespace, "-o", "wide"))); diff != "" {
		t.Error(diff)
	}
	cluster.Kubectl(t, "wait", "eyeapp/web-shop", "-n", namespace, "--for=condition=Ready", "--timeout=30s")
	if label := cluster.Kubectl(t, "get", "crd", "applications.theeye.dev", "-o", `jsonpath={.metadata.labels.servicebinding\.io/provisioned-service}`); label != "true" {
		t.Errorf("the label of provisioned services is %q", label)
	}
	app.Status.Credentials[0].State = "Unheard"
	refusal{"a state", "status.credentials[0].state", `supported values: "Active", "Expiring", "Pending"`}.check(t, "status",
		k8s.Status().Update(t.Context(), app))
}

// Field selectors find the suspended ones, those with a Secret of their own, and the one with a client id.
func TestApplicationSelectors(t *testing.T) {
	t.Parallel()
	cluster, k8s := testenv.Kubernetes(t), strictly(t)
	namespace := cluster.Namespace(t)
	for name, spec := range map[string]string{
		"plain": "{}", "off": "{suspended: true}", "on": "{suspended: false}", "theirs": "{credentials: {existingSecret: vault}}",
	} {
		app := typed(t, withSpec(t, namespace, name, spec))
		if err := k8s.Create(t.Context(), app); err != nil {
			t.Fatal(err)
		}
		app.Status = observed("eye_" + name)
		if err := k8s.Status().Update(t.Context(), app); err != nil {
			t.Fatal(err)
		}
	}
	for selector, want := range map[string]string{
		"spec.suspended=true":                         "off",
		"spec.suspended!=true":                        "on plain theirs",
		"spec.credentials.existingSecret=vault":       "theirs",
		"spec.credentials.existingSecret!=":           "theirs",
		"status.clientID=eye_plain":                   "plain",
		"status.clientID=eye_on,spec.suspended!=true": "on",
		"metadata.name=plain":                         "plain",
	} {
		got := cluster.Kubectl(t, "get", "eyeapp", "-n", namespace, "--field-selector", selector, "-o", "jsonpath={.items[*].metadata.name}")
		if got != want {
			t.Errorf("%s finds %q, want %q", selector, got, want)
		}
	}
	if _, err := cluster.TryKubectl(t, "get", "eyeapp", "-n", namespace, "--field-selector", "spec.retention=1h"); err == nil {
		t.Error("a field that is not selectable selects")
	}
}

// A mistyped field is an error, and not an intention that gets lost; the inside of a schema is the author's own.
func TestApplicationUnknownFields(t *testing.T) {
	t.Parallel()
	cluster := testenv.Kubernetes(t)
	namespace := cluster.Namespace(t)
	for _, tt := range []struct{ spec, want string }{
		{"{retension: 1h}", `unknown field "spec.retension"`},
		{"{credentials: {rotation: {every: 1}}}", `unknown field "spec.credentials.rotation.every"`},
		{"{eventTypes: [{category: a, name: b, schemaUnavailable: true}]}", `unknown field "spec.eventTypes[0].schemaUnavailable"`},
		{"{eventTypes: [{category: a, name: b, schema: {anything: true}}]}", ""},
	} {
		path := filepath.Join(t.TempDir(), "application.yaml")
		text := "apiVersion: theeye.dev/v1alpha1\nkind: Application\nmetadata: {name: a, namespace: " + namespace + "}\nspec: " + tt.spec
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := cluster.TryKubectl(t, "create", "--validate=strict", "--dry-run=server", "-f", path)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v", tt.spec, err)
		}
	}
}

// Two appliers share the lists: each owns the origins and the event types that it names.
func TestApplicationListsMerge(t *testing.T) {
	t.Parallel()
	k8s, namespace := strictly(t), testenv.Kubernetes(t).Namespace(t)
	for owner, spec := range map[string]string{
		"platform": `{origins: ["https://a"], eventTypes: [{category: a, name: b, schema: {type: object}}]}`,
		"team":     `{origins: ["https://b"], eventTypes: [{category: a, name: c}]}`,
	} {
		applied := client.ApplyConfigurationFromUnstructured(withSpec(t, namespace, "shared", spec))
		if err := k8s.Apply(t.Context(), applied, client.FieldOwner(owner)); err != nil {
			t.Fatal(err)
		}
	}
	app := new(v1alpha1.Application)
	if err := k8s.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "shared"}, app); err != nil {
		t.Fatal(err)
	}
	if len(app.Spec.Origins) != 2 || len(app.Spec.EventTypes) != 2 {
		t.Errorf("origins %v, event types %v", app.Spec.Origins, app.Spec.EventTypes)
	}
}
