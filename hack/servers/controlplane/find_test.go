package controlplane

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/theeye-dev/theeye/hack/servers"
)

func TestMissingProgramsAreNamed(t *testing.T) {
	assets, cache := t.TempDir(), t.TempDir()
	t.Setenv("KUBEBUILDER_ASSETS", assets)
	t.Setenv("XDG_CACHE_HOME", cache)
	for _, name := range []string{"etcd", "kube-apiserver", "kubectl"} {
		program(t, assets, name)
	}
	_, err := find(t.Context())
	if !errors.Is(err, servers.ErrMissing) || !strings.Contains(err.Error(), "kube-controller-manager; run: hack/setup --control-plane") {
		t.Errorf("with a program missing, the answer is %v", err)
	}
	if got, _ := os.ReadDir(cache); len(got) > 0 {
		t.Errorf("looking for programs made %v", got)
	}
}

func TestProgramsComeFromKubebuilderAssets(t *testing.T) {
	assets := t.TempDir()
	t.Setenv("KUBEBUILDER_ASSETS", assets)
	want := programs{}
	for _, name := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "kubectl"} {
		want[name] = program(t, assets, name)
	}
	got, err := find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("programs (-want +got):\n%s", diff)
	}
}

func program(t *testing.T, dir, name string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}
