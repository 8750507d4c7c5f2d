package testenv

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// module is the import path of the services' commands.
const module = "github.com/theeye-dev/theeye/services/cmd/"

// builds remembers what was built, once per test binary.
var builds sync.Map //nolint:gochecknoglobals // name → func() (string, error); one per test binary is the point

// Build builds the commands services/cmd/NAME, with the race detector when the tests have it, and returns the paths of
// the binaries in the same order. Each is built once per test binary.
func Build(t testing.TB, names ...string) []string {
	t.Helper()
	paths := make([]string, len(names))
	for i, name := range names {
		paths[i] = built(t, name, false)
	}
	return paths
}

// built builds one command; a plain one never has the race detector.
func built(t testing.TB, name string, plain bool) string {
	t.Helper()
	file, race := name, raceDetector && !plain
	if plain {
		file += "-plain"
	}
	build, _ := builds.LoadOrStore(file, sync.OnceValues(func() (string, error) { return build(name, file, race) }))
	path, err := build.(func() (string, error))()
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	return path
}

// binaries is where binaries go; it is removed with the test binary's end.
var binaries = sync.OnceValues(sharedDir) //nolint:gochecknoglobals // see builds

func build(name, file string, race bool) (string, error) {
	dir, err := binaries()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, file)
	args := []string{"build", "-buildvcs=false", "-o", path} // git may be missing, or distrust the owner
	if race {
		args = append(args, "-race")
	}
	cmd := exec.CommandContext(context.Background(), "go", append(args, module+name)...) //nolint:gosec // our own commands; for all tests, not for the first one that asks
	cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo(race))
	if output, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w:\n%s", name, err, output)
	}
	return path, nil
}

// cgo is what the race detector needs and the released static binaries must not have.
func cgo(race bool) string {
	if race {
		return "1"
	}
	return "0"
}

func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
