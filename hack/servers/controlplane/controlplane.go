package controlplane

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/theeye-dev/theeye/hack/servers"
)

// attempts is how often a start is tried again when another process took the port that was chosen as free.
const attempts = 3

// ControlPlane is a running etcd and kube-apiserver.
type ControlPlane struct {
	dir       string
	programs  programs
	authority *authority
	etcd      *servers.Process
	apiserver *servers.Process
	etcdURL   string
	url       string
	ready     probe
}

// Start starts etcd and kube-apiserver with their data in dir, which is made when missing, and returns when requests
// are answered by RBAC's rules and the namespace default is there, or when ctx ends. It takes some five seconds.
func Start(ctx context.Context, dir string) (*ControlPlane, error) {
	found, err := find(ctx)
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, fmt.Errorf("find directory: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	c := &ControlPlane{dir: dir, programs: found}
	if err := c.prepare(); err != nil {
		return nil, err
	}
	if err := retried(ctx, c.startEtcd); err != nil {
		return nil, err
	}
	if err := retried(ctx, c.startAPIServer); err != nil {
		_ = c.Kill()
		return nil, err
	}
	return c, nil
}

// URL is the API server's.
func (c *ControlPlane) URL() string { return c.url }

// CA is the PEM certificate of the authority that signs the API server's certificate.
func (c *ControlPlane) CA() []byte { return c.authority.pem }

// Client makes a certificate that authenticates a user with groups. The group system:masters may do everything.
func (c *ControlPlane) Client(user string, groups ...string) (Pair, error) {
	return c.authority.client(user, groups)
}

// Kubectl is the path of kubectl.
func (c *ControlPlane) Kubectl() string { return c.programs["kubectl"] }

// AuditLog is the path of a file with an event of audit.k8s.io/v1, level Metadata, a line: one when a request is
// received, before anything is answered, and one when it is answered (for a watch: when it begins, and when it ends).
func (c *ControlPlane) AuditLog() string { return c.path("audit.log") }

// Dir is the directory of its data and logs, in which all its processes work.
func (c *ControlPlane) Dir() string { return c.dir }

// Kill ends the API server and etcd at once. A controller manager is ended by who started it.
func (c *ControlPlane) Kill() error {
	if c.apiserver != nil {
		if err := c.apiserver.Kill(); err != nil {
			return err
		}
	}
	return c.etcd.Kill()
}

func (c *ControlPlane) path(name string) string { return filepath.Join(c.dir, name) }

func (c *ControlPlane) start(program, log string, args ...string) (*servers.Process, error) {
	return servers.Start(servers.Command{
		Path: c.programs[program], Args: args, Dir: c.dir, LogFile: c.path(log), Env: []string{"TZ=UTC", "HOME=" + c.dir},
	})
}

// retried starts a server on another port when the first attempt fails, and gives up with ctx.
func retried(ctx context.Context, start func(context.Context) error) error {
	for left := attempts; ; left-- {
		err := start(ctx)
		if err == nil || left == 1 || ctx.Err() != nil {
			return err
		}
	}
}

// chooseURL returns a URL and address of a free port.
func chooseURL(scheme string) (url string, port int, err error) {
	if port, err = servers.FreePort(); err != nil {
		return "", 0, fmt.Errorf("choose port: %w", err)
	}
	return scheme + "://" + servers.Address(port), port, nil
}
