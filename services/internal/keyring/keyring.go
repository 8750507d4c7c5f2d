// Package keyring holds every application's policy and credentials in memory, and the keys by which access tokens are
// checked, by following the application log in Redis: snapshot, then tail. Whoever checks requests asks it, and no other
// service.
package keyring

import (
	"context"
	"iter"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/atonce"
	"github.com/theeye-dev/theeye/services/internal/check"
	"github.com/theeye-dev/theeye/services/internal/fault"
)

// staleAfter is how old the newest proof of being up to date may be. It is below the second within which a revoked
// credential must stop working, and above the pauses that a busy Redis makes.
const staleAfter = 900 * time.Millisecond

// Principal is who sent a request.
type Principal struct {
	Application *registry.Application // shared: it must not be changed
	Rules       *check.Rules          // by which its events are judged
	Credential  string                // id of the credential used; "": none, the client id came alone
	Scopes      registry.Scopes       // what the credential, or the token for it, allows
}

// ring is one state of the application log; it never changes.
type ring struct {
	byUID    map[uuid.UUID]*registry.Application
	byName   map[string]*registry.Application // namespace/name
	byKey    map[keyOf]grant
	byClient map[string]*registry.Application // client id
	origins  func() map[string]struct{}       // of all applications; collected when a browser first asks
	rules    map[uuid.UUID]*check.Rules
	signing  *signingKeys
	replaced chan struct{} // closed when another ring takes this one's place
	position string        // id of the newest log entry that is in it

	unreadable map[string]struct{} // client ids of applications whose record cannot be read
}

// keyOf is whose key a hash is of, by what the key itself says: the hash of a key that was registered for another
// application as well grants nothing there.
type keyOf struct {
	clientID string
	hash     apikey.Hash
}

type grant struct {
	Principal
	notAfter *time.Time // nil: no end
}

// outlasts tells whether a grant ends after another one.
func (g grant) outlasts(other grant) bool {
	return other.notAfter != nil && (g.notAfter == nil || g.notAfter.After(*other.notAfter))
}

// Keyring answers from memory who a credential belongs to. It is safe for concurrent use.
type Keyring struct {
	now  func() time.Time
	ring atomic.Pointer[ring]
	// fresh is when Redis was last asked and answered that the ring is up to date. It keeps the monotonic clock's
	// reading: a wall clock that is set back must not make an old ring fresh.
	fresh atomic.Pointer[time.Time]
	// beat is closed, and replaced, whenever fresh moves.
	beat     atomic.Pointer[chan struct{}]
	verified verified
}

// New returns an empty Keyring, which refuses everyone as not ready until a Follower has filled it.
func New(now func() time.Time) *Keyring {
	k := &Keyring{now: now}
	beat := make(chan struct{})
	k.beat.Store(&beat)
	return k
}

// prove notes that the ring was up to date at a moment.
func (k *Keyring) prove(moment time.Time) {
	k.fresh.Store(&moment)
	next := make(chan struct{})
	close(*k.beat.Swap(&next))
}

// caughtUp waits until the ring is proven to be as new as a moment, which takes as long as one read of the log's end;
// not at all for who asks atonce.
func (k *Keyring) caughtUp(ctx context.Context, moment time.Time) error {
	if atonce.Is(ctx) {
		return nil
	}
	stale := time.NewTimer(staleAfter)
	defer stale.Stop()
	for {
		beat := *k.beat.Load()
		if fresh := k.fresh.Load(); fresh != nil && !fresh.Before(moment) {
			return nil
		}
		select {
		case <-beat:
		case <-stale.C:
			return fault.New(fault.CodeUnavailable, "the application log cannot be followed; credentials cannot be checked")
		case <-ctx.Done():
			return fault.Wrap(fault.CodeUnavailable, "the request ended before its credential was checked", ctx.Err())
		}
	}
}

// Ready answers nil when the log was read and is followed without a gap; else a fault of kind Unavailable.
func (k *Keyring) Ready() error {
	if k.ring.Load() == nil {
		return fault.New(fault.CodeStarting, "the application log has not been read yet")
	}
	if fresh := k.fresh.Load(); fresh == nil || k.now().Sub(*fresh) > staleAfter {
		return fault.New(fault.CodeUnavailable, "the application log cannot be followed; credentials cannot be checked")
	}
	return nil
}

// Read tells whether the log was ever read: what a replica has by itself, however Redis is now.
func (k *Keyring) Read() error {
	if k.ring.Load() == nil {
		return k.Ready()
	}
	return nil
}

