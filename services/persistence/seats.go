package persistence

import (
	"sync"

	"github.com/google/uuid"
)

// seats bounds what goes on for long at one replica: in all, and of one application with its own credential or one person.
// uuid.Nil is for administrators, of whom there are few.
type seats struct {
	most, own int
	full      error // there are no more
	mine      error // who asks has as many as one may have

	mu  sync.Mutex
	by  map[uuid.UUID]int
	all int
}

// seatOf is by what a sender's are counted.
func seatOf(who sender) uuid.UUID {
	switch who := who.(type) {
	case owner:
		return who.application.UID
	case person:
		return uuid.NewSHA1(uuid.Nil, []byte(who.user.Name))
	}
	return uuid.Nil
}

func (s *seats) total() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(s.all)
}

// enter admits one more; leave must be called when it goes.
func (s *seats) enter(by uuid.UUID) (leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= s.most {
		return nil, s.full
	}
	if by != uuid.Nil && s.by[by] >= s.own {
		return nil, s.mine
	}
	if s.by == nil {
		s.by = map[uuid.UUID]int{}
	}
	s.by[by]++
	s.all++
	return sync.OnceFunc(func() { s.leave(by) }), nil
}

func (s *seats) leave(by uuid.UUID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.by[by]--; s.by[by] == 0 {
		delete(s.by, by)
	}
}
