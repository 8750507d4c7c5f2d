package testenv

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/hack/servers"
)

// shared is the PostgreSQL that the tests of one binary share: making a cluster takes seconds, making a database in
// it a tenth of one.
var shared = sync.OnceValues(func() (*servers.Postgres, error) { //nolint:gochecknoglobals // one per test binary is the point
	dir, err := sharedDir()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	return servers.StartPostgres(ctx, servers.PostgresOptions{Dir: dir})
})

// Postgres makes a database for one test, empty and dropped after it, and returns its URL for pgx. The server is
// shared by the tests of a binary: use OwnPostgres to kill one.
func Postgres(t testing.TB) string {
	t.Helper()
	server, err := shared()
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	name := "test_" + strings.ToLower(rand.Text())
	if err := execute(server, "CREATE DATABASE "+name); err != nil {
		t.Fatalf("testenv: %v", err)
	}
	t.Cleanup(func() {
		if err := execute(server, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("testenv: %v", err)
		}
	})
	return server.DatabaseURL(name)
}

// OwnPostgres starts a PostgreSQL for one test, which may Kill, Stop and Restart it. Its URL leads to an empty
// database. It takes a second or two.
func OwnPostgres(t testing.TB) *servers.Postgres {
	t.Helper()
	return ownPostgres(t, func(string) (map[string]string, error) { return nil, nil })
}

// ownPostgres starts a PostgreSQL with more settings, which may name files in its directory.
func ownPostgres(t testing.TB, configure func(dir string) (map[string]string, error)) *servers.Postgres {
	t.Helper()
	dir, err := passableDir()
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	settings, err := configure(dir)
	if err != nil {
		_ = os.RemoveAll(dir)
		t.Fatalf("testenv: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	server, err := servers.StartPostgres(ctx, servers.PostgresOptions{Dir: dir, Settings: settings})
	if err != nil {
		_ = os.RemoveAll(dir)
		t.Fatalf("testenv: %v", err)
	}
	t.Cleanup(func() {
		stopCtx, cancelStop := context.WithTimeout(context.Background(), startTimeout)
		defer cancelStop()
		if err := errors.Join(server.Stop(stopCtx), servers.EndPostgresOrphans(stopCtx, dir), os.RemoveAll(dir)); err != nil {
			t.Errorf("testenv: %v", err)
		}
	})
	return server
}

func execute(server *servers.Postgres, statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, server.URL())
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing is lost with it
	if _, err := conn.Exec(ctx, statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}

// passableDir makes a directory that PostgreSQL's user can reach when the tests run as root. t.TempDir is closed to it.
func passableDir() (string, error) {
	account, err := servers.PostgresAccount()
	if err != nil {
		return "", err
	}
	for _, parent := range []string{os.TempDir(), "/var/tmp"} {
		if !account.Reaches(parent) {
			continue
		}
		dir, err := os.MkdirTemp(parent, "theeye-test-")
		if err != nil {
			return "", fmt.Errorf("make directory: %w", err)
		}
		return dir, os.Chmod(dir, 0o711) //nolint:gosec // passable, not readable
	}
	return "", fmt.Errorf("user %s can reach neither %s nor /var/tmp", account.Name, os.TempDir())
}

// sharedDir is passableDir for what outlives every test: a shell waits for the end of this process, which closes the
// pipe between them, and removes it.
func sharedDir() (string, error) {
	dir, err := passableDir()
	if err != nil {
		return "", err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return "", fmt.Errorf("make pipe: %w", err)
	}
	defer read.Close() //nolint:errcheck // the shell has its own
	// The server may still be ending and writing: the second attempt has nobody against it.
	const script = `read -r _; rm -rf "$1" || { sleep 1; rm -rf "$1"; }`
	cleaner := exec.CommandContext(context.Background(), "/bin/sh", "-c", script, "sh", dir) //nolint:gosec // our own directory
	cleaner.Stdin, cleaner.SysProcAttr = read, ownSession()
	if err := cleaner.Start(); err != nil {
		return "", fmt.Errorf("start cleaner of %s: %w", filepath.Base(dir), err)
	}
	go func() {
		_ = cleaner.Wait() // ends with this process, as the pipe's end does
		_ = write.Close()
	}()
	return dir, nil
}
