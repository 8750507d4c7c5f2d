package nemesis_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/hack/chaos/history"
	"github.com/theeye-dev/theeye/hack/chaos/nemesis"
)

func TestEveryFaultComesUpAndNoTargetIsStruckTwiceAtOnce(t *testing.T) {
	t.Parallel()
	file, err := history.Create(filepath.Join(t.TempDir(), "history.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var mu sync.Mutex
	struck := 0
	running, times := map[nemesis.Target]bool{}, map[string]int{}
	fault := func(name string, on nemesis.Target) nemesis.Fault {
		return nemesis.Fault{Name: name, On: on, Do: func(context.Context, *nemesis.Strike) (string, error) {
			mu.Lock()
			if running[on] {
				t.Errorf("%s is struck twice at once", on)
			}
			running[on] = true
			mu.Unlock()
			mu.Lock()
			defer mu.Unlock()
			running[on] = false
			struck++
			times[name]++
			if len(times) == 4 && min(times["a"], times["b"], times["c"], times["d"]) >= 2 {
				cancel()
			}
			return "done", nil
		}}
	}
	n := &nemesis.Nemesis{File: file, Seed: 1, Say: t.Logf, Faults: []nemesis.Fault{
		fault("a", nemesis.Redis), fault("b", nemesis.Redis), fault("c", nemesis.Redis), fault("d", nemesis.Postgres),
		{Name: "long", Lasts: time.Hour},
	}}
	n.Run(ctx)
	for _, f := range file.History().Faults {
		if f.Effect != "done" || f.Target == "" || f.Until.Before(f.At) {
			t.Errorf("written down as %+v", f)
		}
	}
	if len(file.History().Faults) != struck {
		t.Errorf("%d faults are written down, %d were struck", len(file.History().Faults), struck)
	}
}

func TestChoose(t *testing.T) {
	t.Parallel()
	if all, err := nemesis.Choose(nemesis.Catalogue(), "all"); err != nil || len(all) != len(nemesis.Catalogue()) {
		t.Errorf("%d of %d, %v", len(all), len(nemesis.Catalogue()), err)
	}
	if none, err := nemesis.Choose(nemesis.Catalogue(), "none"); err != nil || none != nil {
		t.Errorf("%v %v", none, err)
	}
	if two, err := nemesis.Choose(nemesis.Catalogue(), "kill-redis,scale"); err != nil || len(two) != 2 || two[1].Name != "scale" {
		t.Errorf("%v %v", two, err)
	}
	if _, err := nemesis.Choose(nemesis.Catalogue(), "kill-redis,flood"); err == nil {
		t.Error("what is no fault was chosen")
	}
	for _, catalogue := range [][]nemesis.Fault{nemesis.Catalogue(), nemesis.ClusterCatalogue()} {
		seen := map[string]bool{}
		for _, name := range nemesis.Names(catalogue) {
			if seen[name] {
				t.Errorf("two faults are called %s", name)
			}
			seen[name] = true
		}
	}
}
