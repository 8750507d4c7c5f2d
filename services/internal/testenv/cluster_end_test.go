package testenv_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/hack/servers"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// TestClusterEndsWithTheTests starts this test binary with a cluster of its own, kills it, and looks for what is left.
func TestClusterEndsWithTheTests(t *testing.T) {
	t.Parallel()
	const variable = "THEEYE_TEST_CLUSTER_DIR"
	if link := os.Getenv(variable); link != "" {
		cluster := testenv.Kubernetes(t)
		cluster.ControllerManager(t)
		if err := os.Symlink(cluster.Dir(), link); err != nil {
			t.Fatal(err)
		}
		select {} // until killed
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	link, log := filepath.Join(t.TempDir(), "cluster"), filepath.Join(t.TempDir(), "log")
	tests, err := servers.Start(servers.Command{
		Path: os.Args[0], Args: []string{"-test.run=^TestClusterEndsWithTheTests$"},
		Env: append(os.Environ(), variable+"="+link), LogFile: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	var dir string
	err = servers.Await(ctx, tests, log, func(context.Context) (err error) {
		dir, err = os.Readlink(link)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	processes := servers.Inside(dir, "etcd", "kube-apiserver", "kube-controller-manager")
	if len(processes) != 3 {
		t.Errorf("found processes %v, want three", processes)
	}
	if err := tests.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := servers.End(ctx, 0, processes...); err != nil { // signal 0 changes nothing: only waits
		t.Errorf("the cluster outlived its killed test binary: %v", err)
	}
	eventually(t, func(context.Context) error {
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("%s is still there (%w)", dir, err)
		}
		return nil
	})
}
