package testenv

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/theeye-dev/theeye/hack/servers"
)

// Find returns the path of a client of others that hack/setup --test installs.
func Find(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatalf("testenv: %s is missing here; run: hack/setup --test", program)
	}
	return path
}

// Seen is an exchange that went through a Window.
type Seen struct {
	Method, Origin, MediaType string
	Chunked                   bool // the request's body came without a length
	Status                    int
}

// Window is where clients of others reach a service: what passes is held against the contract, and seen.
type Window struct {
	URL string

	mutex sync.Mutex
	seen  []Seen
}

// Through opens a window on a service.
func Through(t testing.TB, service string) *Window {
	t.Helper()
	target, err := url.Parse(service)
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	w := new(Window)
	transport := Contract(t, http.DefaultTransport)
	proxy := &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	proxy.ModifyResponse = func(response *http.Response) error {
		request := response.Request
		w.mutex.Lock()
		defer w.mutex.Unlock()
		w.seen = append(w.seen, Seen{
			Method: request.Method, Origin: request.Header.Get("Origin"), MediaType: request.Header.Get("Content-Type"),
			Chunked: request.ContentLength < 0, Status: response.StatusCode,
		})
		return nil
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	w.URL = server.URL
	return w
}

// Seen returns what went through so far.
func (w *Window) Seen() []Seen {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return append([]Seen(nil), w.seen...)
}

// Browse opens a page in a headless Chromium of its own, which ends with the test.
func Browse(t testing.TB, page string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "theeye-browser-")
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	args := []string{
		"--headless", "--user-data-dir=" + dir, "--remote-debugging-port=0", // with it, it stays until it is told to end
		"--disable-gpu", "--disable-dev-shm-usage", "--disable-breakpad", "--disable-extensions", "--disable-sync",
		"--disable-background-networking", "--disable-component-update", "--no-first-run", "--no-default-browser-check",
		"--no-proxy-server", // the proxies of this machine's environment are for others
	}
	if os.Getuid() == 0 {
		args = append(args, "--no-sandbox") // it refuses to make one as root
	}
	log := filepath.Join(t.TempDir(), "chromium.log")
	browser, err := servers.Start(servers.Command{
		Path: Find(t, "chromium"), Args: append(args, page), LogFile: log, Dir: dir,
		Env: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir},
	})
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-browser.PID(), syscall.SIGKILL) // with its children, which are of its session
		_ = browser.Kill()
		if t.Failed() {
			t.Logf("chromium's log ends with:\n%s", servers.Tail(log))
		}
		if err := os.RemoveAll(dir); err != nil { // a child may still be ending
			t.Logf("testenv: %v", err)
		}
	})
}

// Node returns a command that runs a script of a folder with the npm packages of its package-lock.json, which are
// installed once into the user's cache. It ends with the test.
func Node(t testing.TB, dir, script string, args ...string) *exec.Cmd {
	t.Helper()
	node, modules := Find(t, "node"), Modules(t, dir)
	command := exec.CommandContext(t.Context(), node, append([]string{filepath.Join(dir, script)}, args...)...) //nolint:gosec // our own script
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "NODE_PATH=" + modules}
	return command
}

// Modules returns the folder with the npm packages of a folder's package-lock.json, which are installed as for Node.
func Modules(t testing.TB, dir string) string {
	t.Helper()
	modules, err := nodeModules(t, dir)
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	return modules
}

// nodeModules installs the packages of a folder where they are not yet; concurrent runs each install, and one wins.
func nodeModules(t testing.TB, dir string) (string, error) {
	t.Helper()
	lock, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return "", fmt.Errorf("read lock: %w", err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find cache: %w", err)
	}
	hash := sha256.Sum256(lock)
	target := filepath.Join(cache, "theeye", "npm", hex.EncodeToString(hash[:8]))
	modules := filepath.Join(target, "node_modules")
	if _, err := os.Stat(modules); err == nil {
		return modules, nil
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return "", fmt.Errorf("make cache: %w", err)
	}
	fresh, err := os.MkdirTemp(filepath.Dir(target), "install-")
	if err != nil {
		return "", fmt.Errorf("make cache: %w", err)
	}
	defer os.RemoveAll(fresh) //nolint:errcheck // nothing is there when it was renamed
	manifest, err := os.ReadFile(filepath.Join(dir, "package.json"))
	if err != nil {
		return "", fmt.Errorf("read package: %w", err)
	}
	err = os.CopyFS(fresh, fstest.MapFS{"package.json": {Data: manifest}, "package-lock.json": {Data: lock}})
	if err != nil {
		return "", fmt.Errorf("copy packages: %w", err)
	}
	install := exec.CommandContext(t.Context(), Find(t, "npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund") //nolint:gosec // found by name
	install.Dir = fresh
	if output, err := install.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci: %w:\n%s", err, output)
	}
	if err := os.Rename(fresh, target); err != nil {
		if _, other := os.Stat(modules); other != nil {
			return "", fmt.Errorf("keep packages: %w", err)
		}
	}
	return modules, nil
}
