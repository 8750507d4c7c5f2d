package keyring

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/registry"
)

// TestAllRules waits until the log was read, and tells of every later change.
func TestAllRules(t *testing.T) {
	t.Parallel()
	ring := New(time.Now)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if all, changed := ring.AllRules(ended); all != nil || changed != nil {
		t.Error("there are rules before the log was read")
	}
	if a, rules := ring.Rules(uuid.New()); a != nil || rules != nil {
		t.Error("an application is known before the log was read")
	}
	a, _ := app("a", 1)
	read := make(chan (<-chan struct{}), 1)
	go func() {
		all, changed := ring.AllRules(t.Context())
		n := 0
		for range all {
			n++
		}
		if n != 1 {
			t.Errorf("rules of %d applications", n)
		}
		read <- changed
	}()
	ring.replace(newRing(map[uuid.UUID]*registry.Application{a.UID: &a}, nil, "1-0", nil))
	ring.prove(time.Now())
	changed := <-read
	select {
	case <-changed:
		t.Fatal("nothing has changed yet")
	default:
	}
	found, rules := ring.Rules(a.UID)
	if found == nil || found.Name != "a" || rules == nil {
		t.Errorf("found %+v, %v", found, rules)
	}
	ring.replace(newRing(nil, nil, "2-0", ring.ring.Load()))
	<-changed
	if found, rules := ring.Rules(a.UID); found != nil || rules != nil {
		t.Error("an application that is gone has rules")
	}
}
