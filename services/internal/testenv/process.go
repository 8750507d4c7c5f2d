package testenv

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/hack/servers"
)

// Options say how to run a service.
type Options struct {
	Name string   // services/cmd/NAME
	Args []string // beside --listen and --ops-listen, which are set
	Env  []string // KEY=value, beside PATH and THEEYE_LOG_LEVEL=debug: nothing else is inherited
	// TLS is what both ports show; nil: they speak plain HTTP.
	TLS *Identity
	// OpsOnly says that the service has no public port.
	OpsOnly bool
	// Plain builds it without the race detector, which takes many times the memory.
	Plain bool
	// Unready returns from Start as soon as the process answers at all, whether ready or not.
	Unready bool
}

// Process is a running service. It keeps its ports, arguments and log file over Restart.
type Process struct {
	URL    string // of the public port
	OpsURL string // of the ops port
	Log    string // the log file's path

	t       testing.TB
	options Options
	client  *http.Client
	binary  string
	listen  []string
	process *servers.Process
}

// Start builds a service when needed, starts it on free ports of 127.0.0.1 and returns when /readyz says that it is
// ready. It is killed after the test; when the test failed, the end of its log is shown.
func Start(t testing.TB, options Options) *Process {
	t.Helper()
	public, ops := freePort(t), freePort(t)
	p := &Process{
		URL: "http://" + public, OpsURL: "http://" + ops, Log: filepath.Join(t.TempDir(), options.Name+".log"),
		t: t, options: options, binary: built(t, options.Name, options.Plain), listen: []string{"--ops-listen", ops}, client: http.DefaultClient,
	}
	if options.TLS != nil {
		p.URL, p.OpsURL, p.client = "https://"+public, "https://"+ops, options.TLS.Authority.Client(t)
		p.listen = append(p.listen, "--tls-cert-file", options.TLS.CertFile, "--tls-private-key-file", options.TLS.KeyFile)
	}
	if !options.OpsOnly {
		p.listen = append(p.listen, "--listen", public)
	}
	if options.Name == "auth" {
		p.options.Env = slices.Concat([]string{"THEEYE_ISSUER_URL=" + p.URL, signingKeyEncryption}, options.Env)
	}
	t.Cleanup(p.end)
	p.start()
	return p
}

// signingKeyEncryption is the same for every auth, as for the replicas of one: a test may replace one by another. What a
// test sets itself comes later, and wins.
const signingKeyEncryption = "THEEYE_SIGNING_KEY_ENCRYPTION=an-encryption-key-of-32-bytes-or-more-for-tests"

// PID is the id of the running process.
func (p *Process) PID() int { return p.process.PID() }

// Done is closed when the running process has ended.
func (p *Process) Done() <-chan struct{} { return p.process.Done() }

// Kill ends the process by SIGKILL and waits until it is gone.
func (p *Process) Kill() {
	p.t.Helper()
	if err := p.process.Kill(); err != nil {
		p.t.Fatalf("testenv: kill %s: %v", p.options.Name, err)
	}
}

// Stop ends the process by SIGTERM; it must end by itself and with exit code 0.
func (p *Process) Stop() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	if err := p.process.Stop(ctx, syscall.SIGTERM); err != nil {
		p.t.Fatalf("testenv: stop %s: %v", p.options.Name, err)
	}
	if err := p.process.Err(); err != nil {
		p.t.Fatalf("testenv: %s stopped with %v; its log ends with:\n%s", p.options.Name, err, servers.Tail(p.Log))
	}
}

// Signal sends a signal, for example SIGSTOP and SIGCONT to freeze a service for a while.
func (p *Process) Signal(signal syscall.Signal) {
	p.t.Helper()
	if err := p.process.Signal(signal); err != nil {
		p.t.Fatalf("testenv: %v", err)
	}
}

// Restart starts the service again on the same ports, after killing it when it still runs.
func (p *Process) Restart() {
	p.t.Helper()
	p.Kill()
	p.start()
}

func (p *Process) start() {
	p.t.Helper()
	process, err := servers.Start(servers.Command{
		Path: p.binary, Args: append(p.listen, p.options.Args...), LogFile: p.Log, Dir: filepath.Dir(p.Log),
		Env: append([]string{"PATH=" + os.Getenv("PATH"), "THEEYE_LOG_LEVEL=debug"}, p.options.Env...),
	})
	if err != nil {
		p.t.Fatalf("testenv: %v", err)
	}
	p.process = process
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	probe := p.OpsURL + "/readyz"
	if p.options.Unready {
		probe = p.OpsURL + "/healthz"
	}
	err = servers.Await(ctx, process, p.Log, func(ctx context.Context) error { return probeOK(ctx, p.client, probe) })
	if err != nil {
		p.t.Fatalf("testenv: start %s: %v", p.options.Name, err)
	}
}

func (p *Process) end() {
	if p.process != nil {
		_ = p.process.Kill()
	}
	if p.t.Failed() {
		p.t.Logf("the log of %s ends with:\n%s", p.options.Name, servers.Tail(p.Log))
	}
}

// probeTimeout is longer than the probes behind /readyz may take.
const probeTimeout = 5 * time.Second

func probeOK(ctx context.Context, client *http.Client, url string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // only read
	body, _ := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %d: %s", url, response.StatusCode, strings.TrimSpace(string(body)))
	}
	return nil
}

func freePort(t testing.TB) string {
	t.Helper()
	port, err := servers.FreePort()
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	return servers.Address(port)
}
