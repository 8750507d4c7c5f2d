package ingest

import "time"

// Free is the memory that nobody holds.
func (a *Admission) Free() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.free
}

// Spend has another Budget decide; to be called before any request comes.
func (s *Service) Spend(b *Budget) { s.budget = b }

// Patience has requests wait that long for their turns, and not turnPatience; to be called before any comes.
func (a *Admission) Patience(d time.Duration) { a.patience = d }
