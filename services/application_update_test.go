package services_test

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// earlier is the group of a CRD like ours from before it had rules.
const earlier = "earlier.theeye.dev"

// definition is our CRD in that group.
func definition(t *testing.T) *unstructured.Unstructured {
	t.Helper()
	text, err := os.ReadFile("../config/crd/theeye.dev_applications.yaml")
	if err != nil {
		t.Fatal(err)
	}
	crd := parse(t, string(text))
	crd.SetName("applications." + earlier)
	spec := crd.Object["spec"].(map[string]any)
	spec["group"] = earlier
	names := spec["names"].(map[string]any)
	delete(names, "shortNames") // they are taken
	delete(names, "categories")
	return crd
}

// lenient takes every rule about the spec, and those of the whole, out of a CRD.
func lenient(t *testing.T, crd *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	crd = crd.DeepCopy()
	version := crd.Object["spec"].(map[string]any)["versions"].([]any)[0].(map[string]any)
	delete(version, "selectableFields")
	root := version["schema"].(map[string]any)["openAPIV3Schema"].(map[string]any)
	delete(root, "x-kubernetes-validations")
	root["properties"].(map[string]any)["spec"] = map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}
	return crd
}

// A resource from before a rule was made, and at odds with it, can still be changed elsewhere and deleted; its fault can
// be mended, and not be changed into another.
func TestApplicationFromBeforeTheRules(t *testing.T) {
	t.Parallel()
	k8s, namespace := strictly(t), testenv.Kubernetes(t).Namespace(t)
	crd := definition(t)
	if err := k8s.Create(t.Context(), lenient(t, crd)); err != nil {
		t.Fatal(err)
	}
	old := withSpec(t, namespace, "old", `{retention: forever, origins: ["*"], limits: {burst: -1}, eventTypes: [{category: "", name: a}]}`)
	old.SetAPIVersion(earlier + "/v1alpha1")
	eventually(t, func() error { return k8s.Create(t.Context(), old.DeepCopy()) })
	if err := k8s.Get(t.Context(), client.ObjectKeyFromObject(old), old); err != nil {
		t.Fatal(err)
	}
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(crd.GroupVersionKind())
	if err := k8s.Get(t.Context(), client.ObjectKeyFromObject(crd), live); err != nil {
		t.Fatal(err)
	}
	live.Object["spec"] = crd.Object["spec"]
	if err := k8s.Update(t.Context(), live); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error { // the rules are in force
		another := withSpec(t, namespace, "new", `{retention: forever}`)
		another.SetAPIVersion(earlier + "/v1alpha1")
		if err := k8s.Create(t.Context(), another, client.DryRunAll); err == nil {
			return errors.New("a new one is still accepted")
		}
		return nil
	})
	const kept = `, origins: ["*"], limits: {burst: -1}, eventTypes: [{category: "", name: a}]}`
	for _, tt := range []struct {
		spec string
		ok   bool
	}{
		{`{retention: forever, displayName: new` + kept, true},
		{`{retention: 1h` + kept, true},
		{`{retention: for a while` + kept, false},
		{`{retention: forever, displayName: new, origins: ["*"], limits: {burst: -2}, eventTypes: [{category: "", name: a}]}`, false},
		{`{retention: forever, displayName: new, origins: ["*"], limits: {burst: -1}, eventTypes: [{category: "", name: a}, {category: b, name: b}]}`, true},
	} {
		if err := change(t, k8s, old, tt.spec); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.spec, err)
		}
	}
	old.SetFinalizers([]string{"theeye.dev/revoke"})
	if err := k8s.Update(t.Context(), old); err != nil {
		t.Error(fmt.Errorf("add finalizer: %w", err))
	}
	old.SetFinalizers(nil)
	if err := k8s.Update(t.Context(), old); err != nil {
		t.Error(fmt.Errorf("remove finalizer: %w", err))
	}
}
