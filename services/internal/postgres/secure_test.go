package postgres

import (
	"context"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/theeye-dev/theeye/services/internal/certificate"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// TestTLSByTheEnvironment is how the chart has it: the URL of a Secret says nothing about TLS, and the environment says
// that the server's certificate is verified, by a file. It sets the environment, and so runs alone.
func TestTLSByTheEnvironment(t *testing.T) {
	ca, other := testenv.NewAuthority(t), testenv.NewAuthority(t)
	url := testenv.SecurePostgres(t, ca.Issue(t))
	nameless := testenv.SecurePostgres(t, ca.IssueAs(t, func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 2)} }))
	for name, c := range map[string]struct {
		url, mode, file string
		encrypted       bool
		says            string // "": it connects
	}{
		"verified":                        {url, "verify-full", ca.File, true, ""},
		"another authority":               {url, "verify-full", other.File, false, "certificate signed by unknown authority"},
		"the system's authorities":        {url, "verify-full", "", false, "certificate signed by unknown authority"},
		"another name":                    {nameless, "verify-full", ca.File, false, "not 127.0.0.1"},
		"another name does not matter":    {nameless, "verify-ca", ca.File, true, ""},
		"the URL wins over the mode":      {url + "?sslmode=disable", "verify-full", ca.File, false, ""},
		"the URL wins over the authority": {url + "?sslrootcert=" + ca.File, "verify-full", other.File, true, ""},
		"the URL alone":                   {url + "?sslmode=verify-full&sslrootcert=" + ca.File, "", "", true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("PGSSLMODE", c.mode)
			t.Setenv("PGSSLROOTCERT", c.file)
			encrypted, err := overTLS(t.Context(), c.url)
			if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) || encrypted != c.encrypted {
				t.Errorf("encrypted %t: %v", encrypted, err)
			}
		})
	}
}

// TestAuthoritiesAreReadAgain by a pool that is open: the file is broken for a while, and then has a new authority.
func TestAuthoritiesAreReadAgain(t *testing.T) {
	t.Parallel()
	ca, other := testenv.NewAuthority(t), testenv.NewAuthority(t)
	identity := ca.Issue(t)
	url := testenv.SecurePostgres(t, identity)
	file := filepath.Join(t.TempDir(), "ca.crt")
	become := func(path string) {
		t.Helper()
		if err := os.Rename(path, file); err != nil {
			t.Fatal(err)
		}
	}
	become(other.File)
	pool, err := Open(t.Context(), Options{URL: url + "?sslmode=verify-full&sslrootcert=" + file, MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if err := pool.Ping(t.Context()); certificate.Distrust(err) == "" {
		t.Fatalf("by another authority: %v", err)
	}
	become(identity.KeyFile)
	if err := pool.Ping(t.Context()); certificate.Distrust(err) == "" {
		t.Errorf("by a file without any: %v", err)
	}
	become(ca.File)
	if err := pool.Ping(t.Context()); err != nil {
		t.Errorf("by the right one: %v", err)
	}
}

// TestUnusableURLs are refused without showing the password; what is wrong with TLS is told. It sets the environment, and
// so runs alone.
func TestUnusableURLs(t *testing.T) {
	key := testenv.NewAuthority(t).Issue(t).KeyFile
	t.Setenv("PGSSLMODE", "verify-full")
	for url, c := range map[string]struct{ file, says string }{
		"postgres://u:hunter2@h/d":                           {"/nowhere/ca.crt", "/nowhere/ca.crt"},
		"postgres://u:hunter2@h/d?":                          {key, "unable to add CA"},
		"postgres://u:hunter2@h/d?sslmode=most":              {"", "sslmode is invalid"},
		"postgres://u:hunter2@h:port/d":                      {"", "not a PostgreSQL connection string"},
		"postgres://u:hunter2%zz@h/d":                        {"", "not a PostgreSQL connection string"},
		"host=h password=hunter2 sslmode=":                   {"/nowhere/ca.crt", "parse postgres url"},
		"postgres://u:hunter2@h/d?connect_timeout=(hunter2)": {"", "not a PostgreSQL connection string"},
	} {
		t.Setenv("PGSSLROOTCERT", c.file)
		pool, err := Open(t.Context(), Options{URL: url, MaxConns: 1})
		if err == nil {
			pool.Close()
			t.Errorf("%s: opened", url)
		} else if !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// overTLS asks PostgreSQL itself whether the connection is encrypted.
func overTLS(ctx context.Context, url string) (encrypted bool, err error) {
	pool, err := Open(ctx, Options{URL: url, MaxConns: 1})
	if err != nil {
		return false, err
	}
	defer pool.Close()
	err = pool.QueryRow(ctx, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").Scan(&encrypted)
	return encrypted, err
}
