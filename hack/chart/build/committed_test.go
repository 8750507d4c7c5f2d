package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What stands in config/manager is what the chart renders to now: kubectl apply -k and helm install give the same.
func TestManagerIsTheChart(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	written := t.TempDir()
	if err := os.CopyFS(filepath.Join(written, "config/rbac"), os.DirFS(filepath.Join(root, "config/rbac"))); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(root, "charts"), filepath.Join(written, "charts")); err != nil {
		t.Fatal(err)
	}
	if err := writeConfig(written); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(files(t, filepath.Join(written, "config/manager")), files(t, filepath.Join(root, "config/manager"))); diff != "" {
		t.Errorf("make generate was not run (-chart +config/manager):\n%s", diff)
	}
}

func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	contents := map[string]string{}
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		contents[entry.Name()] = string(content)
	}
	return contents
}
