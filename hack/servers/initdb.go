package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// prepare finds the binaries and makes the cluster when there is none.
func (p *Postgres) prepare(ctx context.Context) (err error) {
	if p.account, err = PostgresAccount(); err != nil {
		return err
	}
	if p.options.Dir, err = filepath.Abs(p.options.Dir); err != nil {
		return fmt.Errorf("find directory: %w", err)
	}
	if p.options.LogFile == "" {
		p.options.LogFile = filepath.Join(p.options.Dir, "postgres.log")
	}
	if err := os.MkdirAll(p.options.Dir, 0o755); err != nil { //nolint:gosec // another user must pass; data is 0700
		return fmt.Errorf("make directory: %w", err)
	}
	if !p.account.Reaches(p.options.Dir) {
		return fmt.Errorf("user %s, as whom PostgreSQL runs for root, cannot reach %s: "+
			"every directory above it must be passable (chmod o+x)", p.account.Name, p.options.Dir)
	}
	version, _ := os.ReadFile(filepath.Join(p.data(), "PG_VERSION")) // none before the first start
	if p.bin, err = findPostgres(strings.TrimSpace(string(version))); err != nil {
		return err
	}
	if len(version) == 0 {
		if err := p.initialize(ctx); err != nil {
			return err
		}
	}
	p.password, err = PostgresPassword(p.options.Dir)
	return err
}

// PostgresPassword reads the password of the cluster in a directory.
func PostgresPassword(dir string) (string, error) {
	content, err := os.ReadFile(filepath.Join(dir, "password"))
	if err != nil {
		return "", fmt.Errorf("read password of PostgreSQL: %w", err)
	}
	return strings.TrimSpace(string(content)), nil
}

// initialize makes the cluster under another name first: a directory named data is always whole.
func (p *Postgres) initialize(ctx context.Context) error {
	part, passwordFile := p.data()+".part", filepath.Join(p.options.Dir, "password")
	if err := errors.Join(os.RemoveAll(part), os.RemoveAll(p.data()), os.RemoveAll(passwordFile)); err != nil {
		return fmt.Errorf("clear directory: %w", err)
	}
	if err := os.WriteFile(passwordFile, []byte(NewPassword()+"\n"), 0o600); err != nil {
		return fmt.Errorf("write password: %w", err)
	}
	if err := os.Mkdir(part, 0o700); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	if err := errors.Join(p.account.Own(part), p.account.Own(passwordFile)); err != nil {
		return fmt.Errorf("give data directory away: %w", err)
	}
	// The C locale's order is the bytes' own, the same on every machine, and its indexes need no rebuild after an
	// upgrade of the system's locales.
	initdb := exec.CommandContext(ctx, filepath.Join(p.bin, "initdb"), "--pgdata="+part, "--username="+Database, //nolint:gosec // found by FindPostgres
		"--pwfile="+passwordFile, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--data-checksums")
	initdb.Env, initdb.Dir = []string{"LC_ALL=C", "TZ=UTC", "PATH=" + os.Getenv("PATH")}, p.options.Dir
	initdb.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if p.account != nil {
		initdb.SysProcAttr.Credential = p.account.credential()
	}
	if output, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w:\n%s", err, output)
	}
	if err := os.Rename(part, p.data()); err != nil {
		return fmt.Errorf("take cluster into use: %w", err)
	}
	return nil
}
