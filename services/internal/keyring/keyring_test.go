package keyring

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/fault"
)

// failed is nil when err is a fault of this code and kind.
func failed(err error, kind fault.Kind, code fault.Code) error {
	var e *fault.Error
	if !errors.As(err, &e) || e.Code != code || fault.KindOf(err) != kind {
		return fmt.Errorf("got %w, want %s", err, code)
	}
	return nil
}

func denied(err error) error   { return failed(err, fault.Denied, fault.CodeUnauthenticated) }
func starting(err error) error { return failed(err, fault.Unavailable, fault.CodeStarting) }
func away(err error) error     { return failed(err, fault.Unavailable, fault.CodeUnavailable) }

// errOf is the error with which the ring answers a key.
func (f *fixture) errOf(key string) error {
	_, err := f.ring.Authenticate(context.Background(), "", key)
	return err
}

// TestStory follows a log from before it is complete: snapshot, changes, revocation, deletion.
func TestStory(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.follow()
	a, keyA := app("a", 1)
	f.write(a)
	f.neverDuring(200*time.Millisecond, "an incomplete log was read", func() bool { return starting(f.errOf(keyA)) != nil })
	if f.ring.Application(a.UID.String()) != nil || starting(f.ring.Read()) != nil || starting(f.ring.Ready()) != nil {
		t.Error("known before the log is complete")
	}
	f.complete()
	f.within(promise, "snapshot", func() error { return f.knows(a, keyA) })
	if err := errors.Join(f.ring.Read(), f.ring.Ready()); err != nil {
		t.Error(err)
	}

	b, keyB := app("b", 2)
	f.write(b)
	f.within(promise, "a new application", func() error { return f.knows(b, keyB) })
	b.Revision, b.Policy.Suspended = 3, true
	f.write(b)
	f.within(promise, "a change", func() error { return f.knows(b, keyB) })
	if got := f.ring.Application("shop/b"); got == nil || !got.Policy.Suspended || got != f.ring.Application(b.UID.String()) {
		t.Errorf("shop/b is %+v", got)
	}

	b.Revision, b.Credentials = 4, nil
	f.write(b)
	f.within(promise, "a revocation", func() error { return denied(f.errOf(keyB)) })
	a.Revision, a.Deleted = 5, true
	f.write(a)
	f.within(promise, "a deletion", func() error { return denied(f.errOf(keyA)) })
	if f.ring.Application(a.UID.String()) != nil || f.ring.Application("shop/a") != nil || f.ring.Application("shop/b") == nil {
		t.Error("the wrong application was deleted")
	}
}

// neverDuring fails when something is so at any time within a while.
func (f *fixture) neverDuring(while time.Duration, what string, so func() bool) {
	f.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(while); time.Now().Before(end); <-ticker.C {
		if so() {
			f.Fatal(what)
		}
	}
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	now := time.Now()
	f.ring = New(func() time.Time { return now })
	a, key := app("a", 1)
	b, _ := app("b", 1)
	ending := apikey.New("test", a.ClientID, "2")
	ended := apikey.New("test", a.ClientID, "3")
	later, earlier := now.Add(time.Hour), now.Add(-time.Nanosecond)
	a.Credentials = append(a.Credentials,
		registry.Credential{ID: "2", SHA256: registry.Digest(apikey.HashOf(ending)), NotAfter: &later},
		registry.Credential{ID: "3", SHA256: registry.Digest(apikey.HashOf(ended)), NotAfter: &earlier})
	f.write(a, b)
	f.complete()
	f.snapshot()
	for name, c := range map[string]struct{ clientID, key, credential, says string }{
		"bearer":             {"", key, "1", ""},
		"basic":              {a.ClientID, key, "1", ""},
		"basic of another":   {b.ClientID, key, "", "of another client id"},
		"basic of nobody":    {"x", key, "", "another client id"},
		"the second":         {"", ending, "2", ""},
		"expired":            {"", ended, "", "expired"},
		"expired, basic":     {a.ClientID, ended, "", "expired"},
		"unknown":            {"", apikey.New("test", a.ClientID, "1"), "", "unknown or revoked"},
		"mistyped":           {"", key[:len(key)-1] + string('0'+(key[len(key)-1]-'0'+1)%10), "", "mistyped"},
		"cut off":            {"", key[:len(key)-1], "", "cut off"},
		"empty":              {"", "", "", "cut off"},
		"another's password": {a.ClientID, "hunter2", "", "mistyped"},
		"very long":          {"", strings.Repeat("e", 1<<20), "", "mistyped"},
	} {
		p, err := f.ring.Authenticate(context.Background(), c.clientID, c.key)
		if c.says == "" {
			if err != nil || p.Application.UID != a.UID || p.Credential != c.credential {
				t.Errorf("%s: got %+v, %v", name, p, err)
			}
			continue
		}
		if denied(err) != nil || !strings.Contains(err.Error(), c.says) || p != (Principal{}) {
			t.Errorf("%s: got %+v, %v", name, p, err)
		}
		if c.key != "" && strings.Contains(err.Error(), c.key) {
			t.Errorf("%s: the error shows the key", name)
		}
	}
	// A key expires at its very moment, not only with the next change.
	now = later
	f.ring.fresh.Store(&now)
	if err := f.errOf(ending); denied(err) != nil {
		t.Errorf("at the deadline: %v", err)
	}
}

