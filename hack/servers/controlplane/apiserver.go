package controlplane

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/theeye-dev/theeye/hack/servers"
)

// auditPolicy records every request, without bodies: tests prove by it what a client asked for.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
rules: [{level: Metadata}]
`

// Issuer is the issuer of service account tokens, and the audience of those that are made for the API server.
const Issuer = "https://kubernetes.default.svc"

// prepare writes the files that the servers read: certificates, keys and the audit policy.
func (c *ControlPlane) prepare() error {
	var err error
	if c.authority, err = newAuthority(); err != nil {
		return err
	}
	server, err1 := c.authority.server()
	admin, err2 := c.authority.client("theeye-probe", []string{"system:masters"})
	tokens, err3 := newKey()
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	signing, err := encodeKey(tokens)
	if err != nil {
		return err
	}
	if c.ready, err = newProbe(c.authority.pem, admin); err != nil {
		return err
	}
	for name, content := range map[string][]byte{
		"ca.crt": c.authority.pem, "server.crt": server.Certificate, "server.key": server.Key,
		"tokens.key": signing, "audit.yaml": []byte(auditPolicy),
	} {
		if err := os.WriteFile(c.path(name), content, 0o600); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}

func (c *ControlPlane) startEtcd(ctx context.Context) (err error) {
	if c.etcdURL, _, err = chooseURL("http"); err != nil {
		return err
	}
	log := c.path("etcd.log")
	c.etcd, err = c.start("etcd", "etcd.log",
		"--data-dir", c.path("etcd"),
		"--listen-client-urls", c.etcdURL, "--advertise-client-urls", c.etcdURL,
		"--listen-peer-urls", "http://127.0.0.1:0", // it has no peers
		"--unsafe-no-fsync", // the data ends with the tests
		"--log-level", "warn")
	if err != nil {
		return err
	}
	err = servers.Await(ctx, c.etcd, log, func(ctx context.Context) error { return c.ready.ask(ctx, c.etcdURL+"/readyz") })
	if err != nil {
		_ = c.etcd.Kill()
		return fmt.Errorf("start etcd: %w", err)
	}
	return nil
}

func (c *ControlPlane) startAPIServer(ctx context.Context) error {
	url, port, err := chooseURL("https")
	if err != nil {
		return err
	}
	log := c.path("kube-apiserver.log")
	if c.apiserver, err = c.start("kube-apiserver", "kube-apiserver.log", c.apiserverArguments(port)...); err != nil {
		return err
	}
	err = servers.Await(ctx, c.apiserver, log, func(ctx context.Context) error {
		if err := c.ready.ask(ctx, url+"/readyz"); err != nil {
			return err
		}
		return c.ready.ask(ctx, url+"/api/v1/namespaces/default") // made a moment after that
	})
	if err != nil {
		_ = c.apiserver.Kill()
		return fmt.Errorf("start kube-apiserver: %w", err)
	}
	c.url = url
	return nil
}

func (c *ControlPlane) apiserverArguments(port int) []string {
	return []string{
		"--etcd-servers=" + c.etcdURL,
		"--bind-address=127.0.0.1", "--secure-port=" + strconv.Itoa(port),
		"--advertise-address=127.0.0.1", "--external-hostname=127.0.0.1", // the machine may have no other
		"--endpoint-reconciler-type=none", // nobody reaches it through the Service kubernetes
		"--service-cluster-ip-range=10.0.0.0/24",
		"--tls-cert-file=" + c.path("server.crt"), "--tls-private-key-file=" + c.path("server.key"),
		"--client-ca-file=" + c.path("ca.crt"),
		"--authorization-mode=RBAC",
		"--service-account-issuer=" + Issuer,
		"--service-account-key-file=" + c.path("tokens.key"),
		"--service-account-signing-key-file=" + c.path("tokens.key"),
		// It would wait for a default service account in every namespace, which nobody here makes.
		"--disable-admission-plugins=ServiceAccount",
		"--allow-privileged=true",
		"--audit-policy-file=" + c.path("audit.yaml"), "--audit-log-path=" + c.AuditLog(),
		"--audit-log-mode=blocking", // in the log before it is answered
		"--profiling=false",
	}
}
