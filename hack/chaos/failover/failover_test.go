package failover_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/hack/chaos/build"
	"github.com/theeye-dev/theeye/hack/chaos/failover"
	"github.com/theeye-dev/theeye/hack/chaos/rig"
)

// workplace is a directory that PostgreSQL's user can pass; t.TempDir is not.
func workplace(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "theeye-failover-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !t.Failed() {
			_ = os.RemoveAll(dir)
		}
	})
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

// The short form of what is measured at length by hand: whatever is said to lose nothing, once. One after the other: each
// runs an installation.
func TestLosslessSettingsLoseNothing(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	binaries := filepath.Join(dir, "bin")
	if err := build.Services(t.Context(), build.Options{Dir: binaries}); err != nil {
		t.Fatal(err)
	}
	for _, s := range failover.Settings() {
		if !s.Lossless {
			continue
		}
		c := rig.Config{
			Seed: 1, Duration: time.Minute, Dir: filepath.Join(dir, s.Name), Binaries: binaries, Clients: 8, Ingests: 2, Persistences: 2, Say: t.Logf,
		}
		r, err := failover.Run(t.Context(), c, s)
		if err != nil {
			t.Fatal(err)
		}
		if r.Acknowledged == 0 || r.Lost > 0 || r.Duplicated > 0 || len(r.Others) > 0 {
			t.Errorf("%s: %d of %d lost, %d duplicated, %v; its files are in %s", s.Name, r.Lost, r.Acknowledged, r.Duplicated, r.Others, c.Dir)
		}
	}
}

func TestChoose(t *testing.T) {
	t.Parallel()
	if all, err := failover.Choose("all"); err != nil || len(all) != len(failover.Settings()) {
		t.Errorf("%d, %v", len(all), err)
	}
	if two, err := failover.Choose("redis-kill,postgres-kill"); err != nil || len(two) != 2 || two[1].Redis {
		t.Errorf("%v, %v", two, err)
	}
	if _, err := failover.Choose("redis-kill,flood"); err == nil {
		t.Error("what is no setting was chosen")
	}
}