func TestOlderRevisionsAreIgnored(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, key := app("a", 10)
	f.write(a)
	f.complete()
	f.follow()
	f.within(patience, "snapshot", func() error { return f.knows(a, key) })
	older := a
	older.Revision, older.Credentials = 9, nil
	deleted := older
	deleted.Deleted = true
	last, lastKey := app("z", 11)
	f.write(older, deleted, last)
	f.within(promise, "what comes after", func() error { return f.knows(last, lastKey) })
	if err := f.knows(a, key); err != nil {
		t.Error(err)
	}
	again := a // the same revision, as a repair writes it
	again.Policy.DisplayName = "again"
	f.write(again)
	f.within(promise, "the same revision again", func() error {
		if got := f.ring.Application("shop/a"); got.Policy.DisplayName != "again" {
			return errors.New("not applied")
		}
		return nil
	})
}

// TestALogThatWentBackGivesNothingBack: a replica of Redis that takes over may not have what was revoked just before. Who
// knows of it does not forget it; what auth writes after that holds.
func TestALogThatWentBackGivesNothingBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, key := app("a", 1)
	revoked := a
	revoked.Revision, revoked.Credentials = 2, nil
	f.write(a, revoked)
	f.complete()
	f.follow()
	f.within(patience, "the revocation", func() error { return denied(f.errOf(key)) })
	f.flush()
	other, otherKey := app("other", 1)
	f.write(a, other)
	f.complete()
	f.within(patience, "the log as it was", func() error { return f.knows(other, otherKey) })
	if err := denied(f.errOf(key)); err != nil {
		t.Errorf("a revoked key: %v", err)
	}
	again := a
	again.Revision = 3
	f.write(again)
	f.within(promise, "a newer record", func() error { return f.knows(again, key) })
}

// TestNameReuse deletes a resource and makes another of the same name: the younger has the name, whichever is deleted
// or seen first.
func TestNameReuse(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	old, keyOld := app("same", 1)
	young, keyYoung := app("same", 2)
	f.write(young, old)
	f.complete()
	f.follow()
	f.within(patience, "both", func() error { return errors.Join(f.knows(old, keyOld), f.knows(young, keyYoung)) })
	if got := f.ring.Application("shop/same"); got.UID != young.UID {
		t.Errorf("the name leads to %s, want the younger", got.UID)
	}
	old.Revision, old.Deleted = 3, true
	f.write(old)
	f.within(promise, "deletion", func() error { return denied(f.errOf(keyOld)) })
	if got := f.ring.Application("shop/same"); got == nil || got.UID != young.UID {
		t.Errorf("after the old one's deletion the name leads to %+v", got)
	}
	if f.ring.Application("shop/other") != nil || f.ring.Application(uuid.NewString()) != nil {
		t.Error("found what is not there")
	}
}

// TestGaps breaks the chain in the ways that happen; a snapshot must heal each.
func TestGaps(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(f *fixture){
		// The log lost entries that this reader has not seen, as after an outage of its own.
		"trimmed":     func(f *fixture) { f.client.XTrimMaxLen(context.Background(), registry.LogKey, 1) },
		"emptied":     func(f *fixture) { f.client.XTrimMaxLen(context.Background(), registry.LogKey, 0) },
		"log deleted": func(f *fixture) { f.client.Del(context.Background(), registry.LogKey) },
		"hole":        func(f *fixture) { f.client.XDel(context.Background(), registry.LogKey, f.tail) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			a, key := app("a", 1)
			f.write(a)
			f.complete()
			f.snapshot()
			changed := a
			changed.Revision = 2
			b, keyB := app("b", 3)
			f.write(changed, b) // this reader misses both
			lose(f)
			f.follow()
			f.within(promise, "a new snapshot", func() error { return errors.Join(f.knows(changed, key), f.knows(b, keyB)) })
			changed.Revision = 4
			f.write(changed)
			f.within(promise, "following again", func() error { return f.knows(changed, key) })
		})
	}
}

