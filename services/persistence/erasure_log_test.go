package persistence

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/stream"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

var _ stream.Anchor = (*ErasureLog)(nil)

// erasureLog returns a log of the fixture's store on a Redis of its own, and what looks into that.
func (f *fixture) erasureLog(now func() time.Time) (*ErasureLog, redis.UniversalClient) {
	f.Helper()
	client, err := stream.Open(testenv.Redis(f).URL())
	f.must(err)
	f.Cleanup(func() { _ = client.Close() })
	return NewErasureLog(client, f.store, now, slog.New(slog.DiscardHandler)), client
}

// restored makes the database forget that anything was erased, and have an entry's events again: an older copy of itself.
func (f *fixture) restored(old stream.Entry) {
	f.Helper()
	_, err := f.pool.Exec(f.Context(), "TRUNCATE persistence.erasures, persistence.session_erasures, persistence.sessions, persistence.duplicates, persistence.ledger, persistence.events")
	f.must(err)
	f.must(f.service.Store(f.Context(), []stream.Entry{old}))
	if n := f.count("SELECT count(*) FROM persistence.events"); n != 1 {
		f.Fatalf("%d events are restored", n)
	}
}

func TestWhatWasErasedIsErasedAgainFromARestoredDatabase(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	log, client := f.erasureLog(time.Now)
	eraser := f.eraser(f.store)
	eraser.Remember(log)
	old := f.entry(f.request(shop, item("old", "s", "")))
	f.must(f.service.Store(t.Context(), []stream.Entry{old}))
	running, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- eraser.Run(running) }()
	erased, err := eraser.Erase(t.Context(), shop)
	if err != nil || erased.State != EraseEnded {
		t.Fatalf("%+v, %v", erased, err)
	}
	stop()
	f.must(<-done)

	f.restored(old)
	f.must(log.Compare(t.Context()))
	f.finish(f.store)
	if left := f.traces(shop); left["events"] != 0 || left["ledger"] != 0 {
		t.Errorf("a restored database keeps %v", left)
	}
	f.must(f.service.Store(t.Context(), []stream.Entry{old})) // the tail
	if left := f.traces(shop); left["events"] != 0 {
		t.Errorf("what comes again from a stream is kept: %v", left)
	}
	before := f.count("SELECT count(*) FROM persistence.erasures WHERE finished_at IS NOT NULL")
	f.must(log.Compare(t.Context()))
	if after := f.count("SELECT count(*) FROM persistence.erasures WHERE finished_at IS NOT NULL"); before != 1 || after != 1 {
		t.Errorf("%d erasures are finished, and %d after another comparison", before, after)
	}

	f.must(client.Del(t.Context(), erasureKey).Err()) // Redis is lost, and told again
	f.must(log.Compare(t.Context()))
	f.restored(old)
	f.must(log.Compare(t.Context()))
	f.finish(f.store)
	if left := f.traces(shop); left["events"] != 0 {
		t.Errorf("after Redis was lost a restored database keeps %v", left)
	}
}

// A session is known by a hash alone: a database that is an older copy of itself, and one that was made anew, find by it what
// they have, and drop what comes.
func TestSessionsAreErasedAgainFromARestoredDatabase(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	log, client := f.erasureLog(time.Now)
	f.must(log.Compare(t.Context())) // as before anything is stored
	eraser := f.eraser(f.store)
	eraser.Remember(log)
	old := f.entry(f.request(shop, item("old", "s", "")))
	f.must(f.service.Store(t.Context(), []stream.Entry{old}))
	running, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- eraser.Run(running) }()
	erased, err := eraser.EraseSession(t.Context(), "s")
	if err != nil || erased.State != EraseEnded {
		t.Fatalf("%+v, %v", erased, err)
	}
	stop()
	f.must(<-done)
	for _, member := range client.ZRange(t.Context(), erasureKey, 0, -1).Val() {
		if !strings.HasPrefix(member, erasedSalt) && (!strings.HasPrefix(member, erasedSession) || len(member) != len(erasedSession)+64) {
			t.Errorf("written down is %q", member)
		}
	}

	f.restored(old)
	f.must(log.Compare(t.Context()))
	f.finish(f.store)
	f.must(f.service.Store(t.Context(), []stream.Entry{old})) // the tail
	if n := f.count("SELECT count(*) FROM persistence.events"); n != 0 {
		t.Errorf("a restored database keeps %d events of the session", n)
	}

	_, err = f.pool.Exec(t.Context(), "TRUNCATE persistence.session_erasures, persistence.duplicates, persistence.ledger")
	f.must(err)
	_, err = f.pool.Exec(t.Context(), "UPDATE persistence.session_salt SET salt = 'another'")
	f.must(err)
	f.must(log.Compare(t.Context()))
	f.must(f.service.Store(t.Context(), []stream.Entry{old, f.entry(f.request(shop, item("other", "s2", "")))}))
	if n := f.count("SELECT count(*) FROM persistence.events WHERE session_id = 's2'"); n != 1 {
		t.Errorf("%d events of another session are stored", n)
	}
	if n := f.count("SELECT count(*) FROM persistence.events WHERE session_id = 's'"); n != 0 {
		t.Errorf("a new database takes %d events of the session", n)
	}
}

