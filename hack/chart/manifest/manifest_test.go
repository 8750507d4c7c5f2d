package manifest_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/theeye-dev/theeye/hack/chart/manifest"
)

const several = `
# a comment is no document
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app.kubernetes.io/component: web}}
    spec:
      initContainers: [{name: before}]
      containers: [{name: main}]
---
apiVersion: v1
kind: Pod
metadata: {name: lonely, labels: {app.kubernetes.io/component: lonely}}
spec: {containers: [{name: only}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
---
# Source: theeye/templates/web.yaml
kind: Secret
metadata: {name: web}
`

func TestParse(t *testing.T) {
	t.Parallel()
	objects, err := manifest.Parse(several)
	if err != nil || len(objects) != 4 {
		t.Fatalf("%d objects, %v; want 4", len(objects), err)
	}
	if objects[2].Source != "" || objects[3].Source != "theeye/templates/web.yaml" || objects[3].String() != "Secret/web" {
		t.Errorf("the last two are %v of %q and %v of %q", objects[2], objects[2].Source, objects[3], objects[3].Source)
	}
	services, err := manifest.Typed[corev1.Service](objects, "Service")
	if err != nil || len(services) != 1 || services[0].Name != "web" {
		t.Errorf("services = %v, %v", services, err)
	}
}

func TestWorkloads(t *testing.T) {
	t.Parallel()
	objects, err := manifest.Parse(several)
	if err != nil {
		t.Fatal(err)
	}
	workloads, err := manifest.Workloads(objects)
	if err != nil || len(workloads) != 2 {
		t.Fatalf("%d workloads, %v; want 2", len(workloads), err)
	}
	web, lonely := workloads[0], workloads[1]
	if len(web.Containers()) != 2 || web.Container().Name != "main" || *web.Replicas != 2 || web.Selector.MatchLabels["app"] != "web" {
		t.Errorf("web = %+v", web)
	}
	if lonely.Component() != "lonely" || lonely.Replicas != nil || lonely.Selector != nil {
		t.Errorf("lonely = %+v", lonely)
	}
}

// What the API server would drop or refuse is not read past.
func TestFaulty(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a key twice":            "kind: Service\nkind: Secret",
		"no YAML":                "a: [",
		"an unknown field":       "kind: Service\nmetadata: {name: a}\nspec: {port: []}",
		"a pod's unknown field":  "kind: Pod\nspec: {containers: [{name: a, imagePolicy: x}]}",
		"a pod without anything": "kind: Pod",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			objects, err := manifest.Parse(text)
			if err == nil {
				_, err = manifest.Workloads(objects)
			}
			if err == nil {
				_, err = manifest.Typed[corev1.Service](objects, "Service")
			}
			if err == nil {
				t.Error("no error")
			}
		})
	}
}
