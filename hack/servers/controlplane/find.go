package controlplane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/theeye-dev/theeye/hack/servers"
)

// setup knows where the programs are. It is asked instead of looked at, so that the places and their order are written
// down once.
const setup = "hack/setup"

// Repository returns the directory of the repository around the working directory, where go test runs a package's
// tests.
func Repository() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find repository: %w", err)
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, setup)); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("find repository: no %s in %s or above", setup, start)
		}
	}
}

// programs are the paths of a control plane's programs, by their names.
type programs map[string]string

// find wraps servers.ErrMissing when a program is missing; the message says what to run.
func find(ctx context.Context) (programs, error) {
	repository, err := Repository()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(repository, setup), "--control-plane", "--print") //nolint:gosec // our own script
	paths, err := cmd.Output()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return nil, fmt.Errorf("the control plane is %w: %s", servers.ErrMissing, bytes.TrimSpace(exit.Stderr))
	}
	if err != nil {
		return nil, fmt.Errorf("find control plane: %w", err)
	}
	found := programs{}
	for path := range strings.Lines(string(paths)) {
		path = strings.TrimSpace(path)
		found[filepath.Base(path)] = path
	}
	return found, nil
}
