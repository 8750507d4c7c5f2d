package auth

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/registry"
)

// TestCrashBetweenCommitAndPublish changes the database and goes no further, as a process that is killed there.
func TestCrashBetweenCommitAndPublish(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	uid := uuid.New()
	f.put(uid, "web-shop")
	_, after, err := f.service.store.Change(t.Context(), uid, f.clock.Now(), func(app *registry.Application) error {
		app.Policy.Suspended = true
		return nil
	})
	if err != nil || f.stored(uid).Policy.Suspended {
		t.Fatalf("published already, or %v", err)
	}
	f.pass()
	f.same("published", f.stored(uid), after)
	if uids, total, err := f.service.store.Unpublished(t.Context(), 10); err != nil || total != 0 {
		t.Fatalf("unpublished %v, %d, %v", uids, total, err)
	}
}

func TestLostLogIsFilled(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.exec(`INSERT INTO auth.applications (uid, namespace, name, client_id, policy, revision, published_revision)
		SELECT u, 'n', 'a', u, '{}', 7, 7 FROM (SELECT gen_random_uuid() u FROM generate_series(1, $1)) AS many`, 2*pageSize+1)
	uid, gone := uuid.New(), uuid.New()
	f.put(uid, "web-shop")
	f.put(gone, "gone")
	f.do("DELETE", path(gone), nil, http.StatusNoContent, nil)
	if err := f.redis.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if f.complete() {
		t.Fatal("complete without a record")
	}
	f.pass()
	if !f.complete() {
		t.Fatal("not complete")
	}
	records, err := f.service.log.Applications(t.Context())
	if err != nil || len(records) != 2*pageSize+3 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	f.same("published", f.stored(uid), f.load(uid))
	f.same("tombstone", f.stored(gone).Deleted, true)
}

// TestStaleRecordsAreReplaced covers what no other sign shows: records lost or changed in Redis alone.
func TestStaleRecordsAreReplaced(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	lost, stale, spoilt := uuid.New(), uuid.New(), uuid.New()
	for _, uid := range []uuid.UUID{lost, stale, spoilt} {
		f.put(uid, "a")
	}
	old, err := f.redis.HGet(t.Context(), registry.LatestKey, stale.String()).Result()
	if err != nil {
		t.Fatal(err)
	}
	f.do("PUT", credentialPath(stale, "1"), credential("k"), http.StatusCreated, nil)
	f.redis.HDel(t.Context(), registry.LatestKey, lost.String())
	f.redis.HSet(t.Context(), registry.LatestKey, stale.String(), old, spoilt.String(), "{}", uuid.NewString(), "not JSON")
	f.pass() // the comparison is not due yet
	if n := len(f.stored(stale).Credentials); n != 0 {
		t.Fatalf("%d credentials before the comparison", n)
	}
	f.clock.Advance(compareEvery)
	f.pass()
	for _, uid := range []uuid.UUID{lost, stale, spoilt} {
		f.same("record", f.stored(uid), f.load(uid))
	}
}

// TestLogThatWentBackIsComparedAtOnce is a Redis that came back without its last moments.
func TestLogThatWentBackIsComparedAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	uid := uuid.New()
	f.put(uid, "a")
	before := f.redis.HGetAll(t.Context(), registry.LatestKey).Val()
	f.do("PUT", credentialPath(uid, "1"), credential("k"), http.StatusCreated, nil)
	f.pass()
	f.redis.HSet(t.Context(), registry.LatestKey, before)
	f.pass()
	f.same("record", f.stored(uid), f.load(uid))
}

func TestLostDatabaseIsTakenFromTheLog(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	again, revoked, removed, left := uuid.New(), uuid.New(), uuid.New(), uuid.New()
	was := map[uuid.UUID]int64{}
	for _, uid := range []uuid.UUID{again, revoked, removed, left} {
		f.put(uid, "a")
		f.do("PUT", credentialPath(uid, "1"), credential(uid.String()), http.StatusCreated, nil)
		was[uid] = f.stored(uid).Revision
	}
	f.exec("TRUNCATE auth.applications CASCADE")

	// The operator registers it again: no moment without its credentials, though they are sent later.
	if app := f.put(again, "a"); app.Revision <= was[again] || len(app.Credentials) != 1 {
		t.Fatalf("registered again: %+v, was %d", app, was[again])
	}
	f.do("DELETE", credentialPath(revoked, "1"), nil, http.StatusNoContent, nil)
	if app := f.stored(revoked); len(app.Credentials) != 0 || app.Deleted {
		t.Fatalf("revoked in a lost database: %+v", app)
	}
	f.do("DELETE", path(removed), nil, http.StatusNoContent, nil)
	if !f.stored(removed).Deleted {
		t.Fatal("deleted in a lost database, and still in the log")
	}
	f.clock.Advance(compareEvery)
	f.pass()
	if app := f.load(left); app.Revision <= was[left] || len(app.Credentials) != 1 {
		t.Fatalf("adopted: %+v", app)
	}
	for uid := range was {
		f.same("published", f.stored(uid), f.load(uid))
	}
}

