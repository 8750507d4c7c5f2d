package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// build builds the services into .local/bin. A binary that came out the same is left alone.
func (l *layout) build(ctx context.Context) error {
	part := l.path("bin", "part")
	if err := os.MkdirAll(part, 0o755); err != nil { //nolint:gosec // see newLayout
		return fmt.Errorf("make directory: %w", err)
	}
	// Neither paths nor the state of the repository go in: the same sources give the same bytes, which is how a running
	// service is told from one that was built from others.
	args := []string{"build", "-trimpath", "-buildvcs=false", "-o", part + string(filepath.Separator)}
	for _, name := range serviceNames {
		args = append(args, "./services/cmd/"+name)
	}
	cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // our own packages
	cmd.Dir, cmd.Stdout, cmd.Stderr = l.root, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build services: %w", err)
	}
	for _, name := range serviceNames {
		if err := replace(filepath.Join(part, name), l.binary(name)); err != nil {
			return err
		}
	}
	return os.RemoveAll(part)
}

// replace moves a new binary over an old one, unless they are equal: a rename leaves the file of a running program be.
func replace(built, installed string) error {
	next, err := digest(built)
	if err != nil {
		return err
	}
	if now, err := digest(installed); err == nil && now == next {
		return nil
	}
	if err := os.Rename(built, installed); err != nil {
		return fmt.Errorf("install program: %w", err)
	}
	return nil
}
