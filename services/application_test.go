package services_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/theeye-dev/theeye/api/v1alpha1"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// everything is an Application with every field set.
const everything = `
apiVersion: theeye.dev/v1alpha1
kind: Application
metadata: {name: web-shop}
spec:
  displayName: Web shop
  suspended: false
  credentials:
    secretName: web-shop-theeye
    existingSecret: ""
    template: {labels: {}, annotations: {}, keys: {}}
    rotation: {interval: 720h, overlap: 24h}
  origins: ["https://shop.example.com"]
  limits: {eventsPerSecond: 500, burst: 1000, maxEventBytes: 65536}
  timestamps: {maxFuture: 5m, maxAge: 168h}
  retention: 2160h
  deletionPolicy: Retain
  unknownEvents: Accept
  eventTypes:
    - category: page interaction
      name: pageview
      schema: {type: object, required: [host, path], properties: {host: {type: string}, path: {type: string}}}
`

// parse reads a manifest.
func parse(t *testing.T, manifest string) *unstructured.Unstructured {
	t.Helper()
	text, err := yaml.YAMLToJSONStrict([]byte(manifest))
	if err != nil {
		t.Fatalf("%v in\n%s", err, manifest)
	}
	object := &unstructured.Unstructured{}
	if err := json.Unmarshal(text, &object.Object); err != nil { // whole numbers as a client of the API reads them
		t.Fatal(err)
	}
	return object
}

// withSpec is an Application with a spec in YAML.
func withSpec(t *testing.T, namespace, name, spec string) *unstructured.Unstructured {
	t.Helper()
	object := parse(t, "spec: "+spec)
	object.SetAPIVersion(v1alpha1.GroupVersion)
	object.SetKind(v1alpha1.Kind)
	object.SetNamespace(namespace)
	object.SetName(name)
	return object
}

// strictly is a client for which an unknown field is an error, as it is for kubectl.
func strictly(t *testing.T) client.Client {
	t.Helper()
	return client.WithFieldValidation(testenv.Kubernetes(t).Client(t, v1alpha1.AddToScheme), metav1.FieldValidationStrict)
}

// causes says why the API server refused an object: field and message of every fault. An error that is no verdict fails
// the test.
func causes(t *testing.T, err error) (list []metav1.StatusCause) {
	t.Helper()
	var status *apierrors.StatusError
	if !errors.As(err, &status) || !apierrors.IsInvalid(err) || status.ErrStatus.Details == nil {
		t.Fatalf("not a verdict: %v", err)
	}
	for _, cause := range status.ErrStatus.Details.Causes {
		if !strings.Contains(cause.Message, "some validation rules were not checked") {
			list = append(list, cause)
		}
	}
	return list
}

// typed reads an object into the Go type, as the operator does: what the API server accepts must never fail here, for
// one such object would end the operator's whole view.
func typed(t *testing.T, object *unstructured.Unstructured) *v1alpha1.Application {
	t.Helper()
	text, err := object.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	app := new(v1alpha1.Application)
	if err := yaml.UnmarshalStrict(text, app); err != nil {
		t.Fatalf("accepted, and unreadable: %v", err)
	}
	return app
}

// The manifests that people start from are accepted, and nothing of them is lost.
func TestApplicationManifests(t *testing.T) {
	t.Parallel()
	sample, err := os.ReadFile("../config/samples/application.yaml")
	if err != nil {
		t.Fatal(err)
	}
	k8s := strictly(t)
	for name, manifest := range map[string]string{"everything": everything, "sample": string(sample)} {
		object := parse(t, manifest)
		want := object.DeepCopy()
		object.SetNamespace(testenv.Kubernetes(t).Namespace(t))
		if err := k8s.Create(t.Context(), object); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		spec := object.Object["spec"].(map[string]any)
		wantSpec := want.Object["spec"].(map[string]any)
		wantSpec["deletionPolicy"] = "Retain" // the default that the sample leaves out
		if diff := cmp.Diff(wantSpec, spec); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		app := typed(t, object)
		policy := app.Spec.Policy()
		if err := policy.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What a manifest leaves out is visible, also before any operator saw it, and a newborn resource is not read as done.
func TestApplicationDefaults(t *testing.T) {
	t.Parallel()
	k8s, namespace := strictly(t), testenv.Kubernetes(t).Namespace(t)
	for name, manifest := range map[string]string{
		"none":  `{}`,
		"empty": `{spec: {}}`,
		"null":  `{spec: null, status: null}`,
		"lying": `{status: {observedGeneration: 1}}`,
	} {
		object := parse(t, manifest)
		object.SetGroupVersionKind(v1alpha1.SchemeGroupVersion.WithKind(v1alpha1.Kind))
		object.SetNamespace(namespace)
		object.SetName(name)
		if err := k8s.Create(t.Context(), object); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := k8s.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
			t.Fatal(err)
		}
		want := map[string]any{"deletionPolicy": "Retain", "unknownEvents": "Accept"}
		if diff := cmp.Diff(want, object.Object["spec"]); diff != "" {
			t.Errorf("%s: spec: %s", name, diff)
		}
		if diff := cmp.Diff(map[string]any{"observedGeneration": int64(-1)}, object.Object["status"]); diff != "" {
			t.Errorf("%s: status: %s", name, diff)
		}
	}
}
