package controlplane

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/theeye-dev/theeye/hack/servers"
)

// StartControllers starts kube-controller-manager with some of its controllers, by their names, and returns when it
// runs them. Its identity is its own, and each controller acts as the service account that Kubernetes gives it: what a
// controller may not do in production, it may not do here.
func (c *ControlPlane) StartControllers(ctx context.Context, controllers ...string) (*servers.Process, error) {
	kubeconfig, err := c.controllersKubeconfig()
	if err != nil {
		return nil, err
	}
	var process *servers.Process
	err = retried(ctx, func(ctx context.Context) (err error) {
		process, err = c.startControllers(ctx, kubeconfig, controllers)
		return err
	})
	return process, err
}

func (c *ControlPlane) startControllers(ctx context.Context, kubeconfig string, controllers []string) (*servers.Process, error) {
	url, port, err := chooseURL("https")
	if err != nil {
		return nil, err
	}
	log := c.path("kube-controller-manager.log")
	process, err := c.start("kube-controller-manager", "kube-controller-manager.log",
		"--kubeconfig="+kubeconfig,
		"--controllers="+strings.Join(controllers, ","),
		"--use-service-account-credentials=true",
		"--leader-elect=false", // it is alone
		"--bind-address=127.0.0.1", "--secure-port="+strconv.Itoa(port),
		"--tls-cert-file="+c.path("server.crt"), "--tls-private-key-file="+c.path("server.key"))
	if err != nil {
		return nil, err
	}
	if err := servers.Await(ctx, process, log, func(ctx context.Context) error { return c.ready.ask(ctx, url+"/healthz") }); err != nil {
		_ = process.Kill()
		return nil, fmt.Errorf("start kube-controller-manager: %w", err)
	}
	return process, nil
}

func (c *ControlPlane) controllersKubeconfig() (string, error) {
	identity, err := c.Client("system:kube-controller-manager")
	if err != nil {
		return "", err
	}
	const kubeconfig = `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: %q, certificate-authority: %q}}]
users: [{name: u, user: {client-certificate: %q, client-key: %q}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
`
	certificate, key := c.path("controllers.crt"), c.path("controllers.key")
	path := c.path("controllers.kubeconfig")
	for name, content := range map[string][]byte{
		certificate: identity.Certificate, key: identity.Key,
		path: fmt.Appendf(nil, kubeconfig, c.url, c.path("ca.crt"), certificate, key),
	} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			return "", fmt.Errorf("write credentials of kube-controller-manager: %w", err)
		}
	}
	return path, nil
}
