package ingest

import (
	"context"
	"slices"
	"testing"

	"github.com/google/uuid"
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
	if turn.free != 1 || len(turn.waiting) > 0 || len(turn.order) > 0 {
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
	if turn.free != 1 {
		t.Error("a turn was lost")
	}
}
