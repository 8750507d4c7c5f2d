package auth

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
)

// TestLogChain checks what a reader relies on: every entry names the one before it, and the hash the last.
func TestLogChain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, b := uuid.New(), uuid.New()
	f.put(a, "a")
	f.put(b, "b")
	f.do("PUT", credentialPath(a, "1"), credential("key"), http.StatusCreated, nil)
	f.do("DELETE", path(b), nil, http.StatusNoContent, nil)
	f.put(a, "a") // nothing new: no entry

	entries, err := f.redis.XRange(t.Context(), registry.LogKey, "-", "+").Result()
	if err != nil || len(entries) != 5 || entries[0].Values[registry.FieldKeys] == nil {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	previous := "0-0"
	var last registry.Application
	for i, e := range entries {
		if e.Values[registry.FieldPrevious] != previous {
			t.Errorf("entry %s follows %v, want %s", e.ID, e.Values[registry.FieldPrevious], previous)
		}
		if previous = e.ID; i == 0 { // the signing keys
			continue
		}
		if err := json.Unmarshal([]byte(e.Values[registry.FieldRecord].(string)), &last); err != nil {
			t.Fatal(err)
		}
	}
	if last.UID != b || !last.Deleted {
		t.Errorf("last record %+v", last)
	}
	complete, tail, err := f.service.log.State(t.Context())
	if err != nil || !complete || tail != previous {
		t.Errorf("complete %v, tail %s, want %s; %v", complete, tail, previous, err)
	}
	want := registry.Credential{ID: "1", SHA256: registry.Digest(apikey.HashOf("key"))}
	f.same("credentials", f.stored(a).Credentials, []registry.Credential{want})
}

func TestLogRefusesOlderRevisions(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	record := registry.Application{UID: uuid.New(), Namespace: "n", Name: "a", ClientID: "c", Revision: 1_795_000_000_000_000}
	offer := func(revision, stored int64, appended bool) {
		t.Helper()
		record.Revision = revision
		record.Policy.DisplayName = fmt.Sprint(`","revision":9`, revision) // must not be taken for the revision
		gotStored, gotAppended, err := f.service.log.Publish(t.Context(), record)
		if err != nil || gotStored != stored || gotAppended != appended {
			t.Fatalf("revision %d: stored %d, appended %v, %v", revision, gotStored, gotAppended, err)
		}
	}
	base := record.Revision
	offer(base, base, true)
	offer(base, base, false)
	offer(base-1, base, false)
	offer(base+1, base+1, true)
	offer(base, base+1, false)
	if got := f.stored(record.UID); got.Revision != base+1 {
		t.Fatalf("stored %+v", got)
	}
	if n := f.redis.XLen(t.Context(), registry.LogKey).Val(); n != 3 { // the first brings the signing keys
		t.Fatalf("%d entries", n)
	}
	revisions, err := f.service.log.Revisions(t.Context(), []uuid.UUID{uuid.New(), record.UID})
	if err != nil || revisions[0] != absent || revisions[1] != base+1 {
		t.Fatalf("revisions %v, %v", revisions, err)
	}
}

// TestRecordHead pins how records begin: scripts of this release and the one before read the revision there.
func TestRecordHead(t *testing.T) {
	t.Parallel()
	record, err := json.Marshal(registry.Application{Namespace: "n", Name: "a", ClientID: "eye_1", Revision: 12})
	if err != nil {
		t.Fatal(err)
	}
	const head = `{"uid":"00000000-0000-0000-0000-000000000000","namespace":"n","name":"a","clientID":"eye_1","revision":12,`
	if !strings.HasPrefix(string(record), head) {
		t.Fatalf("a record begins differently: change the scripts with it: %s", record)
	}
}

func TestDeepSchemaIsPublished(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	uid := uuid.New()
	schema := strings.Repeat(`{"not":`, 1500) + "{}" + strings.Repeat("}", 1500)
	f.do("PUT", path(uid), `{"namespace":"n","name":"a","policy":{"eventTypes":[{"category":"c","name":"n","schema":`+schema+`}]}}`,
		http.StatusCreated, nil)
	if got := f.stored(uid).Policy.EventTypes[0].Schema; string(got) != schema {
		t.Fatalf("schema changed: %.80s", got)
	}
	f.put(uid, "a")
}

// TestCompleteIsRefusedAfterALoss breaks a repair in every way that finish must see.
func TestCompleteIsRefusedAfterALoss(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		between func(f *fixture)
		done    bool
	}{
		"nothing":      {func(*fixture) {}, true},
		"all lost":     {func(f *fixture) { f.redis.FlushAll(f.Context()) }, false},
		"record lost":  {func(f *fixture) { f.redis.HDel(f.Context(), registry.LatestKey, uuid.Max.String()) }, false},
		"begun by two": {func(f *fixture) { _, _ = f.service.log.Begin(f.Context()) }, true},
		"begun after a loss by another": {func(f *fixture) {
			f.redis.FlushAll(f.Context())
			_, _ = f.service.log.Begin(f.Context())
		}, false},
		"ended by another": {func(f *fixture) {
			token, _ := f.service.log.Begin(f.Context())
			_, _ = f.service.log.Finish(f.Context(), token, 1)
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.redis.FlushAll(t.Context())
			token, err := f.service.log.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := f.service.log.Publish(t.Context(), registry.Application{UID: uuid.Max, Revision: 1}); err != nil {
				t.Fatal(err)
			}
			c.between(f)
			done, err := f.service.log.Finish(t.Context(), token, 1)
			if err != nil || done != c.done || f.complete() != c.done {
				t.Fatalf("done %v, complete %v, want %v; %v", done, f.complete(), c.done, err)
			}
			if left := f.redis.HExists(t.Context(), registry.LatestKey, fieldRepair).Val(); done && left {
				t.Fatal("the token was left")
			}
		})
	}
}
