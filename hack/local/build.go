package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// build builds the services into .local/bin. Go leaves a binary alone that is up to date already, and puts a new one in
// the place of the old without touching the file that a running service was started from.
func (l *layout) build(ctx context.Context) error {
	// Neither paths nor the state of the repository go in: the same sources give the same bytes, which is how a running
	// service is told from one that was built from others.
	args := []string{"build", "-trimpath", "-buildvcs=false", "-o", l.path("bin") + string(filepath.Separator)}
	for _, name := range serviceNames {
		args = append(args, "./services/cmd/"+name)
	}
	cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // our own packages
	cmd.Dir, cmd.Stdout, cmd.Stderr = l.root, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build services: %w", err)
	}
	return nil
}
