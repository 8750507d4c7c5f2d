package quota

import (
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/fault"
)

// TestStickyClientHasAll: a client that sticks to one of several replicas may send what the application may, at once
// and in pieces of any size.
func TestStickyClientHasAll(t *testing.T) {
	t.Parallel()
	s := newShared(t)
	replicas := s.replicas(3)
	for _, n := range []int{1, 50, 2000, 4000} {
		p, begin := limited(1, 8000), time.Now()
		taken := send(t, replicas[n%3], p, n)
		if most := 8000 + int(time.Since(begin)/time.Second) + 1; taken < 8000 || taken > most {
			t.Errorf("%d at a time: %d of 8000 let through", n, taken)
		}
		s.eventually(func() bool { return s.charged(p) == taken })
	}
}

// TestMoreThanTheBurst in one request is never let through, and costs the burst, whichever replica it comes to: the
// bucket is empty then, and owes nothing.
func TestMoreThanTheBurst(t *testing.T) {
	t.Parallel()
	s := newShared(t)
	replicas := s.replicas(2)
	p := limited(1, 1000)
	err := replicas[0].Of(p).Take(t.Context(), 5000)
	if e, ok := errors.AsType[*fault.Error](err); !ok || e.Code != fault.CodeTooManyEvents || !strings.Contains(e.Detail, "1000 events at once, and the request has 5000") {
		t.Fatalf("refused with %v", err)
	}
	s.eventually(func() bool { return s.charged(p) == 1000 })
	err = replicas[1].Of(p).Take(t.Context(), 1000)
	if e, ok := errors.AsType[*fault.Error](err); !ok || e.Code != fault.CodeRate || e.RetryAfter > 1000*time.Second {
		t.Errorf("the other replica refuses with %v", err)
	}
}

// TestReplicasTogether let through the limit and a lease each at most, of which the bucket keeps account.
func TestReplicasTogether(t *testing.T) {
	t.Parallel()
	s := newShared(t)
	replicas := s.replicas(3)
	p, begin := limited(1, 8000), time.Now()
	taken := sendAll(t, replicas, p)
	lease := int(Limit{1, 8000}.lease())
	if most := 8000 + 3*lease + int(time.Since(begin)/time.Second) + 1; sum(taken) < 8000 || sum(taken) > most {
		t.Errorf("%d of 8000 let through, %v", sum(taken), taken)
	}
	s.eventually(func() bool { return s.charged(p) == sum(taken) })
	t.Logf("of 8000 %v were let through, %d too many", taken, sum(taken)-8000)
}

// TestGivenBack is as if it had not been taken, for all replicas.
func TestGivenBack(t *testing.T) {
	t.Parallel()
	s := newShared(t)
	replicas := s.replicas(2)
	p := limited(1, 1000)
	for range 3 {
		a := replicas[0].Of(p)
		s.must(a.Take(t.Context(), 1000))
		a.GiveBack(1000)
	}
	s.eventually(func() bool { return s.charged(p) == 0 })
	s.must(replicas[1].Of(p).Take(t.Context(), 1000))
}

// TestCharged is off for all replicas, at most a full bucket at once, and what was not there is a debt.
func TestCharged(t *testing.T) {
	t.Parallel()
	s := newShared(t)
	replicas := s.replicas(2)
	p := limited(1, 1000)
	a := replicas[0].Of(p)
	a.Charge(0)
	a.Charge(10)
	s.must(a.Take(t.Context(), 900))
	a.Charge(5000)
	s.eventually(func() bool { return s.charged(p) == 1910 })
	if err := a.Exhausted(t.Context()); err == nil {
		t.Error("there is a debt, and more is let through")
	} else if wait := fault.ProblemOf(err).RetryAfter; wait < 850*time.Second || wait > 911*time.Second {
		t.Errorf("a debt of 910 events is paid back within %s", wait)
	}
	s.eventually(func() bool {
		return replicas[1].Of(p).Exhausted(t.Context()) != nil || replicas[1].Of(p).Take(t.Context(), 500) != nil
	})
}

// TestPublicEventsAreApart: what web pages send leaves the application's own clients what they may, and the other way
// round.
func TestPublicEventsAreApart(t *testing.T) {
	t.Parallel()
	l := newShared(t).replica()
	own := limited(1, 100)
	pages := own
	pages.Credential = ""
	if got := send(t, l, pages, 10); got != 100 {
		t.Errorf("pages sent %d", got)
	}
	if err := l.Of(pages).Take(t.Context(), 10); err == nil || !strings.Contains(err.Error(), "web pages of the application may send 1 events") {
		t.Errorf("pages are refused with %v", err)
	}
	if got := send(t, l, own, 10); got != 100 {
		t.Errorf("its clients sent %d", got)
	}
}

// TestWhoIsLimited: whoever has limits, and web pages.
func TestWhoIsLimited(t *testing.T) {
	t.Parallel()
	l := newShared(t).replica()
	own := limited(0, 0)
	own.Application.Policy.Limits = nil
	pages := own
	pages.Credential = ""
	if l.Of(own) != nil || l.Of(pages) != nil {
		t.Error("limited without limits, and a public rate of 0")
	}
	l.public = newLimit(7, 0)
	if a := l.Of(pages); a == nil || a.limit != (Limit{7, 14}) {
		t.Errorf("pages have %+v", a)
	}
	if (*Limiter)(nil).Of(pages) != nil {
		t.Error("limited by no Limiter")
	}
	var none *Allowance
	if none.Exhausted(t.Context()) != nil || none.Take(t.Context(), 1) != nil {
		t.Error("refused by no Allowance")
	}
	none.GiveBack(1)
	none.Charge(1)
	none.Header(nil)
}

