package kube

import (
	"crypto/sha256"
	"sync"
	"time"
)

// digest stands for a token.
type digest [sha256.Size]byte

// decision is what was decided about a token: nil, or a fault.
type decision struct {
	err   error
	until time.Time
}

// decisions remembers a bounded number of decisions.
type decisions struct {
	max     int
	mu      sync.Mutex
	entries map[digest]decision
}

func newDecisions(limit int) *decisions {
	return &decisions{max: limit, entries: make(map[digest]decision)}
}

func (d *decisions) find(token digest, now time.Time) (found decision, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	found, ok = d.entries[token]
	return found, ok && now.Before(found.until)
}

// keep remembers a decision, unless it is over already. A full memory forgets what is over, or else any one: at worst
// that costs one more question.
func (d *decisions) keep(token digest, made decision, now time.Time) {
	if !now.Before(made.until) {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.entries) >= d.max {
		d.makeRoom(now)
	}
	d.entries[token] = made
}

func (d *decisions) makeRoom(now time.Time) {
	for token, old := range d.entries {
		if !now.Before(old.until) {
			delete(d.entries, token)
		}
	}
	for token := range d.entries {
		if len(d.entries) < d.max {
			return
		}
		delete(d.entries, token)
	}
}
