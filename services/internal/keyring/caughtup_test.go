package keyring

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/fault"
)

// TestUnknownKeyWaitsForProof asks for a key that the log has and the ring has not yet: the answer waits for the log's
// end to be seen, and is then right.
func TestUnknownKeyWaitsForProof(t *testing.T) {
	t.Parallel()
	ring := New(time.Now)
	ring.ring.Store(newRing(nil, nil, "1-0"))
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
	ring.ring.Store(newRing(map[uuid.UUID]*registry.Application{a.UID: &a}, nil, "2-0"))
	ring.prove(time.Now().Add(time.Minute)) // whenever the question was asked, this is after it
	if err := <-answers; err != nil {
		t.Error(err)
	}
}

// TestUnknownKeyWithoutProofIsUnavailable has nobody follow the log: a key that may be right is not refused.
func TestUnknownKeyWithoutProofIsUnavailable(t *testing.T) {
	t.Parallel()
	ring := New(time.Now)
	ring.ring.Store(newRing(nil, nil, "1-0"))
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
