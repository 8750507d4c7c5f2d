package v1alpha1_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// manifest is the Application of the design, as the API server would hand it out.
const manifest = `{
	"apiVersion": "theeye.dev/v1alpha1", "kind": "Application",
	"metadata": {"name": "web-shop", "namespace": "shop"},
	"spec": {
		"displayName": "Web shop", "suspended": true,
		"credentials": {
			"secretName": "web-shop-theeye", "existingSecret": "",
			"template": {"labels": {"a": "b"}, "annotations": {"c": "d"}, "keys": {"e": "f"}},
			"rotation": {"interval": "720h", "overlap": "24h"}
		},
		"origins": ["https://shop.example.com"],
		"limits": {"eventsPerSecond": 500, "burst": 1000, "maxEventBytes": 65536},
		"timestamps": {"maxFuture": "5m", "maxAge": "168h"},
		"retention": "2160h", "deletionPolicy": "Erase", "unknownEvents": "Reject",
		"eventTypes": [
			{"category": "page interaction", "name": "pageview", "schema": {"type": "object", "properties": {"host": {"type": "string"}}}},
			{"category": "form", "name": "submit"}
		]
	}
}`

func strict(t *testing.T, text []byte, into any) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		t.Fatal(err)
	}
}

func spec(t *testing.T) v1alpha1.ApplicationSpec {
	t.Helper()
	var app v1alpha1.Application
	strict(t, []byte(manifest), &app)
	if app.APIVersion != v1alpha1.GroupVersion || app.Kind != v1alpha1.Kind || app.Name != "web-shop" || app.Namespace != "shop" {
		t.Errorf("read %s %s %s/%s", app.APIVersion, app.Kind, app.Namespace, app.Name)
	}
	return app.Spec
}

func TestManifest(t *testing.T) {
	t.Parallel()
	s := spec(t)
	c := s.Credentials
	if c == nil || c.SecretName != "web-shop-theeye" || c.Template.Labels["a"] != "b" || c.Template.Annotations["c"] != "d" ||
		c.Template.Keys["e"] != "f" || c.Rotation.Interval.Hours() != 720 || c.Rotation.Overlap.Hours() != 24 {
		t.Errorf("credentials are %+v", c)
	}
	if s.DeletionPolicy != registry.Erase {
		t.Errorf("deletion policy is %s", s.DeletionPolicy)
	}
}

// A policy has the names of the spec: what Policy carries over is what reading the same JSON as a policy gives.
func TestPolicyIsTheSpec(t *testing.T) {
	t.Parallel()
	var raw struct{ Spec json.RawMessage }
	if err := json.Unmarshal([]byte(manifest), &raw); err != nil {
		t.Fatal(err)
	}
	var want registry.Policy
	if err := json.Unmarshal(raw.Spec, &want); err != nil {
		t.Fatal(err)
	}
	s := spec(t)
	if diff := cmp.Diff(want, s.Policy()); diff != "" {
		t.Error(diff)
	}
	v := reflect.ValueOf(want)
	for i := range v.NumField() { // or a new field could be forgotten in both
		if v.Field(i).IsZero() {
			t.Errorf("the manifest does not set %s", v.Type().Field(i).Name)
		}
	}
	if err := want.Validate(); err != nil {
		t.Error(err)
	}
}

func TestPolicyOfNothing(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(registry.Policy{}, new(v1alpha1.ApplicationSpec).Policy()); diff != "" {
		t.Error(diff)
	}
	empty := v1alpha1.ApplicationSpec{Limits: &v1alpha1.Limits{}, Timestamps: &v1alpha1.Timestamps{}}
	want := registry.Policy{Limits: &registry.Limits{}, Timestamps: &registry.Timestamps{}}
	if diff := cmp.Diff(want, empty.Policy()); diff != "" {
		t.Error(diff)
	}
}
