package event

import (
	"crypto/rand"
	"encoding/binary"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Sequence numbers what ingest has received: unique, and ordered by received time. It is a UUIDv7 (RFC 9562, section
// 6.2, methods 1 and 3): 48 bits of Unix milliseconds, 12 bits of 1/4096 ms, 30 bits of counter, 32 bits that tell the
// replica.
type Sequence = uuid.UUID

// Sequencer hands out the sequences of one replica. It is safe for concurrent use.
type Sequencer struct {
	mu      sync.Mutex
	now     func() time.Time
	replica uint32
	tick    uint64 // Unix time in 1/4096 ms
	count   uint32 // within the tick
	counted uint64 // items that were numbered
}

const maxCount = 1<<30 - 1

// NewSequencer returns a Sequencer with a random replica number.
func NewSequencer(now func() time.Time) *Sequencer {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return &Sequencer{now: now, replica: binary.BigEndian.Uint32(b[:])}
}

// Next reserves n sequences that follow one another and returns the first, with the time it tells. A clock that steps
// back does not: the sequence goes on from where it was.
func (s *Sequencer) Next(n int) (Sequence, time.Time) {
	now := s.now()
	tick := uint64(now.UnixMilli())<<12 | uint64(now.Nanosecond()%1e6)<<12/1e6
	s.mu.Lock()
	defer s.mu.Unlock()
	if tick > s.tick {
		s.tick, s.count = tick, 0
	}
	if s.count > maxCount-uint32(n) {
		s.tick, s.count = s.tick+1, 0
	}
	first := s.count
	s.count += uint32(n)
	return compose(s.tick, first, s.replica), now.UTC().Truncate(time.Microsecond)
}

// Number numbers n counted items and returns the first one's number. Numbers are the replica's own, from 1, and leave no
// gap: that they were settled is noted in one bit each.
func (s *Sequencer) Number(n int) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.counted + 1
	s.counted += uint64(n)
	return first
}

// Replica tells which replica gave a sequence.
func Replica(q Sequence) uint32 { return binary.BigEndian.Uint32(q[12:]) }

func compose(tick uint64, count, replica uint32) Sequence {
	var q Sequence
	binary.BigEndian.PutUint64(q[:8], tick>>12<<16|7<<12|tick&0xfff)
	binary.BigEndian.PutUint64(q[8:], 0b10<<62|uint64(count)<<32|uint64(replica))
	return q
}

// Nth returns the sequence of the n-th item of a reservation that begins with q.
func Nth(q Sequence, n int) Sequence {
	low := binary.BigEndian.Uint64(q[8:])
	binary.BigEndian.PutUint64(q[8:], low+uint64(n)<<32)
	return q
}
