package keyring

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/atonce"
)

// publicly is nil when the ring takes a client id alone for an application's.
func (f *fixture) publicly(a registry.Application) error {
	p, err := f.ring.Public(context.Background(), a.ClientID)
	if err != nil {
		return err
	}
	if p.Application.UID != a.UID || p.Application.Revision != a.Revision || p.Credential != "" || p.Rules == nil {
		return fmt.Errorf("the client id is taken for %+v", p)
	}
	return nil
}

// TestPublicFollowsTheLog: a client id is known as long as its application is, suspended or not, and its origins with it.
func TestPublicFollowsTheLog(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, _ := app("a", 1)
	a.Policy.Origins = []string{"https://a.example", "https://both.example"}
	b, _ := app("b", 2)
	b.Policy.Origins = []string{"https://both.example"}
	if _, err := f.ring.Public(t.Context(), a.ClientID); starting(err) != nil || f.ring.AllowsOrigin("https://a.example") {
		t.Errorf("before the log was read: %v", err)
	}
	f.write(a, b)
	f.complete()
	f.follow()
	f.within(promise, "both", func() error { return errors.Join(f.publicly(a), f.publicly(b)) })
	a.Revision, a.Policy.Suspended, a.Policy.Origins = 3, true, a.Policy.Origins[1:]
	f.write(a)
	f.within(promise, "a suspension", func() error { return f.publicly(a) })
	for origin, want := range map[string]bool{"https://a.example": false, "https://both.example": true, "": false, "null": false} {
		if f.ring.AllowsOrigin(origin) != want {
			t.Errorf("origin %q is allowed: %t", origin, !want)
		}
	}
	a.Revision, a.Deleted = 4, true
	f.write(a)
	f.within(promise, "a deletion", func() error { return denied(f.publicly(a)) })
	if !f.ring.AllowsOrigin("https://both.example") {
		t.Error("an origin went with one of two applications")
	}
	b.Revision, b.Deleted = 5, true
	f.write(b)
	f.within(promise, "the other's deletion", func() error { return denied(f.publicly(b)) })
	if f.ring.AllowsOrigin("https://both.example") {
		t.Error("an origin outlives its applications")
	}
}

// TestPublicOfAnUnreadableRecord is 503: the application is there.
func TestPublicOfAnUnreadableRecord(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, _ := app("a", 1)
	f.writeRaw(a.UID, `{"uid":1}`)
	f.complete()
	f.follow()
	f.within(patience, "the snapshot", func() error { return f.ring.Ready() })
	if err := f.publicly(a); away(err) != nil {
		t.Error(err)
	}
}

// TestRefusalsTakeTheSameSteps has unknown client ids, wrong secrets of known ones and unknown ids that come alone wait
// for the same proof: how long a refusal takes does not tell what exists. What is asked at once waits for nothing.
func TestRefusalsTakeTheSameSteps(t *testing.T) {
	t.Parallel()
	a, right := app("a", 1)
	stranger, unknown := app("b", 1)
	wrong := apikey.New("test", a.ClientID, "1")
	ring := New(time.Now)
	ring.ring.Store(newRing(map[uuid.UUID]*registry.Application{a.UID: &a}, nil, "1-0", nil))
	for name, ask := range map[string]func(context.Context) error{
		"unknown id":            func(ctx context.Context) error { return second(ring.Authenticate(ctx, "", unknown)) },
		"unknown id, basic":     func(ctx context.Context) error { return second(ring.Authenticate(ctx, stranger.ClientID, unknown)) },
		"wrong secret":          func(ctx context.Context) error { return second(ring.Authenticate(ctx, "", wrong)) },
		"wrong secret, basic":   func(ctx context.Context) error { return second(ring.Authenticate(ctx, a.ClientID, wrong)) },
		"unknown id, no secret": func(ctx context.Context) error { return second(ring.Public(ctx, stranger.ClientID)) },
	} {
		ring.prove(time.Now())
		if err := ask(atonce.Context(t.Context())); denied(err) != nil {
			t.Errorf("%s, at once: %v", name, err)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := ask(ended); away(err) != nil || !strings.Contains(err.Error(), "before its credential was checked") {
			t.Errorf("%s waits for nothing: %v", name, err)
		}
		ring.prove(time.Now().Add(time.Minute))
		if err := ask(ended); denied(err) != nil {
			t.Errorf("%s, proven: %v", name, err)
		}
	}
	for _, ctx := range []context.Context{t.Context(), atonce.Context(t.Context())} {
		if _, err := ring.Authenticate(ctx, "", right); err != nil {
			t.Error(err)
		}
	}
}

func second(_ Principal, err error) error { return err }