// Authenticate finds who an API key belongs to. clientID is what came with it in HTTP Basic, or "". A key of the right
// form is refused only after the ring was proven to be as new as the question, about 100 ms later: a credential that
// auth has confirmed is never refused, however short ago that was. The same steps are taken for unknown keys and wrong
// ones. Errors are faults: Unavailable while the keyring is not ready (never Denied: the key may be right), else
// CodeUnauthenticated.
func (k *Keyring) Authenticate(ctx context.Context, clientID, key string) (Principal, error) {
	if err := k.Ready(); err != nil {
		return Principal{}, err
	}
	asked := k.now()
	id, err := apikey.Parse(key)
	if err != nil {
		return Principal{}, fault.New(fault.CodeUnauthenticated, "the key is mistyped or cut off: its form or checksum is wrong")
	}
	if clientID != "" && clientID != id.ClientID {
		return Principal{}, fault.New(fault.CodeUnauthenticated, "the key is of another client id")
	}
	if principal, err := k.look(id.ClientID, key); err == nil {
		return principal, nil
	}
	if err := k.caughtUp(ctx, asked); err != nil {
		return Principal{}, err
	}
	return k.look(id.ClientID, key)
}

// look finds a key in the ring as it is.
func (k *Keyring) look(clientID, key string) (Principal, error) {
	// The map is keyed by a digest of 256 random bits: what its lookup's timing could tell helps nobody to a key.
	r := k.ring.Load()
	found, ok := r.byKey[keyOf{clientID, apikey.HashOf(key)}]
	switch _, unreadable := r.unreadable[clientID]; {
	case ok && !found.expired(k.now()):
		return found.Principal, nil
	case ok:
		return Principal{}, fault.New(fault.CodeUnauthenticated, "the credential has expired")
	case unreadable:
		return Principal{}, fault.New(fault.CodeUnavailable, "the record of this key's application cannot be read; the key cannot be checked")
	}
	return Principal{}, fault.New(fault.CodeUnauthenticated, "the key is unknown or revoked")
}

func (g grant) expired(now time.Time) bool { return g.notAfter != nil && !now.Before(*g.notAfter) }

// Application finds an application by its UID or its namespace/name; nil when there is none.
func (k *Keyring) Application(reference string) *registry.Application {
	r := k.ring.Load()
	if r == nil {
		return nil
	}
	if uid, err := uuid.Parse(reference); err == nil {
		return r.byUID[uid]
	}
	return r.byName[reference]
}

// Rules returns an application, and the rules by which its events are judged now; nil when there is none.
func (k *Keyring) Rules(application uuid.UUID) (*registry.Application, *check.Rules) {
	r := k.ring.Load()
	if r == nil {
		return nil, nil
	}
	return r.byUID[application], r.rules[application]
}

// AllRules returns the rules of every application, and a channel that is closed when they may have changed. Before the
// log was read it waits for that: nil then, where ctx ended.
func (k *Keyring) AllRules(ctx context.Context) (all iter.Seq[*check.Rules], changed <-chan struct{}) {
	for {
		beat := *k.beat.Load()
		if r := k.ring.Load(); r != nil {
			return maps.Values(r.rules), r.replaced
		}
		select {
		case <-beat:
		case <-ctx.Done():
			return nil, nil
		}
	}
}

// replace puts a ring in the place of the one before.
func (k *Keyring) replace(next *ring) {
	if before := k.ring.Swap(next); before != nil {
		close(before.replaced)
	}
}

// newRing indexes applications by everything that is looked up. before is the ring that it follows, or nil.
func newRing(applications map[uuid.UUID]*registry.Application, unreadable map[string]struct{}, position string, before *ring) *ring {
	r := &ring{
		byUID:    applications,
		byName:   make(map[string]*registry.Application, len(applications)),
		byKey:    make(map[keyOf]grant, 2*len(applications)),
		byClient: make(map[string]*registry.Application, len(applications)),
		rules:    make(map[uuid.UUID]*check.Rules, len(applications)),
		position: position, unreadable: unreadable, replaced: make(chan struct{}),
	}
	r.origins = sync.OnceValue(r.originsOf)
	for _, a := range applications {
		r.byClient[a.ClientID] = a
		// A resource that was deleted and made again has another UID: the younger one owns the name.
		if other := r.byName[a.Namespace+"/"+a.Name]; other == nil || other.Revision < a.Revision {
			r.byName[a.Namespace+"/"+a.Name] = a
		}
		r.rules[a.UID] = before.rulesOf(a)
		for _, c := range a.Credentials {
			key, g := keyOf{a.ClientID, apikey.Hash(c.SHA256)}, grant{r.principal(a, c.ID, registry.AllScopes), c.NotAfter}
			if known, ok := r.byKey[key]; !ok || g.outlasts(known) { // one key under two ids is good until the later end
				r.byKey[key] = g
			}
		}
	}
	return r
}

// rulesOf returns the rules of an application: the ring's own while its record is the same, else new ones, with what
// the ring's have compiled already.
func (r *ring) rulesOf(a *registry.Application) *check.Rules {
	switch {
	case r == nil:
		return check.Of(&a.Policy, nil)
	case r.byUID[a.UID] == a:
		return r.rules[a.UID]
	}
	return check.Of(&a.Policy, r.rules[a.UID])
}

// principal is an application by one of its credentials.
func (r *ring) principal(a *registry.Application, credential string, scopes registry.Scopes) Principal {
	return Principal{Application: a, Rules: r.rules[a.UID], Credential: credential, Scopes: scopes}
}
