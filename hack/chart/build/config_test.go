package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/theeye-dev/theeye/hack/chart/manifest"
)

func TestInstalledIsWhatHelmInstallLeaves(t *testing.T) {
	t.Parallel()
	objects, err := installed("../../../charts/theeye")
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, object := range objects {
		have[object.String()] = true
		if part := object.GetLabels()[component]; part == "retire" || part == "test" {
			t.Errorf("%s is for a hook that only Helm runs", object)
		}
		text, err := body(object)
		if err != nil {
			t.Fatal(err)
		}
		for key := range object.GetAnnotations() {
			text += " " + key
		}
		for key := range object.GetLabels() {
			text += " " + key
		}
		if strings.Contains(text, "helm.sh/") || strings.Contains(text, "managed-by") {
			t.Errorf("%s has marks of Helm: %s", object, text)
		}
	}
	for _, want := range []string{"Deployment/theeye-ingest", "StatefulSet/theeye-redis", "Job/theeye-passwords", "Role/theeye-passwords"} {
		if !have[want] {
			t.Errorf("%s is not there", want)
		}
	}
}

func parse(t *testing.T, text string) []manifest.Object {
	t.Helper()
	objects, err := manifest.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

func TestRolesOfBothHaveToBeTheSame(t *testing.T) {
	t.Parallel()
	ours := parse(t, "kind: ClusterRoleBinding\nmetadata: {name: a}\nroleRef: {name: a}\n")
	for text, want := range map[string]struct{ there, fails bool }{
		"kind: ClusterRoleBinding\nmetadata: {name: theeye-system:a, labels: {b: c}}\nroleRef: {name: theeye-system:a}": {there: true},
		"kind: ClusterRoleBinding\nmetadata: {name: b}\nroleRef: {name: a}":                                             {},
		"kind: ClusterRole\nmetadata: {name: a}\nroleRef: {name: a}":                                                    {},
		"kind: ClusterRoleBinding\nmetadata: {name: theeye-system:a}\nroleRef: {name: other}":                           {fails: true},
	} {
		there, err := isThere(parse(t, text)[0], ours)
		if there != want.there || (err != nil) != want.fails {
			t.Errorf("%s: %v, %v", text, there, err)
		}
	}
}

func TestFolderHasWhatIsWrittenAndNothingOlder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "manager")
	if err := replaceFolder(dir, map[string]*bytes.Buffer{"old.yaml": bytes.NewBufferString("1"), "b.yaml": bytes.NewBufferString("2")}); err != nil {
		t.Fatal(err)
	}
	if err := replaceFolder(dir, map[string]*bytes.Buffer{"b.yaml": bytes.NewBufferString("3"), "a.yaml": bytes.NewBufferString("4")}); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		got[entry.Name()] = string(content)
	}
	want := map[string]string{
		"a.yaml": "4", "b.yaml": "3",
		"Kustomization": header + "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n  - a.yaml\n  - b.yaml\n",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
