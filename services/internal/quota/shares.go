package quota

import "time"

// shareWindow is how soon half of what shares know is forgotten: clients come to a replica and go within seconds.
const shareWindow = time.Second

// shares knows which part of an application's events this replica had lately.
type shares struct {
	mine, all float64 // events
	total     int64   // that were ever charged, when Redis last told
	since     int64   // when half was last forgotten
}

// count adds events of this replica.
func (s *shares) count(mine, now int64) {
	if now-s.since > shareWindow.Microseconds() {
		s.mine, s.all, s.since = s.mine/2, s.all/2, now
	}
	s.mine += float64(mine)
}

// tell adds what was charged by all since the last time, if there was one. A bucket that was forgotten counts from 0.
func (s *shares) tell(total int64, again bool) {
	if again && total > s.total {
		s.all += float64(total - s.total)
	}
	if !again {
		s.mine = 0 // of the same moments as all
	}
	s.total = total
}

// own is the share, at least what a lease is: of a replica that clients come to only now, and of one that knows nothing.
func (s *shares) own() float64 {
	if s.all <= 0 {
		return 1. / leaseParts
	}
	return max(1./leaseParts, min(1, s.mine/s.all))
}
