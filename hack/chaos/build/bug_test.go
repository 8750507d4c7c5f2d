package build_test

import (
	"os/exec"
	"testing"

	"github.com/theeye-dev/theeye/hack/chaos/build"
	"github.com/theeye-dev/theeye/hack/chaos/nemesis"
)

// A bug that does not follow the code is no longer planted, and proves nothing.
func TestBugsCanBePlanted(t *testing.T) {
	t.Parallel()
	root, err := build.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, bug := range build.Bugs() {
		if _, err := nemesis.Choose(nemesis.Catalogue(), bug.Faults); err != nil || bug.Seeds == 0 {
			t.Errorf("%s: %v, within %d seeds", bug.Name, err, bug.Seeds)
		}
		if len(bug.Edits) == 0 {
			continue // it is one of settings
		}
		overlay, err := bug.Overlay(root, t.TempDir())
		if err != nil {
			t.Error(err)
			continue
		}
		cmd := exec.CommandContext(t.Context(), "go", "build", "-C", root, "-overlay", overlay,
			"./services/internal/stream", "./services/internal/postgres", "./services/persistence")
		if output, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s does not compile: %v\n%s", bug.Name, err, output)
		}
	}
}
