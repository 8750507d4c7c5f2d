// Package build compiles what a chaos run runs: the services with their failpoints, with the race detector or without,
// and with a planted bug or without.
package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Options of a build.
type Options struct {
	Dir  string // where the binaries go: auth, ingest and persistence; SyncedLibrary
	Race bool
	Bug  *Bug // planted; nil: none
}

// Services compiles the services, and what is preloaded into Redis.
func Services(ctx context.Context, o Options) error {
	root, err := Root(ctx)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil { //nolint:gosec // programs are no secret
		return fmt.Errorf("build: %w", err)
	}
	args := []string{"build", "-C", root, "-buildvcs=false", "-tags", "failpoint", "-ldflags=-w", "-o", o.Dir + "/"}
	cgo := "CGO_ENABLED=0"
	if o.Race {
		args, cgo = append(args, "-race"), "CGO_ENABLED=1"
	}
	if o.Bug != nil {
		overlay, err := o.Bug.Overlay(root, filepath.Join(o.Dir, "planted"))
		if err != nil {
			return err
		}
		args = append(args, "-overlay", overlay)
	}
	args = append(args, "./services/cmd/auth", "./services/cmd/ingest", "./services/cmd/persistence")
	cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // our own commands
	cmd.Env = append(os.Environ(), cgo)
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build services: %w\n%s", err, output)
	}
	return Synced(ctx, o.Dir)
}

// Root returns the directory of the main module.
func Root(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/theeye-dev/theeye").Output()
	if err != nil {
		if failed, ok := errors.AsType[*exec.ExitError](err); ok {
			err = fmt.Errorf("%w: %s", err, failed.Stderr)
		}
		return "", fmt.Errorf("find the repository (run this inside it): %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}