// Nobody is told that something is erased as long as a backup would bring it back; the erasure itself goes on.
func TestErasureThatCannotBeWrittenDownIsUnavailable(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	log, client := f.erasureLog(time.Now)
	eraser := f.eraser(f.store)
	eraser.Remember(log)
	_ = client.Close()
	_, err := eraser.Erase(t.Context(), shop)
	if p := fault.ProblemOf(err); err == nil || p.Code != fault.CodeUnavailable {
		t.Errorf("answered %v", err)
	}
	f.finish(f.store)
}

func TestErasuresAreForgottenWhenNoBackupIsAsOld(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	clock := time.Now()
	log, client := f.erasureLog(func() time.Time { return clock })
	f.must(log.note(t.Context(), notedApplication(shop, cutOffAt(clock.Add(-time.Hour))), notedApplication(blog, cutOffAt(clock))))
	f.must(client.ZAdd(t.Context(), erasureKey, redis.Z{Score: float64(clock.UnixMilli()), Member: "campaign/x"}).Err()) // of a later release
	clock = clock.Add(erasureKept - time.Minute)
	f.must(log.Compare(t.Context()))
	if n := client.ZCard(t.Context(), erasureKey).Val(); n != 3 {
		t.Errorf("%d members are left, want that of blog, the salt, and what is not known here", n)
	}
}

// A user without the new rights must not keep events from being stored.
func TestErasureLogWithoutRightsIsDoneWithout(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	log, client := f.erasureLog(time.Now)
	f.must(client.Do(t.Context(), "ACL", "SETUSER", "before", "on", "nopass", "~theeye:events:*", "+@all").Err())
	options := client.(*redis.Client).Options() //nolint:forcetypeassert // Open's
	limited := redis.NewClient(&redis.Options{Addr: options.Addr, Username: "before", Password: "x", MaxRetries: -1})
	t.Cleanup(func() { _ = limited.Close() })
	log.client = limited
	ran := errors.New("ran")
	if err := log.Then(func(context.Context) error { return ran })(t.Context()); !errors.Is(err, ran) {
		t.Error(err)
	}
	f.must(log.note(t.Context(), notedApplication(shop, cutOffAt(time.Now()))))
}

// Whoever delivers again to a database that is another one waits until it knows what was erased.
func TestAnchorComparesFirst(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	log, client := f.erasureLog(time.Now)
	f.must(log.note(t.Context(), notedApplication(shop, cutOffAt(time.Now()))))
	_, err := log.Anchor(t.Context(), func(string, map[string]string) (map[string]string, error) {
		if n := f.count("SELECT count(*) FROM persistence.erasures"); n != 1 {
			t.Errorf("%d erasures are known, want 1", n)
		}
		return nil, nil
	})
	f.must(err)
	log.seen = ""
	_ = client.Close()
	if _, err := log.Anchor(t.Context(), func(string, map[string]string) (map[string]string, error) {
		t.Error("settled without")
		return nil, nil
	}); err == nil {
		t.Error("settled without knowing what was erased")
	}
}
