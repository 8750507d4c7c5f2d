package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/api/registry"
)

// logged returns the ids of the keys that the application log has, and their revision.
func (f *fixture) logged() (ids []string, revision int64) {
	f.Helper()
	keys, err := f.service.log.Keys(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	for _, k := range keys.Keys {
		ids = append(ids, k.ID)
	}
	return ids, keys.Revision
}

// renewed renews a signer's keys and returns their ids.
func (f *fixture) renewed(s *Signer) (ids []string) {
	f.Helper()
	if err := s.Renew(f.Context()); err != nil {
		f.Fatal(err)
	}
	for _, k := range s.state.Load().keys {
		ids = append(ids, k.ID)
	}
	return ids
}

// chained reads the log through as its readers do, and returns how many entries bring keys.
func (f *fixture) chained() (keys int) {
	f.Helper()
	entries, err := f.redis.XRange(f.Context(), registry.LogKey, "-", "+").Result()
	if err != nil {
		f.Fatal(err)
	}
	previous := "0-0"
	for _, e := range entries {
		if e.Values[registry.FieldPrevious] != previous {
			f.Errorf("entry %s follows %v, not %s", e.ID, e.Values[registry.FieldPrevious], previous)
		}
		if previous = e.ID; e.Values[registry.FieldKeys] != nil {
			keys++
		}
	}
	if _, tail, err := f.service.log.State(f.Context()); err != nil || tail != previous {
		f.Errorf("the log ends at %s, not %s: %v", tail, previous, err)
	}
	return keys
}

func TestSignerRotates(t *testing.T) {
	t.Parallel()
	f := newFixture(t) // its first pass has made a key
	s := f.service.signer
	first := f.renewed(s)
	if logged, _ := f.logged(); len(first) != 1 || !slices.Equal(logged, first) || f.chained() != 1 {
		t.Fatalf("keys %q, in the log %q, of %d entries", first, logged, f.chained())
	}
	f.clock.Advance(keyLife - keyLead)
	both := f.renewed(s)
	if logged, _ := f.logged(); len(both) != 2 || both[0] != first[0] || !slices.Equal(logged, both) || f.chained() != 2 {
		t.Fatalf("a day before its use: keys %q, in the log %q", both, logged)
	}
	if k := signer(s.state.Load().keys, issuer, f.clock.Now()); k.ID != first[0] {
		t.Error("the next key is used at once")
	}
	f.clock.Advance(keyLead)
	if got := f.renewed(s); !slices.Equal(got, both) {
		t.Errorf("keys %q, want still %q", got, both)
	}
	if k := signer(s.state.Load().keys, issuer, f.clock.Now()); k.ID != both[1] {
		t.Error("the key before is still used")
	}
	f.clock.Advance(registry.TokenLife + 2*keySlack)
	if got := f.renewed(s); !slices.Equal(got, both[1:]) {
		t.Errorf("keys %q, want %q", got, both[1:])
	}
}

// TestSignersAgree starts several replicas at once on an empty database.
func TestSignersAgree(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if _, err := f.pool.Exec(t.Context(), "DELETE FROM auth.signing_keys"); err != nil {
		t.Fatal(err)
	}
	f.redis.FlushAll(t.Context())
	found := make([][]string, 6)
	var all sync.WaitGroup
	for i := range found {
		s := f.newSigner(issuer, encryptionKey)
		all.Go(func() {
			if err := s.Renew(t.Context()); err != nil { // another may have been faster with the log
				t.Log(err)
			}
			found[i] = f.renewed(s)
		})
	}
	all.Wait()
	for _, ids := range found {
		if len(ids) != 1 || ids[0] != found[0][0] {
			t.Errorf("keys %q", found)
			break
		}
	}
	if logged, _ := f.logged(); !slices.Equal(logged, found[0]) {
		t.Errorf("the log has %q", logged)
	}
}

// TestWrongEncryptionKey is a replica with another file: it says so, and changes nothing, until it is told to.
func TestWrongEncryptionKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	right, wrong := f.service.signer, f.newSigner(issuer, encryptionKey+"!")
	keys, revision := f.logged()
	if err := wrong.Ready(t.Context()); err == nil {
		t.Error("a replica that has read no keys is ready")
	}
	for range 2 {
		if err := wrong.Renew(t.Context()); !errors.Is(err, errSealed) {
			t.Fatalf("renewed with the wrong encryption key: %v", err)
		}
		err := wrong.Ready(t.Context())
		if err == nil || !strings.Contains(err.Error(), "--signing-key-encryption-file") || !strings.Contains(err.Error(), "--discard-unreadable-signing-keys") {
			t.Errorf("readiness says %v", err)
		}
	}
	if now, _ := f.logged(); !slices.Equal(f.renewed(right), keys) || !slices.Equal(now, keys) {
		t.Errorf("keys %q became %q", keys, now)
	}

	wrong.DiscardUnreadable = true
	discarded := f.renewed(wrong)
	now, later := f.logged()
	if len(discarded) != 1 || discarded[0] == keys[0] || !slices.Equal(now, discarded) || later <= revision {
		t.Errorf("keys %q of %d became %q of %d, in the log %q", keys, revision, discarded, later, now)
	}
	if err := right.Renew(t.Context()); !errors.Is(err, errSealed) || right.Ready(t.Context()) == nil {
		t.Errorf("the replica with the old file goes on: %v", err)
	}
	right.DiscardUnreadable = true
	f.renewed(right)
	if err := wrong.Renew(t.Context()); !errors.Is(err, errSealed) {
		t.Errorf("discarding goes on for ever: %v", err)
	}
}

