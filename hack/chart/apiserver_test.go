package chart_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/theeye-dev/theeye/hack/servers/controlplane"
)

// startTimeout bounds starting the API server and installing CRDs, on a busy machine.
const startTimeout = 2 * time.Minute

// foreign are the resource definitions of other projects whose kinds the chart can make: where they stand in the
// projects' Go modules. They are read with go mod download, which checks them as it does all modules; that no module
// here requires them keeps their own requirements out of ours.
var foreign = []struct{ module, sum, path string }{ //nolint:gochecknoglobals // a table
	{"github.com/cert-manager/cert-manager@v1.21.2", "h1:UWgoYM+KLNtRlqmoWOKjKBOBUPVHeepQ6/ac3ERJW68=", "deploy/crds"},
	{"sigs.k8s.io/gateway-api@v1.5.1", "h1:RqVRIlkhLhUO8wOHKTLnTJA6o/1un4po4/6M1nRzdd0=", "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"},
	{"github.com/prometheus-operator/prometheus-operator@v0.85.0", "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=", "example/prometheus-operator-crd"},
	{"github.com/kedacore/keda/v2@v2.21.0", "h1:R6z2HZvstK4RLUMxroNACzBj74xGxt3kG59b5Xc+Xps=", "config/crd/bases"},
}

var (
	stateDir   string                                                                              //nolint:gochecknoglobals // of the one API server
	sharedOnce = sync.OnceValues(func() (*rest.Config, error) { return startAPIServer(stateDir) }) //nolint:gochecknoglobals // one per test binary
)

// TestMain gives the API server, which outlives each test, a directory.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "theeye-chart-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	stateDir = dir
	log.SetLogger(logr.Discard()) // envtest would complain that it has none
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// apiServer is a real one, with TheEye's resource definition and the foreign ones, and without nodes. It ends with the
// tests.
func apiServer(t *testing.T) *rest.Config {
	t.Helper()
	config, err := sharedOnce()
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func startAPIServer(dir string) (*rest.Config, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	paths, err := definitions(ctx)
	if err != nil {
		return nil, err
	}
	plane, err := controlplane.Start(ctx, dir)
	if err != nil {
		return nil, err
	}
	admin, err := plane.Client("theeye-test-admin", "system:masters")
	if err != nil {
		return nil, err
	}
	config := &rest.Config{
		Host: plane.URL(), QPS: -1, // a test's client should not wait for itself
		TLSClientConfig: rest.TLSClientConfig{CAData: plane.CA(), CertData: admin.Certificate, KeyData: admin.Key},
	}
	_, err = envtest.InstallCRDs(config, envtest.CRDInstallOptions{Paths: paths, MaxTime: startTimeout})
	return config, err
}

// definitions are the files and folders of all resource definitions.
func definitions(ctx context.Context) ([]string, error) {
	paths := []string{filepath.Join("..", "..", "config", "crd", "theeye.dev_applications.yaml")}
	for _, f := range foreign {
		dir, err := module(ctx, f.module, f.sum)
		if err != nil {
			return nil, err
		}
		paths = append(paths, filepath.Join(dir, f.path))
	}
	return paths, nil
}

// module is the folder of a Go module, which is downloaded once for all projects of this machine.
func module(ctx context.Context, name, sum string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", name)
	cmd.Dir = os.TempDir() // as no part of the module here
	text, err := cmd.Output()
	downloaded := struct{ Dir, Sum, Error string }{}
	if decoded := json.NewDecoder(bytes.NewReader(text)).Decode(&downloaded); err != nil || decoded != nil {
		return "", fmt.Errorf("download %s: %w %s", name, err, downloaded.Error)
	}
	if downloaded.Sum != sum {
		return "", fmt.Errorf("%s has the checksum %s, not %s", name, downloaded.Sum, sum)
	}
	return downloaded.Dir, nil
}
