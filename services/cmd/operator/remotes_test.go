package main

import (
	"crypto/tls"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// secured answers every path over TLS.
func secured(t *testing.T, identity *testenv.Identity) (url string) {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(identity.CertFile, identity.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

// Each of the two services is trusted by its own file. One that cannot be read is told by the service's name.
func TestRemotesTrustTheirFiles(t *testing.T) {
	t.Parallel()
	log, first, second := slog.New(slog.DiscardHandler), testenv.NewAuthority(t), testenv.NewAuthority(t)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("a-token"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := parse(good("--auth-token-file", token, "--persistence-token-file", token,
		"--auth-url", secured(t, first.Issue(t)), "--auth-ca-file", first.File,
		"--persistence-url", secured(t, second.Issue(t)), "--persistence-ca-file", second.File))
	if err != nil {
		t.Fatal(err)
	}
	auth, persistence, err := c.remotes(log)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(auth.Ping(t.Context()), persistence.Ping(t.Context())); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"auth", "persistence"} {
		c, err := parse(good("--"+name+"-url", "https://"+name, "--"+name+"-ca-file", "/nowhere/ca.crt"))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.remotes(log); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "trust "+name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
