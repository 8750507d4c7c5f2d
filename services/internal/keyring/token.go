package keyring

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/fault"
)

// Token finds who an access token was given to (RFC 9068, section 4). It is good as long as the credential that it was
// given for is: the ring decides at every use, and only the signature is checked once. A token that the ring alone speaks
// against is refused as Authenticate refuses a key: after the ring was proven to be as new as the question. Errors are
// faults: Unavailable, or CodeUnauthenticated.
func (k *Keyring) Token(ctx context.Context, text string) (Principal, error) {
	if err := k.Ready(); err != nil {
		return Principal{}, err
	}
	if len(text) > maxToken {
		return Principal{}, wrongToken("the access token is longer than 8 KiB")
	}
	asked, sum := k.now(), digest(sha256.Sum256([]byte(text)))
	var s signature
	t, known := k.verified.find(sum)
	if !known {
		var err error
		if t, s, err = decodeToken(text); err != nil {
			return Principal{}, err
		}
	}
	if err := t.current(asked); err != nil {
		return Principal{}, err
	}
	principal, err := k.lookToken(&t, s, sum)
	if err == nil || errors.Is(err, errForged) { // no later ring thinks better of that
		return principal, err
	}
	if err := k.caughtUp(ctx, asked); err != nil {
		return Principal{}, err
	}
	return k.lookToken(&t, s, sum)
}

// errForged refuses a token that no owner of the key that it names has signed.
var errForged = wrongToken("the access token is not signed by auth, or it was changed")

// lookToken holds a token against the ring as it is. One that is right is remembered.
func (k *Keyring) lookToken(t *accessToken, s signature, sum digest) (Principal, error) {
	r := k.ring.Load()
	if r.signing == nil {
		return Principal{}, fault.New(fault.CodeUnavailable, "the application log has no keys to check access tokens with")
	}
	key, ok := r.signing.byID[t.keyID]
	switch {
	case !ok:
		return Principal{}, wrongToken("the key that signed the access token is unknown, or no longer used; get another one")
	case key.issuer != t.claims.Issuer || key.notAfter.Before(time.Unix(t.claims.Expires, 0)):
		return Principal{}, wrongToken("the access token says more than its key may sign (iss, exp)")
	}
	if t.by != key {
		if !key.signed(s.text, s.bytes) {
			return Principal{}, errForged
		}
		t.by = key
		k.verified.keep(sum, *t)
	}
	return r.holder(t, k.now())
}

// holder finds the credential that a token was given for.
func (r *ring) holder(t *accessToken, now time.Time) (Principal, error) {
	a := r.byClient[t.claims.ClientID]
	if _, unreadable := r.unreadable[t.claims.ClientID]; unreadable && a == nil {
		return Principal{}, fault.New(fault.CodeUnavailable, "the record of this token's application cannot be read; the token cannot be checked")
	}
	if a != nil {
		for _, c := range a.Credentials {
			if c.ID != t.claims.Credential || c.SHA256.Mark() != t.claims.Key {
				continue
			}
			if (grant{notAfter: c.NotAfter}).expired(now) {
				return Principal{}, wrongToken("the credential that the access token was got with has expired")
			}
			return r.principal(a, c.ID, t.scopes), nil
		}
	}
	return Principal{}, wrongToken("the credential that the access token was got with is revoked")
}

// Require answers nil when the sender has a scope, else a fault of 403 that names it.
func (p Principal) Require(scope registry.Scope) error {
	if p.Scopes.Has(scope) {
		return nil
	}
	return &fault.Error{
		Code: fault.CodeForbidden, Detail: "the access token has not the scope " + string(scope) + "; get one with it",
		Challenge: `error="insufficient_scope", scope="` + string(scope) + `"`,
	}
}
