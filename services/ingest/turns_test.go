package ingest

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

// TestTurnsGoRoundByOwner has a crowd wait before one other comes.
func TestTurnsGoRoundByOwner(t *testing.T) {
	t.Parallel()
	crowd, other := owner{application: uuid.UUID{1}}, owner{application: uuid.UUID{1}, public: true}
	turn := newTurns(1)
	if !turn.take(t.Context(), crowd) {
		t.Fatal("a free turn was not to be had")
	}
	served := make(chan owner, 8)
	wait := func(ctx context.Context, o owner, n int) {
		go func() {
			if turn.take(ctx, o) {
				served <- o
			}
		}()
		eventually(t, func() bool {
			turn.mu.Lock()
			defer turn.mu.Unlock()
			return len(turn.waiting[o]) == n
		})
	}
	gone, cancel := context.WithCancel(t.Context())
	for n := range 3 {
		wait(t.Context(), crowd, n+1)
	}
	wait(t.Context(), other, 1)
	wait(gone, other, 2)
	cancel()
	eventually(t, func() bool {
		turn.mu.Lock()
		defer turn.mu.Unlock()
		return len(turn.waiting[other]) == 1
	})
	var order []owner
	for range 4 {
		turn.done()
		order = append(order, <-served)
	}
	turn.done()
	if want := []owner{crowd, other, crowd, crowd}; !slices.Equal(order, want) {
		t.Errorf("served %v", order)
	}
	if turn.left != 1 || len(turn.waiting) > 0 || len(turn.order) > 0 {
		t.Errorf("left behind: %+v", turn)
	}
}

// TestTurnThatComesTooLateIsPassedOn: whoever gives up in the very moment of its turn keeps nobody waiting.
func TestTurnThatComesTooLateIsPassedOn(t *testing.T) {
	t.Parallel()
	turn, late := newTurns(1), owner{}
	turn.take(t.Context(), late)
	mine := make(chan struct{})
	turn.waiting[late], turn.order = []chan struct{}{mine}, []owner{late}
	turn.done()
	<-mine
	turn.leave(late, mine)
	if turn.left != 1 {
		t.Error("a turn was lost")
	}
}

// TestNobodyWaitsForEver: a request gives up when it has waited for too long for all its turns together, and is told so
// with the time after which to come again; whoever has the turn keeps it.
func TestNobodyWaitsForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := NewAdmission(MinRequestMemory)
		first, second := &hold{admission: a}, &hold{admission: a}
		var ends []func()
		for range a.heavy.left {
			done, err := first.turn(t.Context(), lightBytes+1)
			if err != nil {
				t.Fatal(err)
			}
			ends = append(ends, done)
		}
		time.AfterFunc(turnPatience-time.Second, ends[0])
		done, err := second.turn(t.Context(), lightBytes+1)
		if err != nil {
			t.Fatalf("within its patience: %v", err)
		}
		began := time.Now()
		if _, err = second.turn(t.Context(), lightBytes+1); time.Since(began) != time.Second {
			t.Errorf("it waited for %s more", time.Since(began))
		}
		if p := fault.ProblemOf(err); p.Code != fault.CodeOverloaded || p.RetryAfter != turnPatience {
			t.Errorf("answered %+v", p)
		}
		done()
		for _, end := range ends[1:] {
			end()
		}
		if a.heavy.left != len(ends) || len(a.heavy.waiting) > 0 {
			t.Errorf("left behind: %+v", a.heavy)
		}
	})
}

// TestMuchWorkChangesTurns: who finds out in the middle that there is much to do gives the turn for little back, waits for
// the other, and has only that one; asking again changes nothing.
func TestMuchWorkChangesTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := NewAdmission(MinRequestMemory)
		light, heavy := a.light.left, a.heavy.left
		var ends []func()
		for range heavy {
			done, err := (&hold{admission: a}).turn(t.Context(), lightBytes+1)
			if err != nil {
				t.Fatal(err)
			}
			ends = append(ends, done)
		}
		h := &hold{admission: a}
		done, err := h.turn(t.Context(), 1)
		if err != nil || a.light.left != light-1 {
			t.Fatalf("%d turns for little are left: %v", a.light.left, err)
		}
		changed := make(chan error)
		go func() { changed <- h.heavier(t.Context()) }()
		synctest.Wait()
		if a.light.left != light {
			t.Error("it waits with the turn for little")
		}
		for _, end := range ends {
			end()
		}
		if err := <-changed; err != nil {
			t.Fatal(err)
		}
		if err := h.heavier(t.Context()); err != nil || a.heavy.left != heavy-1 {
			t.Errorf("%d of %d turns for much are left: %v", a.heavy.left, heavy, err)
		}
		done()
		if a.light.left != light || a.heavy.left != heavy {
			t.Errorf("left behind: %d and %d turns", a.light.left, a.heavy.left)
		}
	})
}