// TestPreviousMismatch writes an entry that does not follow the last one, and the truth into the hash only.
func TestPreviousMismatch(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, key := app("a", 1)
	f.write(a)
	f.complete()
	f.follow()
	f.within(patience, "snapshot", func() error { return f.knows(a, key) })
	b, keyB := app("b", 2)
	c, keyC := app("c", 3)
	f.write(b)
	f.mu.Lock()
	f.client.XDel(t.Context(), registry.LogKey, f.tail)
	f.mu.Unlock()
	f.write(c)
	f.within(promise, "the entry that is gone", func() error { return errors.Join(f.knows(b, keyB), f.knows(c, keyC)) })
}

// TestFlushWhileFollowing: Redis lost the log. Nobody is let in or sent away before auth has written it again.
func TestFlushWhileFollowing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, key := app("a", 1)
	f.write(a)
	f.complete()
	f.follow()
	f.within(patience, "snapshot", func() error { return f.knows(a, key) })
	f.flush()
	f.neverDenied(key, func() {
		f.within(promise, "unavailable", func() error { return away(f.errOf(key)) })
		if err := f.ring.Read(); err != nil {
			t.Errorf("a replica of which only the log is away: %v", err)
		}
		f.write(a)
		f.neverDuring(100*time.Millisecond, "an incomplete log was read", func() bool { return away(f.errOf(key)) != nil })
		f.complete()
		f.within(promise, "healed", func() error { return f.knows(a, key) })
	})
}

// TestFrozenRedis freezes Redis: within a second nobody may be let in, for a revocation could be missed.
func TestFrozenRedis(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, key := app("a", 1)
	f.write(a)
	f.complete()
	f.follow()
	f.within(patience, "snapshot", func() error { return f.knows(a, key) })
	f.neverDenied(key, func() {
		f.signal(syscall.SIGSTOP)
		f.within(promise, "unavailable", func() error { return away(f.errOf(key)) })
		if err := away(f.ring.Ready()); err != nil {
			t.Error(err)
		}
		f.signal(syscall.SIGCONT)
		f.within(patience, "healed", func() error { return f.knows(a, key) })
	})
}

func TestRedisRestarts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, key := app("a", 1)
	f.write(a)
	f.complete()
	f.follow()
	f.within(patience, "snapshot", func() error { return f.knows(a, key) })
	f.neverDenied(key, func() {
		if err := f.server.Kill(); err != nil {
			t.Fatal(err)
		}
		f.within(promise, "unavailable", func() error { return away(f.errOf(key)) })
		if err := f.server.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.within(patience, "healed", func() error { return f.knows(a, key) })
	})
}

// neverDenied authenticates all the time while something happens.
func (f *fixture) neverDenied(key string, while func()) {
	f.Helper()
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			if err := f.errOf(key); fault.KindOf(err) == fault.Denied {
				f.Errorf("a valid key was answered %v", err)
				return
			}
		}
	})
	defer wg.Wait()
	defer close(done)
	while()
}

// TestClockSetBack: what was fresh when the clock was an hour ahead is stale all the same.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, key := app("a", 1)
	f.write(a)
	f.complete()
	// A test cannot set the wall clock back: that the monotonic reading is there must do. Round(0) takes it away.
	f.snapshot()
	if err := f.knows(a, key); err != nil {
		t.Fatal(err)
	}
	if fresh := *f.ring.fresh.Load(); fresh == fresh.Round(0) {
		t.Error("freshness is kept by the wall clock")
	}
}