func TestUnknownApplicationGetsATombstone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	uid := uuid.New()
	f.do("DELETE", path(uid), nil, http.StatusNoContent, nil)
	if app := f.stored(uid); !app.Deleted || app.Revision == 0 {
		t.Fatalf("tombstone %+v", app)
	}
}

// TestRestoredDatabase is an older copy of the database: what it says holds again, in the log too.
func TestRestoredDatabase(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	uid := uuid.New()
	f.put(uid, "a")
	f.do("PUT", credentialPath(uid, "1"), credential("k"), http.StatusCreated, nil)
	f.exec("DELETE FROM auth.credentials")
	f.exec("UPDATE auth.applications SET revision = 5, published_revision = 5")
	f.clock.Advance(compareEvery)
	f.pass()
	if app := f.stored(uid); len(app.Credentials) != 0 {
		t.Fatalf("the log kept what the database does not have: %+v", app)
	}
	f.same("published", f.stored(uid), f.load(uid))
}

func TestReplacedDatabaseIsMigratedAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	uid := uuid.New()
	f.put(uid, "a")
	f.exec("DROP SCHEMA auth CASCADE")
	stage, err := f.healer.pass(t.Context())
	f.healer.note(t.Context(), stage, err)
	if err == nil {
		t.Fatal("a pass without a schema succeeded")
	}
	f.pass()
	f.same("adopted", f.load(uid).Name, "a")
}

func TestExpiredCredentialsArePurged(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	uid := uuid.New()
	f.put(uid, "a")
	end := f.clock.Now().Add(time.Minute)
	ending := credential("ending")
	ending.NotAfter = &end
	f.do("PUT", credentialPath(uid, "1"), ending, http.StatusCreated, nil)
	f.do("PUT", credentialPath(uid, "2"), credential("staying"), http.StatusCreated, nil)
	before := f.stored(uid)
	f.pass()
	f.same("before its end", f.stored(uid), before)
	f.clock.Advance(time.Minute)
	f.pass()
	after := f.stored(uid)
	if len(after.Credentials) != 1 || after.Credentials[0].ID != "2" || after.Revision <= before.Revision {
		t.Fatalf("after its end: %+v", after)
	}
	f.same("published", after, f.load(uid))
}

func TestOldTombstonesLeaveTheLog(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	uid := uuid.New()
	f.put(uid, "a")
	old, err := f.redis.HGet(t.Context(), registry.LatestKey, uid.String()).Result()
	if err != nil {
		t.Fatal(err)
	}
	f.do("DELETE", path(uid), nil, http.StatusNoContent, nil)
	f.clock.Advance(tombstoneLife - time.Hour)
	f.pass()
	f.same("kept", f.stored(uid).Deleted, true)
	f.clock.Advance(2 * time.Hour)
	f.pass()
	if _, found, err := f.service.log.Stored(t.Context(), uid); found || err != nil {
		t.Fatalf("found %v, %v", found, err)
	}
	// An old copy of the log does not bring it back.
	f.redis.HSet(t.Context(), registry.LatestKey, uid.String(), old)
	f.clock.Advance(compareEvery)
	f.pass()
	f.same("dead again", f.stored(uid).Deleted, true)
}

func TestOlder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"", "", false},
		{"", "1-0", true},
		{"1-0", "", false},
		{"1-0", "1-0", false},
		{"1-9", "1-10", true},
		{"9-1", "10-0", true},
		{"10-0", "9-1", false},
	} {
		if got := older(c.a, c.b); got != c.want {
			t.Errorf("older(%q, %q) = %v", c.a, c.b, got)
		}
	}
}

func TestStoreFaultKeepsTheCause(t *testing.T) {
	t.Parallel()
	cause := errors.New("dial: refused")
	if err := storeFault(cause); !errors.Is(err, cause) {
		t.Fatalf("cause lost: %v", err)
	}
}
