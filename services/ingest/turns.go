package ingest

import (
	"context"
	"slices"
	"sync"
)

// turns lets few work at the same moment. Whoever waits is served in turn by owner, so that one owner's crowd delays
// another by one piece of work and not by all of its own.
type turns struct {
	mu      sync.Mutex
	left    int
	waiting map[owner][]chan struct{}
	order   []owner // that wait, as they come next
}

func newTurns(n int) *turns { return &turns{left: n, waiting: map[owner][]chan struct{}{}} }

// free takes a turn that nobody has; false: there is none.
func (t *turns) free() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.left == 0 {
		return false
	}
	t.left--
	return true
}

// take waits for a turn, which done ends; false: the context ended before.
func (t *turns) take(ctx context.Context, o owner) bool {
	t.mu.Lock()
	if t.left > 0 {
		t.left--
		t.mu.Unlock()
		return true
	}
	mine := make(chan struct{})
	if len(t.waiting[o]) == 0 {
		t.order = append(t.order, o)
	}
	t.waiting[o] = append(t.waiting[o], mine)
	t.mu.Unlock()
	select {
	case <-mine:
		return true
	case <-ctx.Done():
		t.leave(o, mine)
		return false
	}
}

// done passes a turn on.
func (t *turns) done() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.order) == 0 {
		t.left++
		return
	}
	o := t.order[0]
	t.order = t.order[1:]
	next := t.waiting[o][0]
	if t.waiting[o] = t.waiting[o][1:]; len(t.waiting[o]) > 0 {
		t.order = append(t.order, o)
	} else {
		delete(t.waiting, o)
	}
	close(next)
}

// leave gives up waiting, or the turn that came at the same moment.
func (t *turns) leave(o owner, mine chan struct{}) {
	t.mu.Lock()
	place := slices.Index(t.waiting[o], mine)
	if place < 0 {
		t.mu.Unlock()
		t.done()
		return
	}
	defer t.mu.Unlock()
	if t.waiting[o] = slices.Delete(t.waiting[o], place, place+1); len(t.waiting[o]) == 0 {
		delete(t.waiting, o)
		t.order = slices.DeleteFunc(t.order, func(other owner) bool { return other == o })
	}
}
