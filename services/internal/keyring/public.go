package keyring

import (
	"context"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/fault"
)

// Public finds the application of a client id that comes without a secret, as web pages send it. The Principal has no
// credential. Whoever asks holds the sender's origin against the application's: the id itself is known to everybody.
// An id that is not known is refused as Authenticate refuses a key, after the ring was proven to be as new as the
// question. Errors are faults: Unavailable, or CodeUnauthenticated.
func (k *Keyring) Public(ctx context.Context, clientID string) (Principal, error) {
	if err := k.Ready(); err != nil {
		return Principal{}, err
	}
	asked := k.now()
	if principal, err := k.lookPublic(clientID); err == nil {
		return principal, nil
	}
	if err := k.caughtUp(ctx, asked); err != nil {
		return Principal{}, err
	}
	return k.lookPublic(clientID)
}

// lookPublic finds a client id in the ring as it is.
func (k *Keyring) lookPublic(clientID string) (Principal, error) {
	r := k.ring.Load()
	if a := r.byClient[clientID]; a != nil {
		return r.principal(a, "", registry.PublicScopes), nil
	}
	if _, unreadable := r.unreadable[clientID]; unreadable {
		return Principal{}, fault.New(fault.CodeUnavailable, "the record of this client id's application cannot be read")
	}
	return Principal{}, fault.New(fault.CodeUnauthenticated, "the client id is unknown")
}

// AllowsOrigin tells whether any application lists a web origin. It authorizes nothing: it says to which pages answers
// may be shown, as far as this replica knows.
func (k *Keyring) AllowsOrigin(origin string) bool {
	r := k.ring.Load()
	if r == nil {
		return false
	}
	_, ok := r.origins()[origin]
	return ok
}

// originsOf collects the web origins of all applications.
func (r *ring) originsOf() map[string]struct{} {
	origins := map[string]struct{}{}
	for _, a := range r.byUID {
		for _, origin := range a.Policy.Origins {
			origins[origin] = struct{}{}
		}
	}
	return origins
}