// TestUnreadableRecord harms nobody but its own application, whose clients are told to try again.
func TestUnreadableRecord(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"in the snapshot", "in the tail"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			good, keyGood := app("good", 1)
			broken, keyBroken := app("broken", 2)
			f.write(good, broken)
			f.complete()
			if when == "in the tail" {
				f.follow()
				f.within(patience, "snapshot", func() error { return f.knows(broken, keyBroken) })
			}
			f.writeRaw(broken.UID, `{"uid":"`+broken.UID.String()+`","revision":"three"}`)
			if when == "in the snapshot" {
				f.follow()
			}
			f.within(patience, "the unreadable record", func() error { return away(f.errOf(keyBroken)) })
			other, keyOther := app("other", 4)
			f.write(other)
			f.within(promise, "another application", func() error { return errors.Join(f.knows(good, keyGood), f.knows(other, keyOther)) })
			if err := away(f.errOf(keyBroken)); err != nil {
				t.Error(err)
			}
			broken.Revision = 5
			f.write(broken)
			f.within(promise, "healed", func() error { return f.knows(broken, keyBroken) })
			unknown := apikey.New("test", broken.ClientID, "9")
			if err := denied(f.errOf(unknown)); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestMarkerLost takes only the marker away.
func TestMarkerLost(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, key := app("a", 1)
	f.write(a)
	f.complete()
	f.follow()
	f.within(patience, "snapshot", func() error { return f.knows(a, key) })
	f.client.HDel(t.Context(), registry.LatestKey, registry.FieldComplete)
	f.within(promise, "unavailable", func() error { return away(f.errOf(key)) })
	f.complete()
	f.within(promise, "healed", func() error { return f.knows(a, key) })
}

// TestFreshWhileTheLogGrows takes every step while there is news: a log that grows as fast as it is read is no reason
// to turn anybody away.
func TestFreshWhileTheLogGrows(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, _ := app("a", 1)
	f.write(a)
	f.complete()
	follower := f.snapshot()
	for range 3 {
		a.Revision++
		f.write(a)
		begin := time.Now()
		if err := follower.step(t.Context()); err != nil {
			t.Fatal(err)
		}
		if fresh := *f.ring.fresh.Load(); fresh.Before(begin) || f.ring.Application("shop/a").Revision != a.Revision {
			t.Fatalf("at revision %d fresh since %s", a.Revision, time.Since(fresh))
		}
	}
}

// TestAuthenticateWhileTheLogGrows has a thousand callers of a key that stays valid, and changes without a pause among
// many applications: the key is never wrong.
func TestAuthenticateWhileTheLogGrows(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	stays, keyStays := app("stays", 1)
	f.write(stays)
	changing := make([]registry.Application, 0, 500)
	for i := range cap(changing) {
		a, _ := app(fmt.Sprint("changing-", i), 1)
		changing = append(changing, a)
	}
	f.write(changing...)
	f.complete()
	f.follow()
	f.within(patience, "snapshot", func() error { return f.knows(stays, keyStays) })

	const callers = 1000
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			ticker := time.NewTicker(20 * time.Millisecond)
			defer ticker.Stop()
			for {
				if _, err := f.ring.Authenticate(context.Background(), stays.ClientID, keyStays); fault.KindOf(err) == fault.Denied {
					t.Errorf("a valid key was answered %v", err)
					return
				}
				select {
				case <-done:
					return
				case <-ticker.C:
				}
			}
		})
	}
	begin := time.Now()
	for i := 0; time.Since(begin) < 2*promise; i++ {
		a := &changing[i%len(changing)]
		a.Revision++
		f.write(*a)
	}
	close(done)
	wg.Wait()
	last := changing[0]
	last.Revision += 1000
	f.write(last)
	f.within(promise, "the last change", func() error {
		if got := f.ring.Application(last.UID.String()); got.Revision != last.Revision {
			return fmt.Errorf("revision %d", got.Revision)
		}
		return nil
	})
}

func BenchmarkAuthenticate(b *testing.B) {
	ring := New(time.Now)
	applications := map[uuid.UUID]*registry.Application{}
	var id, key string
	for i := range 1000 {
		a, k := app(fmt.Sprint(i), 1)
		applications[a.UID], id, key = &a, a.ClientID, k
	}
	ring.ring.Store(newRing(applications, nil, "1-0", nil))
	fresh := time.Now().Add(time.Hour)
	ring.fresh.Store(&fresh)
	for name, k := range map[string]string{"valid": key, "unknown": apikey.New("test", id, "2"), "malformed": "x" + key} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := ring.Authenticate(context.Background(), id, k); (err == nil) != (name == "valid") {
						b.Fatal(err)
					}
				}
			})
		})
	}
}
