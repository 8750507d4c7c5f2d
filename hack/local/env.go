package main

import (
	"bufio"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/theeye-dev/theeye/hack/servers"
)

// Keys of .local/env.
const (
	keyRedisURL     = "THEEYE_REDIS_URL"
	keyPostgresURL  = "THEEYE_POSTGRES_URL"
	keyAdminToken   = "THEEYE_ADMIN_TOKEN"
	keyClientID     = "THEEYE_CLIENT_ID"
	keyClientSecret = "THEEYE_CLIENT_SECRET" //nolint:gosec // the name of one
	keyAPIKey       = "THEEYE_API_KEY"       //nolint:gosec // the name of one
	keyTokenURL     = "THEEYE_TOKEN_URL"     //nolint:gosec // the name of a URL
)

// publicKey and opsKey are the keys of a service's URLs.
func publicKey(service string) string { return "THEEYE_" + strings.ToUpper(service) + "_URL" }
func opsKey(service string) string    { return "THEEYE_" + strings.ToUpper(service) + "_OPS_URL" }

// environment is .local/env: the ports, passwords and credentials of this installation. Values are chosen once, and
// kept for as long as the file is.
type environment struct {
	path    string
	values  map[string]string
	changed bool
}

func readEnvironment(path string) (*environment, error) {
	e := &environment{path: path, values: map[string]string{}}
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return e, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read environment: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if key, value, found := strings.Cut(lines.Text(), "="); found {
			e.values[key] = value
		}
	}
	return e, lines.Err()
}

// get returns a value, making it the first time.
func (e *environment) get(key string, choose func() (string, error)) (string, error) {
	if value := e.values[key]; value != "" {
		return value, nil
	}
	value, err := choose()
	if err != nil {
		return "", fmt.Errorf("choose %s: %w", key, err)
	}
	e.set(key, value)
	return value, nil
}

func (e *environment) set(key, value string) {
	if e.values[key] != value {
		e.values[key], e.changed = value, true
	}
}

// order is the file's: what people look for first.
func order() []string {
	keys := []string{
		publicKey("ingest"), publicKey("auth"), publicKey("persistence"),
		keyClientID, keyClientSecret, keyAPIKey, keyTokenURL, keyAdminToken, keyRedisURL, keyPostgresURL,
	}
	for _, name := range serviceNames {
		keys = append(keys, opsKey(name))
	}
	return keys
}

// write writes the file when something changed, whole or not at all.
func (e *environment) write() error {
	if !e.changed {
		return nil
	}
	var b strings.Builder
	keys := order()
	for key := range e.values {
		if !slices.Contains(keys, key) {
			keys = append(keys, key) // somebody else's line stays
		}
	}
	for _, key := range keys {
		if value, found := e.values[key]; found {
			b.WriteString(key + "=" + value + "\n")
		}
	}
	part := e.path + ".part"
	if err := os.WriteFile(part, []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("write environment: %w", err)
	}
	if err := os.Rename(part, e.path); err != nil {
		return fmt.Errorf("write environment: %w", err)
	}
	e.changed = false
	return nil
}

// endpoint is a port on 127.0.0.1, with a password where the server has one.
type endpoint struct {
	port     int
	password string
}

func parseEndpoint(text string) (endpoint, error) {
	u, err := url.Parse(text)
	if err != nil {
		return endpoint{}, errors.New("a value of .local/env is no URL") // the cause would show a password
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		return endpoint{}, fmt.Errorf("a URL of .local/env has no port: %s", u.Host)
	}
	password, _ := u.User.Password()
	return endpoint{port: port, password: password}, nil
}

// ports chooses ports: the preferred ones when they are free, and none twice.
type ports map[int]bool

func (p ports) choose(preferred int) (int, error) {
	if !p[preferred] && servers.PortFree(preferred) {
		p[preferred] = true
		return preferred, nil
	}
	for {
		port, err := servers.FreePort()
		if err != nil {
			return 0, err
		}
		if !p[port] {
			p[port] = true
			return port, nil
		}
	}
}
