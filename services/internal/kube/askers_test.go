package kube

import (
	"fmt"
	"testing"
	"time"
)

// TestAskersAreForgotten when they have asked nothing for a while, and are never more than there is room for.
func TestAskersAreForgotten(t *testing.T) {
	t.Parallel()
	a, now := newAskers(), time.Now()
	spend := func(name string) (n int) {
		for a.take(name, now) == nil {
			n++
		}
		return n
	}
	for i := range maxPeople {
		if n := spend(fmt.Sprint(i)); n != ownBurst {
			t.Fatalf("asker %d may ask %d times at once", i, n)
		}
	}
	for name, want := range map[string]int{"late": ownBurst, "0": 0} {
		if n := spend(name); n != want {
			t.Errorf("%s may ask %d times beside all the others, want %d", name, n, want)
		}
	}
	if n := spend("later"); n != 0 || len(a.budgets) != maxPeople {
		t.Errorf("those without a budget of their own ask %d times more, and there are %d budgets", n, len(a.budgets))
	}
	now = now.Add(ownBurst * time.Second / ownPerSecond)
	if n := spend("latest"); n != ownBurst || len(a.budgets) != 1 {
		t.Errorf("afterwards a new one asks %d times, and there are %d budgets", n, len(a.budgets))
	}
}
