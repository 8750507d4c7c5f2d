package chart_test

import (
	"path/filepath"
	"slices"
	"testing"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/theeye-dev/theeye/hack/chart/manifest"
)

// build is what kubectl apply -k would send.
func build(t *testing.T, dir string) []manifest.Object {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join("..", "..", "config", dir))
	if err != nil {
		t.Fatal(err)
	}
	text, err := built.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	objects, err := manifest.Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// The kustomize form passes what the chart's renders pass.
func TestKustomizeIsAccepted(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"default", "samples"} {
		t.Run(dir, func(t *testing.T) {
			t.Parallel()
			dryRun(t, "theeye-system", build(t, dir))
		})
	}
}

// config/default is whole: a namespace, the resource definition, the four services and what they may.
func TestKustomizeDefaultIsWhole(t *testing.T) {
	t.Parallel()
	var have []string
	for _, o := range build(t, "default") {
		have = append(have, o.String())
	}
	for _, want := range []string{
		"Namespace/theeye-system", "CustomResourceDefinition/applications.theeye.dev", "Deployment/theeye-ingest",
		"Deployment/theeye-auth", "Deployment/theeye-persistence", "Deployment/theeye-operator",
		"ServiceAccount/theeye-operator", "ClusterRole/theeye-operator", "ClusterRoleBinding/theeye-operator",
	} {
		if !slices.Contains(have, want) {
			t.Errorf("config/default does not have %s", want)
		}
	}
}
