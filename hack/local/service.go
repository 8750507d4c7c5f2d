package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/theeye-dev/theeye/hack/servers"
)

// serviceNames are the services in the order of their start: ingest and persistence wait for auth's application log.
var serviceNames = []string{"auth", "ingest", "persistence"} //nolint:gochecknoglobals // a constant list

// preferredPort returns a service's public port; its ops port is a thousand above.
func preferredPort(service string) int {
	return map[string]int{"ingest": 8080, "auth": 8081, "persistence": 8082}[service]
}

const opsOffset = 1000

// secrets are the environment variables that a service takes, beside its ports: passwords are no arguments, which
// every user of a machine can see.
func secrets(service string) []string {
	if service == "ingest" {
		return []string{keyRedisURL}
	}
	return []string{keyPostgresURL, keyRedisURL, keyAdminToken}
}

func (l *layout) service(name string, e *environment, taken ports) (part, error) {
	public, err := e.address(publicKey(name), preferredPort(name), taken)
	if err != nil {
		return part{}, err
	}
	ops, err := e.address(opsKey(name), preferredPort(name)+opsOffset, taken)
	if err != nil {
		return part{}, err
	}
	args := []string{"--listen=" + public, "--ops-listen=" + ops}
	if name == "auth" {
		args = append(args, l.tokenArgs(e)...)
	}
	command := servers.Command{
		Path: l.binary(name), Dir: l.path("run"), LogFile: l.logFile(name), Detach: true,
		Args: args, Env: serviceEnvironment(name, e),
	}
	ready := func(ctx context.Context) error { return get(ctx, "http://"+ops+"/readyz?full") }
	return part{
		name: name, stop: syscall.SIGTERM, ready: ready,
		alive: func(ctx context.Context, _ int) error { return get(ctx, "http://"+ops+"/healthz") },
		find:  func() int { return slices.Max(append(servers.Executing(command.Path), 0)) },
		stale: func(pid int) string { return outdated(pid, command) },
		start: func(ctx context.Context) (int, error) { return startService(ctx, command, "http://"+ops) },
	}, nil
}

// address returns host:port of a URL in the environment.
func (e *environment) address(key string, preferred int, taken ports) (string, error) {
	value, err := e.get(key, func() (string, error) {
		port, err := taken.choose(preferred)
		return "http://" + servers.Address(port), err
	})
	if err != nil {
		return "", err
	}
	at, err := parseEndpoint(value)
	return servers.Address(at.port), err
}

// serviceEnvironment is all a service inherits: nothing of the caller's shell but where to send traces. Someone who has
// .local/env in theirs must not reconfigure a service by it.
func serviceEnvironment(name string, e *environment) []string {
	env := []string{"TZ=UTC"}
	for _, key := range secrets(name) {
		env = append(env, key+"="+e.values[key])
	}
	for _, entry := range os.Environ() {
		if strings.HasPrefix(entry, "OTEL_") {
			env = append(env, entry)
		}
	}
	return env
}

// outdated says why a running service is not what would be started now: other sources, other ports, other secrets. The
// kernel keeps a running program's file readable after it was replaced, so nothing needs to be recorded.
func outdated(pid int, want servers.Command) string {
	running, err1 := digest(filepath.Join("/proc", strconv.Itoa(pid), "exe"))
	built, err2 := digest(want.Path)
	args, err3 := procList(pid, "cmdline")
	env, err4 := procList(pid, "environ")
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil || len(args) == 0 {
		return "cannot be inspected"
	}
	switch {
	case running != built:
		return "was built from other sources"
	case !slices.Equal(args[1:], want.Args) || !slices.Equal(own(env), own(want.Env)):
		return "has other settings"
	default:
		return ""
	}
}

// own picks TheEye's variables: where traces go may differ between two shells, and is no reason to restart.
func own(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(entry string) bool { return !strings.HasPrefix(entry, "THEEYE_") })
}

// procList reads a file of /proc/PID that has strings with a zero byte behind each.
func procList(pid int, file string) ([]string, error) {
	content, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), file))
	if err != nil {
		return nil, fmt.Errorf("inspect process %d: %w", pid, err)
	}
	return strings.Split(strings.TrimSuffix(string(content), "\x00"), "\x00"), nil
}

func digest(path string) (sum [sha256.Size]byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return sum, fmt.Errorf("read program: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return sum, fmt.Errorf("read program: %w", err)
	}
	return [sha256.Size]byte(hash.Sum(nil)), nil
}

// startService returns when the service answers at all; whether it is ready is asked once all have been started.
func startService(ctx context.Context, command servers.Command, opsURL string) (int, error) {
	process, err := servers.Start(command)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	err = servers.Await(ctx, process, command.LogFile, func(ctx context.Context) error { return get(ctx, opsURL+"/healthz") })
	if err != nil {
		_ = process.Kill()
		return 0, err
	}
	return process.PID(), nil
}

// requestTimeout is longer than the probes behind /readyz take.
const requestTimeout = 4 * time.Second

// get answers nil for a 200.
func get(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	body, _ := io.ReadAll(io.LimitReader(response.Body, 8<<10))
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %d: %s", url, response.StatusCode, strings.TrimSpace(string(body)))
	}
	return nil
}

// newToken makes an admin token of 256 random bits.
func newToken() (string, error) { return rand.Text() + rand.Text(), nil }
