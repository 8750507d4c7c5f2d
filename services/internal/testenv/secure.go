package testenv

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/theeye-dev/theeye/hack/servers"
)

// SecureRedis has a running Redis speak TLS on a second port, with an identity, and returns its rediss:// URL. A Redis
// that is started again speaks it no longer.
func SecureRedis(t testing.TB, server *servers.Redis, identity *Identity) string {
	t.Helper()
	port, err := servers.FreePort()
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	options, err := redis.ParseURL(server.URL())
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	client := redis.NewClient(options)
	defer client.Close() //nolint:errcheck // nothing is lost with it
	for _, setting := range [][2]string{
		{"tls-auth-clients", "no"},
		{"tls-cert-file", identity.CertFile},
		{"tls-key-file", identity.KeyFile},
		{"tls-ca-cert-file", identity.Authority.File},
		{"tls-port", fmt.Sprint(port)},
	} {
		if err := client.ConfigSet(context.Background(), setting[0], setting[1]).Err(); err != nil {
			t.Fatalf("testenv: set %s of Redis: %v", setting[0], err)
		}
	}
	return strings.Replace(strings.Replace(server.URL(), "redis://", "rediss://", 1), server.Address(), servers.Address(port), 1)
}

// SecurePostgres is OwnPostgres with TLS, and returns a URL that leaves to the environment how TLS is used.
func SecurePostgres(t testing.TB, identity *Identity) (url string) {
	t.Helper()
	server := ownPostgres(t, func(dir string) (map[string]string, error) {
		settings := map[string]string{"ssl": "on"}
		for name, file := range map[string]string{"ssl_cert_file": identity.CertFile, "ssl_key_file": identity.KeyFile} {
			settings[name] = filepath.Join(dir, filepath.Base(file))
			if err := give(file, settings[name]); err != nil {
				return nil, err
			}
		}
		return settings, nil
	})
	return strings.TrimSuffix(server.URL(), "?sslmode=disable")
}

// give copies a file for PostgreSQL, which takes no key that belongs to somebody else.
func give(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	if err := os.WriteFile(to, content, 0o600); err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	account, err := servers.PostgresAccount()
	if err != nil {
		return err
	}
	return account.Own(to)
}
