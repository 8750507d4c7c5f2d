package quota

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

// clock is Redis' own.
func (s *shared) clock() int64 {
	s.Helper()
	now, err := s.client.Time(s.Context()).Result()
	s.must(err)
	return now.UnixMicro()
}

// TestScript holds settle.lua against the model of the other tests: between what that says at the moments before and
// after. Figures go to the largest that a policy may have.
func TestScript(t *testing.T) {
	t.Parallel()
	s := newShared(t)
	rapid.Check(t, func(t *rapid.T) {
		l := drawLimit(t)
		m := newMeter(id{application: uuid.New()}, l, 0)
		level := rapid.Int64Range(-10_000*unit, l.full()).Draw(t, "level")
		at := s.clock() - rapid.Int64Range(-unit, 1000*unit).Draw(t, "ago")
		s.must(s.client.HSet(s.Context(), m.id.key(), "level", level, "at", at, "total", 7).Err())
		b := bill{
			meter: m, limit: l, spent: rapid.Int64Range(-100, 10_000).Draw(t, "spent"),
			span: rapid.Int64Range(0, 10*unit).Draw(t, "span"), asked: rapid.Int64Range(0, 5000).Draw(t, "asked"),
		}
		model := func(now int64) answer {
			o := one{bucket{level, min(at, now)}, 7}
			return o.settle(b, now)
		}
		sooner := model(s.clock())
		got, err := answerOf(settleScript.Run(s.Context(), s.client, b.keys(), b.arguments()...))
		s.must(err)
		later := model(s.clock())
		if sooner.granted != later.granted {
			return // it depends on the moment
		}
		if got.granted != sooner.granted || got.total != sooner.total || got.level < sooner.level || got.level > later.level {
			t.Fatalf("%+v, want between %+v and %+v", got, sooner, later)
		}
	})
}

// TestBucketExpires when it is full, and not before.
func TestBucketExpires(t *testing.T) {
	t.Parallel()
	s := newShared(t)
	p := limited(10, 100)
	b := bill{meter: newMeter(id{application: p.Application.UID}, Limit{10, 100}, 0), limit: Limit{10, 100}, spent: 50}
	s.must(settleScript.Run(s.Context(), s.client, b.keys(), b.arguments()...).Err())
	ttl, err := s.client.PTTL(s.Context(), b.keys()[0]).Result()
	s.must(err)
	if ttl < 5*time.Second || ttl > 6*time.Second {
		t.Errorf("half a bucket of 10 s is kept for %s", ttl)
	}
}

// TestClockOfRedisSetBack gives nothing and takes nothing.
func TestClockOfRedisSetBack(t *testing.T) {
	t.Parallel()
	s := newShared(t)
	i := id{application: uuid.New()}
	s.must(s.client.HSet(t.Context(), i.key(), "level", 5*unit, "at", s.clock()+3600*unit).Err())
	b := bill{meter: newMeter(i, Limit{1, 10}, 0), limit: Limit{1, 10}}
	for range 2 {
		got, err := answerOf(settleScript.Run(t.Context(), s.client, b.keys(), b.arguments()...))
		s.must(err)
		if got.level < 5*unit || got.level > 6*unit {
			t.Errorf("level %d", got.level)
		}
	}
	at, err := s.client.HGet(t.Context(), i.key(), "at").Result()
	s.must(err)
	if now := s.clock(); number(t, at) > now {
		t.Errorf("the bucket is of %s, and it is %d", at, now)
	}
}

// TestKeysOfAnApplication are in one slot of a cluster, and no other application's are there by them.
func TestKeysOfAnApplication(t *testing.T) {
	t.Parallel()
	i := uuid.MustParse("8f14e45f-ceea-467a-9575-6d1a2c6b1a11")
	if got := (id{i, false}).key(); got != "theeye:limits:{8f14e45f-ceea-467a-9575-6d1a2c6b1a11}" {
		t.Error(got)
	}
	if got := (id{i, true}).key(); got != "theeye:limits:{8f14e45f-ceea-467a-9575-6d1a2c6b1a11}:public" {
		t.Error(got)
	}
}
