package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/api/v1alpha1"
	"github.com/theeye-dev/theeye/hack/servers/controlplane"
)

// systemNamespace is the one of config/rbac.
const systemNamespace = "theeye-system"

// cluster is a control plane with TheEye's CRD and RBAC.
type cluster struct {
	plane  *controlplane.ControlPlane
	client client.WithWatch // the admin's
	dir    string
}

func startCluster(ctx context.Context, dir string) (*cluster, error) {
	plane, err := controlplane.Start(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("start control plane: %w", err)
	}
	c := &cluster{plane: plane, dir: dir}
	if err := c.prepare(ctx); err != nil {
		_ = plane.Kill()
		return nil, err
	}
	return c, nil
}

func (c *cluster) prepare(ctx context.Context) error {
	pair, err := c.plane.Client("bench", "system:masters")
	if err != nil {
		return fmt.Errorf("identify admin: %w", err)
	}
	config := &rest.Config{
		Host: c.plane.URL(), QPS: -1, // the bench should not wait for itself
		TLSClientConfig: rest.TLSClientConfig{CAData: c.plane.CA(), CertData: pair.Certificate, KeyData: pair.Key},
	}
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return fmt.Errorf("make scheme: %w", err)
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return fmt.Errorf("make scheme: %w", err)
	}
	if c.client, err = client.NewWithWatch(config, client.Options{Scheme: scheme}); err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	kubeconfig, err := c.kubeconfig("admin", &api.AuthInfo{ClientCertificateData: pair.Certificate, ClientKeyData: pair.Key})
	if err != nil {
		return err
	}
	return c.install(ctx, kubeconfig)
}

// install applies what a cluster in cluster mode gets.
func (c *cluster) install(ctx context.Context, kubeconfig string) error {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: systemNamespace}}
	if err := c.client.Create(ctx, namespace); err != nil {
		return fmt.Errorf("make namespace: %w", err)
	}
	root, err := controlplane.Repository()
	if err != nil {
		return fmt.Errorf("find config: %w", err)
	}
	apply := []string{"apply", "--server-side", "-f", filepath.Join(root, "config", "crd")}
	for _, name := range []string{
		"service_accounts", "role", "role_binding", "leader_election_role", "leader_election_role_binding",
		"token_review_role", "token_review_role_binding", "access_review_role", "access_review_role_binding",
	} {
		apply = append(apply, "-f", filepath.Join(root, "config", "rbac", name+".yaml"))
	}
	if err := c.kubectl(ctx, kubeconfig, apply...); err != nil {
		return err
	}
	return c.kubectl(ctx, kubeconfig, "wait", "--for=condition=Established", "--timeout=1m", "crd/applications.theeye.dev")
}

func (c *cluster) kubectl(ctx context.Context, kubeconfig string, args ...string) error {
	cmd := exec.CommandContext(ctx, c.plane.Kubectl(), args...) //nolint:gosec // fixed arguments
	cmd.Env = []string{"KUBECONFIG=" + kubeconfig, "HOME=" + c.dir, "PATH=" + os.Getenv("PATH")}
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("kubectl %s: %w: %s", args[0], err, bytes.TrimSpace(output))
	}
	return nil
}

// kubeconfig writes a file by which a process reaches the API server.
func (c *cluster) kubeconfig(name string, who *api.AuthInfo) (string, error) {
	file := api.NewConfig()
	file.Clusters[name] = &api.Cluster{Server: c.plane.URL(), CertificateAuthorityData: c.plane.CA()}
	file.AuthInfos[name] = who
	file.Contexts[name] = &api.Context{Cluster: name, AuthInfo: name}
	file.CurrentContext = name
	path := filepath.Join(c.dir, name+".kubeconfig")
	if err := clientcmd.WriteToFile(*file, path); err != nil {
		return "", fmt.Errorf("write kubeconfig: %w", err)
	}
	return path, nil
}

// accountKubeconfig is for what a pod with a service account is to the API server.
func (c *cluster) accountKubeconfig(ctx context.Context, account string) (string, error) {
	token, err := c.token(ctx, account, controlplane.Issuer)
	if err != nil {
		return "", err
	}
	return c.kubeconfig(account, &api.AuthInfo{Token: token})
}

// tokenFile writes what the kubelet projects into a pod: a token for another service.
func (c *cluster) tokenFile(ctx context.Context, account, audience string) (string, error) {
	token, err := c.token(ctx, account, audience)
	if err != nil {
		return "", err
	}
	path := filepath.Join(c.dir, account+"-"+audience+".token")
	if err := os.WriteFile(path, []byte(token), 0o600); err != nil {
		return "", fmt.Errorf("write token: %w", err)
	}
	return path, nil
}

func (c *cluster) token(ctx context.Context, account, audience string) (string, error) {
	seconds := int64(24 * time.Hour / time.Second)
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		ExpirationSeconds: &seconds, Audiences: []string{audience},
	}}
	who := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: account}}
	if err := c.client.SubResource("token").Create(ctx, who, request); err != nil {
		return "", fmt.Errorf("request token of %s: %w", account, err)
	}
	return request.Status.Token, nil
}

// username is a service account's name in the audit log.
func username(account string) string {
	return "system:serviceaccount:" + systemNamespace + ":" + account
}
