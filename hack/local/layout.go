package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/theeye-dev/theeye/hack/servers"
)

// layout is where things are.
type layout struct {
	root     string // of the repository
	local    string // .local
	postgres string // PostgreSQL's directory: in .local, or where its user can reach it
}

// findRoot goes up from the working directory to the one with go.mod.
func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find repository: %w", err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.EvalSymlinks(dir)
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("find repository: no go.mod here or above")
		}
	}
}

func newLayout(root, local string) (*layout, error) {
	l := &layout{root: root, local: local}
	account, err := servers.PostgresAccount()
	if err != nil {
		return nil, err
	}
	for _, dir := range []string{l.local, l.path("run"), l.path("log"), l.path("bin")} {
		if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // what is secret is 0600 inside
			return nil, fmt.Errorf("make directory: %w", err)
		}
	}
	l.postgres = l.path("postgres")
	if !account.Reaches(l.local) { // a clone in /root, run by root: PostgreSQL runs as another user
		l.postgres = fmt.Sprintf("/var/lib/theeye-local-%.6x", sha256.Sum256([]byte(local)))
	}
	return l, nil
}

func (l *layout) path(elements ...string) string {
	return filepath.Join(append([]string{l.local}, elements...)...)
}

func (l *layout) pidFile(name string) string { return l.path("run", name+".pid") }
func (l *layout) logFile(name string) string { return l.path("log", name+".log") }
func (l *layout) binary(name string) string  { return l.path("bin", name) }

// writePID leaves the file alone when it is right, so that a second up changes nothing.
func (l *layout) writePID(name string, pid int) error {
	content, _ := os.ReadFile(l.pidFile(name))
	if strings.TrimSpace(string(content)) == strconv.Itoa(pid) {
		return nil
	}
	if err := os.WriteFile(l.pidFile(name), []byte(strconv.Itoa(pid)+"\n"), 0o644); err != nil { //nolint:gosec // for everybody
		return fmt.Errorf("write pid file: %w", err)
	}
	return nil
}

// lock keeps two runs apart; the second waits for the first.
func (l *layout) lock(ctx context.Context) (unlock func(), err error) {
	path, told := l.path("lock"), false
	var held *os.File
	err = servers.Await(ctx, nil, "", func(context.Context) error {
		held, err = tryLock(path)
		if err != nil && !told {
			say("waiting for another make up, down or clean to end")
			told = true
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { _ = held.Close() }, nil
}

func tryLock(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // see newLayout
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, err
	}
	// clean removes the file that others wait for: who gets the lock of a removed file has locked nothing.
	if ours, err := f.Stat(); err == nil {
		if there, err := os.Stat(path); err == nil && os.SameFile(ours, there) {
			return f, nil
		}
	}
	_ = f.Close()
	return nil, errors.New("the lock file was replaced")
}
