package build

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed synced/synced.c
var syncedSource []byte

// SyncedLibrary is the name of what Synced compiles, in the directory of the binaries.
const SyncedLibrary = "synced.so"

// Synced compiles what is preloaded into Redis and notes down what it has synced. The compiler is the one that the race
// detector needs, too.
func Synced(ctx context.Context, dir string) error {
	source := filepath.Join(dir, "synced.c")
	if err := os.WriteFile(source, syncedSource, 0o600); err != nil {
		return fmt.Errorf("build %s: %w", SyncedLibrary, err)
	}
	cmd := exec.CommandContext(ctx, "cc", "-shared", "-fPIC", "-O2", "-Wall", "-o", filepath.Join(dir, SyncedLibrary), source, "-ldl") //nolint:gosec // our own
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", SyncedLibrary, err, output)
	}
	return nil
}
