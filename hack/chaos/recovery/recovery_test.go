package recovery_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/hack/chaos/build"
	"github.com/theeye-dev/theeye/hack/chaos/checker"
	"github.com/theeye-dev/theeye/hack/chaos/recovery"
	"github.com/theeye-dev/theeye/hack/chaos/rig"
)

// fixture is where runs are made.
type fixture struct {
	*testing.T
	dir string // PostgreSQL's user can pass it, which t.TempDir is not for
}

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{T: t}
	var err error
	f.dir, err = os.MkdirTemp("", "theeye-recovery-")
	f.must(err)
	f.Cleanup(func() {
		if !f.Failed() {
			_ = os.RemoveAll(f.dir)
		}
	})
	f.must(os.Chmod(f.dir, 0o711))
	f.must(build.Services(t.Context(), build.Options{Dir: filepath.Join(f.dir, "bin")}))
	return f
}

// run has clients post while a disaster happens, and returns what is not as promised, by kind.
func (f *fixture) run(d recovery.Disaster) (found map[checker.Invariant][]checker.Finding, dir string) {
	f.Helper()
	dir = filepath.Join(f.dir, d.Name)
	result, err := rig.Run(f.Context(), rig.Config{
		Seed: 1, Duration: time.Minute, Dir: dir, Binaries: filepath.Join(f.dir, "bin"), Clients: 8, Ingests: 2, Persistences: 2,
		Args: d.Args, Instead: d.Do, Say: f.Logf,
	})
	f.must(err)
	found = map[checker.Invariant][]checker.Finding{}
	for _, one := range result.Findings {
		found[one.Invariant] = append(found[one.Invariant], one)
	}
	if result.Evidence[checker.Acknowledged] == 0 {
		f.Error("nothing was accepted")
	}
	return found, dir
}

// none wants that nothing was found but of some kinds.
func (f *fixture) none(found map[checker.Invariant][]checker.Finding, except ...checker.Invariant) {
	f.Helper()
	for _, kind := range except {
		delete(found, kind)
	}
	for kind, all := range found {
		f.Errorf("%s ×%d, the first: %s", kind, len(all), all[0])
	}
}

// The procedures, one after the other: each runs an installation.
func TestDisasters(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Run("auth's database lost", func(t *testing.T) {
		f := &fixture{t, f.dir}
		found, _ := f.run(recovery.AuthLost())
		f.none(found)
	})
	f.Run("Redis lost", func(t *testing.T) {
		f := &fixture{t, f.dir}
		var lost time.Time
		found, dir := f.run(recovery.RedisLost(&lost))
		// What was accepted and not yet stored is gone, and its counters and conflicts with it.
		if n, most := len(found[checker.Lost]), f.acceptedBefore(dir, lost); n > most {
			t.Errorf("%d events are lost, and only %d were accepted in the last seconds", n, most)
		}
		f.none(found, checker.Lost, checker.Conflict, checker.Conservation)
	})
	f.Run("PostgreSQL restored", func(t *testing.T) {
		f := &fixture{t, f.dir}
		var erased recovery.Erased
		found, _ := f.run(recovery.PostgresRestored(&erased))
		// auth's tables are of then, too: who got a credential since is refused until it is sent again.
		f.none(found, checker.Credential, checker.Answer)
		if erased.Left != 0 {
			t.Errorf("%d events are back that were erased after the backup", erased.Left)
		}
	})
}

// unstored is how far storing is behind at most, where nothing is broken.
const unstored = 2 * time.Second

// acceptedBefore is how many events were accepted shortly before a moment.
func (f *fixture) acceptedBefore(dir string, lost time.Time) (n int) {
	f.Helper()
	h, err := rig.History(dir)
	f.must(err)
	for _, o := range h.Outcomes {
		if o.Status == http.StatusAccepted && o.At.Before(lost.Add(unstored)) && o.At.After(lost.Add(-unstored)) {
			n += len(o.Verdicts)
		}
	}
	return n
}
