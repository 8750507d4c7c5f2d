// Package build compiles what a bench measures, and says what that is.
package build

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Services compiles some of TheEye's services into a directory, as an image would have them.
func Services(ctx context.Context, dir string, names ...string) error {
	for _, name := range names {
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(dir, name), //nolint:gosec // fixed names
			"github.com/theeye-dev/theeye/services/cmd/"+name)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if output, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s (run this inside the repository): %w\n%s", name, err, output)
		}
	}
	return nil
}

// Commit is the state of the repository, with -dirty when files differ from it; without git it is unknown.
func Commit(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
