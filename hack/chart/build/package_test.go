package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/v2/loader"
)

func TestChartVersion(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{
		"v0.2.0":                   "0.2.0",
		"1.2.3":                    "1.2.3",
		"v0.2.0-rc.1":              "0.1.0-v0-2-0-rc-1",
		"8e40b52":                  "0.1.0-8e40b52",
		"v0.1.0-12-g8e40b52-dirty": "0.1.0-v0-1-0-12-g8e40b52-dirty",
		"0123456":                  "0.1.0-g0123456",
		"feature_x+y/":             "0.1.0-feature-x-y",
	} {
		if got := chartVersion("0.1.0", version); got != want {
			t.Errorf("%s is packed as %s, not %s", version, got, want)
		}
	}
}

// copyChart makes a repository with this one's chart in it.
func copyChart(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	if err := os.CopyFS(filepath.Join(root, "charts/theeye"), os.DirFS("../../../charts/theeye")); err != nil {
		t.Fatal(err)
	}
	return root
}

func TestPackageInstallsItsOwnImages(t *testing.T) {
	t.Parallel()
	file, err := pack(copyChart(t), "8e40b52-dirty", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	packed, err := loader.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := packed.Metadata.AppVersion; got != "8e40b52-dirty" {
		t.Errorf("the package is for images of %s", got)
	}
	if want := "theeye-" + packed.Metadata.Version + ".tgz"; filepath.Base(file) != want {
		t.Errorf("the package is %s, not %s", file, want)
	}
	for _, part := range packed.Raw {
		if strings.HasPrefix(part.Name, "ci/") || strings.HasPrefix(part.Name, "runbooks/") {
			t.Errorf("the package has %s, which nobody installs", part.Name)
		}
	}
}

func TestChartThatLintComplainsOfIsNotPacked(t *testing.T) {
	t.Parallel()
	root := copyChart(t)
	broken := filepath.Join(root, "charts/theeye/templates/ingest/deployment.yaml")
	if err := os.WriteFile(broken, []byte("kind: {{ .Values.nothing.here }}\n"), fileMode); err != nil {
		t.Fatal(err)
	}
	if file, err := pack(root, "v1", io.Discard); err == nil {
		t.Errorf("%s is there", file)
	}
}