// TestHealerGoesOnWithoutKeys publishes applications although this replica can sign nothing.
func TestHealerGoesOnWithoutKeys(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.service.signer = f.newSigner(issuer, encryptionKey+"!")
	f.redis.FlushAll(t.Context())
	f.pass()
	if err := f.service.Complete(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestKeysSurviveALostLog(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	keys, _ := f.logged()
	f.redis.FlushAll(t.Context())
	f.pass()
	if logged, _ := f.logged(); !slices.Equal(logged, keys) || f.chained() != 1 {
		t.Errorf("the log had %q and has %q", keys, logged)
	}
}

// TestKeysSurviveALostDatabase goes on checking the tokens of keys that nobody can sign with any more.
func TestKeysSurviveALostDatabase(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	lost, revision := f.logged()
	if _, err := f.pool.Exec(t.Context(), "DELETE FROM auth.signing_keys"); err != nil {
		t.Fatal(err)
	}
	both := f.renewed(f.service.signer)
	if logged, later := f.logged(); len(both) != 2 || both[0] != lost[0] || !slices.Equal(logged, both) || later <= revision {
		t.Errorf("keys %q, in the log %q of revision %d, before %q of %d", both, logged, later, lost, revision)
	}
	if k := signer(f.service.signer.state.Load().keys, issuer, f.clock.Now()); k == nil || k.ID != both[1] {
		t.Errorf("key %+v signs", k)
	}
	f.clock.Advance(registry.TokenLife + 2*keySlack)
	if got := f.renewed(f.service.signer); !slices.Equal(got, both[1:]) {
		t.Errorf("keys %q, want %q", got, both[1:])
	}
}

// TestIssuersHaveKeysOfTheirOwn is a change of --issuer-url while it is rolled out.
func TestIssuersHaveKeysOfTheirOwn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	other := f.newSigner("https://other.example.com", encryptionKey)
	for range 2 {
		f.renewed(other)
		f.renewed(f.service.signer)
	}
	ids, _ := f.logged()
	if len(ids) != 2 {
		t.Fatalf("keys %q", ids)
	}
	for _, s := range []*Signer{other, f.service.signer} {
		if k := signer(s.state.Load().keys, s.Issuer, f.clock.Now()); k == nil || k.Issuer != s.Issuer {
			t.Errorf("%s signs with %+v", s.Issuer, k)
		}
	}
}

// TestPrivateKeysStaySealed looks for a private key in all that is kept.
func TestPrivateKeysStaySealed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	key := signer(f.service.signer.state.Load().keys, issuer, time.Now())
	var row string
	if err := f.pool.QueryRow(t.Context(), "SELECT string_agg(k::text, '') FROM auth.signing_keys k").Scan(&row); err != nil {
		t.Fatal(err)
	}
	hash := f.redis.HGetAll(t.Context(), registry.LatestKey).Val()
	entries := f.redis.XRange(t.Context(), registry.LogKey, "-", "+").Val()
	kept := row + fmt.Sprint(hash, entries)
	encoded, err := json.Marshal(key.PrivateKey.Seed())
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{string(key.PrivateKey.Seed()), fmt.Sprintf("%x", key.PrivateKey.Seed()), string(bytes.Trim(encoded, `"=`))} {
		if strings.Contains(kept, form) {
			t.Error("the private key is kept open")
		}
	}
	if !strings.Contains(row, key.ID) || !strings.Contains(fmt.Sprint(hash, entries), key.ID) {
		t.Error("the key is not looked for where it is")
	}
}
