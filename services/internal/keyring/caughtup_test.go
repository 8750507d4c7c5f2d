package keyring

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/check"
	"github.com/theeye-dev/theeye/services/internal/fault"
)

// TestUnknownKeyWaitsForProof asks for a key that the log has and the ring has not yet: the answer waits for the log's
// end to be seen, and is then right.
func TestUnknownKeyWaitsForProof(t *testing.T) {
	t.Parallel()
	ring := New(time.Now)
	ring.ring.Store(newRing(nil, nil, "1-0", nil))
	ring.prove(time.Now())
	a, key := app("a", 1)
	answers := make(chan error, 1)
	beat := *ring.beat.Load()
	go func() {
		_, err := ring.Authenticate(context.Background(), "", key)
		answers <- err
	}()
	ring.prove(ring.fresh.Load().Add(-time.Millisecond)) // an answer to a question from before
	<-beat
	select {
	case err := <-answers:
		t.Fatalf("answered before it could be known: %v", err)
	default:
	}
	ring.ring.Store(newRing(map[uuid.UUID]*registry.Application{a.UID: &a}, nil, "2-0", nil))
	ring.prove(time.Now().Add(time.Minute)) // whenever the question was asked, this is after it
	if err := <-answers; err != nil {
		t.Error(err)
	}
}

// TestUnknownKeyWithoutProofIsUnavailable has nobody follow the log: a key that may be right is not refused.
func TestUnknownKeyWithoutProofIsUnavailable(t *testing.T) {
	t.Parallel()
	ring := New(time.Now)
	ring.ring.Store(newRing(nil, nil, "1-0", nil))
	ring.prove(time.Now())
	_, key := app("a", 1)
	if _, err := ring.Authenticate(context.Background(), "", key); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("answered %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	ring.prove(time.Now())
	if _, err := ring.Authenticate(ctx, "", key); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("a request that has ended was answered %v", err)
	}
}

// TestKeyRegisteredTwice: the hash of one application's key under others grants nothing there, and under two ids of
// its own it is good until the later end, whichever is read last.
func TestKeyRegisteredTwice(t *testing.T) {
	t.Parallel()
	a, key := app("a", 1)
	past, later := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	hash := a.Credentials[0].SHA256
	a.Credentials = []registry.Credential{
		{ID: "0", SHA256: hash, NotAfter: &past}, {ID: "1", SHA256: hash, NotAfter: &later}, {ID: "2", SHA256: hash, NotAfter: &past},
	}
	applications := map[uuid.UUID]*registry.Application{a.UID: &a}
	for n := range 20 {
		other, _ := app(string(rune('b'+n)), 1)
		other.Credentials = append(other.Credentials, registry.Credential{ID: "9", SHA256: hash})
		applications[other.UID] = &other
	}
	ring := New(time.Now)
	for range 10 { // maps are walked in another order each time
		ring.ring.Store(newRing(applications, nil, "1-0", nil))
		ring.prove(time.Now().Add(time.Minute))
		for _, clientID := range []string{"", a.ClientID} {
			p, err := ring.Authenticate(context.Background(), clientID, key)
			if err != nil || p.Application.UID != a.UID || p.Credential != "1" {
				t.Fatalf("taken for credential %s of %+v: %v", p.Credential, p.Application, err)
			}
		}
	}
}

// TestRulesAreKept changes one of two applications: only that one has other rules after it, and its principals have
// them too.
func TestRulesAreKept(t *testing.T) {
	t.Parallel()
	a, keyA := app("a", 1)
	b, keyB := app("b", 1)
	first := newRing(map[uuid.UUID]*registry.Application{a.UID: &a, b.UID: &b}, nil, "1-0", nil)
	changed := b
	changed.Revision, changed.Policy.UnknownEvents = 2, registry.RejectUnknown
	second := newRing(map[uuid.UUID]*registry.Application{a.UID: &a, b.UID: &changed}, nil, "2-0", first)
	if first.rules[a.UID] == nil || second.rules[a.UID] != first.rules[a.UID] || second.rules[b.UID] == first.rules[b.UID] {
		t.Error("the wrong rules are kept")
	}
	ring := New(time.Now)
	ring.ring.Store(second)
	ring.prove(time.Now())
	for uid, key := range map[uuid.UUID]string{a.UID: keyA, b.UID: keyB} {
		p, err := ring.Authenticate(t.Context(), "", key)
		if err != nil || p.Rules != second.rules[uid] {
			t.Errorf("principal %+v, %v", p, err)
		}
	}
	var judge check.Judge
	judge.Begin(second.rules[b.UID], nil, nil)
	if _, refusal := judge.Event(&event.Event{}, time.Now(), time.Now()); refusal == nil {
		t.Error("judged by the policy before")
	}
}
