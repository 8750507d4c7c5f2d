package ingest

// Free is the memory that nobody holds.
func (a *Admission) Free() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.free
}

// Spend has another Budget decide; to be called before any request comes.
func (s *Service) Spend(b *Budget) { s.budget = b }
