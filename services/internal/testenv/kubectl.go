package testenv

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// Kubeconfig writes a file by which a process reaches the cluster with a config's identity, and returns its path. The
// file goes with the test.
func (c *Cluster) Kubeconfig(t testing.TB, config *rest.Config) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := writeKubeconfig(path, config); err != nil {
		t.Fatalf("testenv: %v", err)
	}
	return path
}

func writeKubeconfig(path string, config *rest.Config) error {
	const name = "test"
	file := api.NewConfig()
	file.Clusters[name] = &api.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	file.AuthInfos[name] = &api.AuthInfo{
		ClientCertificateData: config.CertData, ClientKeyData: config.KeyData, Token: config.BearerToken,
	}
	file.Contexts[name] = &api.Context{Cluster: name, AuthInfo: name}
	file.CurrentContext = name
	if err := clientcmd.WriteToFile(*file, path); err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	return nil
}

// Kubectl runs kubectl as the admin, or as whom a --kubeconfig among args says, and returns what it prints. It must
// succeed.
func (c *Cluster) Kubectl(t testing.TB, args ...string) string {
	t.Helper()
	output, err := c.TryKubectl(t, args...)
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	return output
}

// TryKubectl is Kubectl for what may fail: the error has what kubectl printed to its standard error.
func (c *Cluster) TryKubectl(t testing.TB, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), c.plane.Kubectl(), args...) //nolint:gosec // what a test says
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// What it learns of the API it keeps below HOME: beside the cluster that it learnt from.
	cmd.Env = []string{"KUBECONFIG=" + c.kubeconfig, "HOME=" + c.plane.Dir(), "PATH=" + os.Getenv("PATH")}
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.String(), nil
}