// TestScriptsForgotten: Redis is told the script again.
func TestScriptsForgotten(t *testing.T) {
	t.Parallel()
	s := newShared(t)
	l, p := s.replica(), limited(1, 1000)
	for n := range 3 {
		s.must(s.client.ScriptFlush(t.Context()).Err())
		s.must(l.Of(p).Take(t.Context(), 100)) // settled
		s.eventually(func() bool { return s.charged(p) == 300*n+100 })
		s.must(s.client.ScriptFlush(t.Context()).Err())
		s.must(l.Of(p).Take(t.Context(), 200)) // asked for
		s.eventually(func() bool { return s.charged(p) == 300*n+300 })
	}
}

// TestPolicyOfTheMoment: a limit that changes counts for the next request.
func TestPolicyOfTheMoment(t *testing.T) {
	t.Parallel()
	l, p := newShared(t).replica(), limited(1, 1000)
	send(t, l, p, 100)
	raised := *p.Application
	raised.Policy.Limits = &registry.Limits{EventsPerSecond: registry.MaxRate, Burst: 1000}
	p.Application = &raised
	if err := l.Of(p).Take(t.Context(), 1); err != nil {
		t.Errorf("with a high rate: %v", err)
	}
	raised.Policy.Limits = nil
	if l.Of(p) != nil {
		t.Error("limited without limits")
	}
}

// TestForgotten: what nobody asks for any more, as of an application that was deleted, is not kept.
func TestForgotten(t *testing.T) {
	t.Parallel()
	s := newShared(t)
	l, p := s.replica(), limited(1000, 1000)
	s.must(l.Of(p).Take(t.Context(), 1))
	s.eventually(func() bool { return s.charged(p) == 1 })
	if l.forget(l.now()); len(l.meters) != 1 {
		t.Error("forgotten at once")
	}
	s.eventually(func() bool { // once the answer to its bill has come, too
		l.forget(l.now() + 2*keepMeters.Microseconds())
		return len(l.meters) == 0
	})
	s.eventually(func() bool { return s.client.DBSize(t.Context()).Val() == 0 })
}

// TestFrozenRedis: nobody waits for it for longer than one request's patience, replicas let through the part that they
// had of the limit, and keep it together again afterwards.
func TestFrozenRedis(t *testing.T) {
	t.Parallel()
	s := newShared(t)
	replicas, p := s.replicas(2), limited(1, 8000)
	for n := range 10 {
		for _, l := range replicas {
			s.must(l.Of(p).Take(t.Context(), 100))
		}
		s.eventually(func() bool { return s.charged(p) == 200*n+200 })
	}
	s.must(s.redis.Signal(syscall.SIGSTOP))
	begin := time.Now()
	taken := sendAll(t, replicas, p)
	if waited := time.Since(begin); waited > 2*time.Second {
		t.Errorf("%d requests took %s", sum(taken), waited)
	}
	for i, got := range taken { // half of 8000, as far as shares are known, and a lease
		if got < 2000 || got > 6000 {
			t.Errorf("replica %d let %d through", i, got)
		}
	}
	t.Logf("alone %v were let through", taken)
	s.eventually(func() bool { return strings.Count(s.log.String(), "limits are kept by this replica alone") == 2 })
	s.must(s.redis.Signal(syscall.SIGCONT))
	s.eventually(func() bool { return strings.Count(s.log.String(), "limits are kept together again") == 2 })
	// What Redis was told and asked just before is not told again: nobody knows what became of it.
	s.eventually(func() bool { return s.charged(p) >= 2000+sum(taken)-2*(int(Limit{1, 8000}.lease())+20) })
}

// TestFullRedis refuses to write, and limits go on.
func TestFullRedis(t *testing.T) {
	t.Parallel()
	s := newShared(t)
	l, p := s.replica(), limited(1, 8000)
	s.must(l.Of(p).Take(t.Context(), 2000))
	s.must(s.client.ConfigSet(t.Context(), "maxmemory", "1").Err())
	if got := send(t, l, p, 10); got < 1000 || got > 8000 {
		t.Errorf("%d let through", got)
	}
	s.eventually(func() bool { return strings.Contains(s.log.String(), "OOM") })
	s.must(s.client.ConfigSet(t.Context(), "maxmemory", "0").Err())
	s.eventually(func() bool { return strings.Contains(s.log.String(), "together again") })
}

// TestSettledAtTheEnd: what was spent just before a replica stops counts elsewhere.
func TestSettledAtTheEnd(t *testing.T) {
	t.Parallel()
	p := limited(1, 1000)
	s := newShared(t)
	t.Run("replica", func(t *testing.T) {
		of := &shared{T: t, redis: s.redis}
		of.must(of.replica().Of(p).Take(t.Context(), 3))
	})
	if got := s.charged(p); got != 3 {
		t.Errorf("%d charged", got)
	}
}
