package ingest

import (
	"time"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

// leaving is how long bodies may still take when the process stops. Requests in hand have 15 s then (ops.Server.Stop):
// the rest is for storage, which has two budgets of 5 s. A body that takes longer would be cut off without an answer.
const leaving = 5 * time.Second

var errStopping = fault.New(fault.CodeShuttingDown, "this replica is stopping; nothing was stored; send again to another")

// close has bodies that are not here yet come within leaving.
func (a *Admission) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed.Store(true)
	a.until = time.Now().Add(leaving)
	for h := range a.reading {
		h.hurried = h.control.SetReadDeadline(a.until) == nil || h.hurried
	}
}

// beginBody has close know of a body that is about to be read, and endBody forget it.
func (h *hold) beginBody() {
	if h == nil || h.control == nil {
		return
	}
	a := h.admission
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reading[h] = struct{}{}
	if a.closed.Load() {
		h.hurried = h.control.SetReadDeadline(a.until) == nil
	}
}

// endBody gives what comes next of the connection its own time again, where the body had less.
func (h *hold) endBody(err error) {
	if h == nil || h.control == nil {
		return
	}
	h.admission.mu.Lock()
	defer h.admission.mu.Unlock()
	delete(h.admission.reading, h)
	if h.hurried && err == nil {
		_ = h.control.SetReadDeadline(time.Time{}) // what comes is an answer, which has its own
	}
}

// late says why a body came too slowly.
func (h *hold) late() error {
	if h != nil && h.admission.closed.Load() {
		return errStopping
	}
	return errSlow
}
