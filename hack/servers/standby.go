package servers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// Backup copies the running cluster into a directory (pg_basebackup), by way of a port that leads to it; StartPostgres
// runs what is there. As a standby it follows the cluster over that port until it is promoted.
func (p *Postgres) Backup(ctx context.Context, dir string, port int, standby bool) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // another user must pass; data is 0700
		return fmt.Errorf("make directory: %w", err)
	}
	if err := os.Mkdir(dataDir(dir), 0o700); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	passwordFile := filepath.Join(dir, "password")
	if err := os.WriteFile(passwordFile, []byte(p.password+"\n"), 0o600); err != nil {
		return fmt.Errorf("write password: %w", err)
	}
	for _, path := range []string{dataDir(dir), passwordFile} {
		if err := p.account.Own(path); err != nil {
			return err
		}
	}
	args := []string{
		"--host=127.0.0.1", "--port=" + strconv.Itoa(port), "--username=" + Database, "--pgdata=" + dataDir(dir),
		"--checkpoint=fast", "--wal-method=stream", "--no-password",
	}
	if standby {
		args = append(args, "--write-recovery-conf")
	}
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin, "pg_basebackup"), args...) //nolint:gosec // found by FindPostgres
	cmd.Env, cmd.Dir = []string{"LC_ALL=C", "TZ=UTC", "PGPASSWORD=" + p.password}, dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if p.account != nil {
		cmd.SysProcAttr.Credential = p.account.credential()
	}
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pg_basebackup: %w:\n%s", err, output)
	}
	return nil
}

// Promote makes a standby take writes, and returns when it does.
func (p *Postgres) Promote(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, p.URL())
	if err != nil {
		return fmt.Errorf("promote: %w", err)
	}
	defer conn.Close(ctx) //nolint:errcheck // one statement
	var promoted bool
	if err := conn.QueryRow(ctx, "SELECT pg_promote(true, 60)").Scan(&promoted); err != nil {
		return fmt.Errorf("promote: %w", err)
	}
	if !promoted {
		return fmt.Errorf("promote: PostgreSQL on %s is still a standby", p.Address())
	}
	return nil
}

// Crash ends the server and all its backends by SIGKILL.
func (p *Postgres) Crash(ctx context.Context) error {
	if err := p.Kill(); err != nil {
		return err
	}
	return EndPostgresOrphans(ctx, p.options.Dir)
}
