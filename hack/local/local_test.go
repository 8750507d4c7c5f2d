package main

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/hack/servers"
)

// names are all processes of an installation.
var names = []string{"redis", "postgres", "auth", "ingest", "persistence"} //nolint:gochecknoglobals // a constant list

// TestStory is the contract of make up, down and clean, from nothing to nothing.
func TestStory(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	l := testLayout(t)

	must(t, up(ctx, l))
	env, first, key := read(t, l.path("env")), pids(t, l), read(t, l.signingKeyFile())

	must(t, up(ctx, l))
	if again := pids(t, l); again != first {
		t.Errorf("a second up started processes again: %v, then %v", first, again)
	}

	t.Log("kill all of them, and leave pid files that name a living stranger")
	for i, pid := range first {
		must(t, syscall.Kill(pid, syscall.SIGKILL))
		must(t, os.WriteFile(l.pidFile(names[i]), []byte(strconv.Itoa(os.Getpid())), 0o600))
	}
	must(t, up(ctx, l))
	repaired := pids(t, l)
	for i, pid := range repaired {
		if pid == first[i] || pid == os.Getpid() {
			t.Errorf("%s was killed, and its pid file says %d", names[i], pid)
		}
	}
	if got := read(t, l.path("env")); got != env {
		t.Errorf("the repair changed .local/env from\n%s\nto\n%s", env, got)
	}
	if read(t, l.signingKeyFile()) != key {
		t.Error("the repair made another key to encrypt signing keys with")
	}

	t.Log("take the program away from under a running service")
	must(t, os.Remove(l.binary("ingest")))
	must(t, up(ctx, l))
	if got := pids(t, l); got != repaired {
		t.Errorf("the program was built again as it was, but processes changed: %v, then %v", repaired, got)
	}

	must(t, down(ctx, l))
	for i, pid := range repaired {
		if servers.Running(pid) {
			t.Errorf("%s still runs after down", names[i])
		}
	}
	must(t, up(ctx, l))
	if got := read(t, l.path("env")); got != env {
		t.Error("down and up changed .local/env")
	}
	must(t, clean(ctx, l))
	for _, dir := range []string{l.local, l.postgres} {
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Errorf("%s is still there after clean: %v", dir, err)
		}
	}
}

func testLayout(t *testing.T) *layout {
	t.Helper()
	root, err := findRoot()
	must(t, err)
	dir, err := os.MkdirTemp("", "theeye-local-")
	must(t, err)
	must(t, os.Chmod(dir, 0o711))
	l, err := newLayout(root, filepath.Join(dir, "local"))
	must(t, err)
	t.Cleanup(func() { // also when the test failed half way
		defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := clean(ctx, l); err != nil {
			t.Error(err)
		}
	})
	return l
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	must(t, err)
	return strings.TrimSpace(string(content))
}

// pids reads the pid files; every process must be alive.
func pids(t *testing.T, l *layout) (found [5]int) {
	t.Helper()
	for i, name := range names {
		pid, err := strconv.Atoi(read(t, l.pidFile(name)))
		must(t, err)
		if !servers.Running(pid) {
			t.Errorf("%s: process %d does not run", name, pid)
		}
		found[i] = pid
	}
	return found
}

func TestEnvironmentKeepsWhatItHas(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "env")
	must(t, os.WriteFile(path, []byte("THEEYE_ADMIN_TOKEN=kept\nMINE=too\n"), 0o600))
	e, err := readEnvironment(path)
	must(t, err)
	if got, err := e.get(keyAdminToken, newToken); got != "kept" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	must(t, e.write())
	if got := read(t, path); got != "THEEYE_ADMIN_TOKEN=kept\nMINE=too" {
		t.Errorf("nothing changed, but the file did: %s", got)
	}
	e.set(keyClientID, "eye_1")
	must(t, e.write())
	if got := read(t, path); got != "THEEYE_CLIENT_ID=eye_1\nTHEEYE_ADMIN_TOKEN=kept\nMINE=too" {
		t.Errorf("got %s", got)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file with secrets has mode %v, %v", info.Mode(), err)
	}
}

// What auth encrypts with is made once, for its reader alone, and is long enough for auth.
func TestSigningKeyIsMadeOnce(t *testing.T) {
	t.Parallel()
	l := &layout{local: t.TempDir()}
	must(t, os.WriteFile(l.signingKeyFile(), nil, 0o600)) // a disk was full
	must(t, os.WriteFile(l.signingKeyFile()+".part", []byte("half"), 0o644))
	must(t, l.ensureSigningKey())
	key := read(t, l.signingKeyFile())
	const least = 32
	if len(key) < least {
		t.Errorf("the key has %d bytes", len(key))
	}
	if info, err := os.Stat(l.signingKeyFile()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v, %v", info.Mode(), err)
	}
	must(t, l.ensureSigningKey())
	if read(t, l.signingKeyFile()) != key {
		t.Error("the second time another key was made")
	}
}

func TestLockOutlivesClean(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "local", "lock")
	first, err := tryLock(path)
	must(t, err)
	if _, err := tryLock(path); err == nil {
		t.Fatal("two hold the lock")
	}
	must(t, os.RemoveAll(filepath.Dir(path)))
	second, err := tryLock(path) // a new file, while first still holds the removed one
	must(t, err)
	must(t, first.Close())
	if _, err := tryLock(path); err == nil {
		t.Error("two hold the new lock")
	}
	must(t, second.Close())
}

func TestPortsAreChosenOnce(t *testing.T) {
	t.Parallel()
	taken := ports{}
	first, err := taken.choose(0) // port 0 is always free to listen on
	must(t, err)
	second, err := taken.choose(first)
	must(t, err)
	if first == second {
		t.Errorf("port %d was chosen twice", first)
	}
}
