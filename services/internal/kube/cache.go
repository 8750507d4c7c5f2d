package kube

import (
	"sync"
	"time"
)

// answer is what was decided about a question: a value, or the fault that refuses it.
type answer[V any] struct {
	value V
	err   error
	until time.Time
}

// memory remembers a bounded number of answers, by questions.
type memory[V any] struct {
	max     int
	mu      sync.Mutex
	entries map[string]answer[V]
}

func newMemory[V any](limit int) *memory[V] {
	return &memory[V]{max: limit, entries: make(map[string]answer[V])}
}

func (m *memory[V]) find(question string, now time.Time) (found answer[V], ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found, ok = m.entries[question]
	return found, ok && now.Before(found.until)
}

// keep remembers an answer, unless it is over already. A full memory forgets what is over, or else a part of what it
// has, whichever: at worst that costs the questions again.
func (m *memory[V]) keep(question string, made answer[V], now time.Time) {
	if !now.Before(made.until) {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.entries) >= m.max {
		m.makeRoom(now)
	}
	m.entries[question] = made
}

// roomMade is the part of a full memory that is forgotten at once: looking through all of it is not done for each answer.
const roomMade = 16

func (m *memory[V]) makeRoom(now time.Time) {
	for question, old := range m.entries {
		if !now.Before(old.until) {
			delete(m.entries, question)
		}
	}
	for question := range m.entries {
		if len(m.entries) < m.max-m.max/roomMade {
			return
		}
		delete(m.entries, question)
	}
}
