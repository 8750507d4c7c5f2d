package auth

import (
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/theeye-dev/theeye/api/registry"
)

const (
	// keyLife is how long one key signs: often enough that nobody forgets what becomes of it, and that a copy which got
	// out is worth little for long.
	keyLife = 30 * 24 * time.Hour
	// keyLead is how long before its first use a key is published. Every reader of the application log has it at once;
	// a day is for third parties that cache the key set (cacheFor).
	keyLead = 24 * time.Hour
	// keySlack is how far apart the clocks of two replicas may be: a key is checked for that much longer than it is used,
	// and the very first one is used that much earlier.
	keySlack = 5 * time.Minute
)

// signingKey is a key as the database has it.
type signingKey struct {
	ID         string
	Issuer     string
	PublicKey  []byte
	Sealed     []byte // nil: the private key is not known, the key only checks
	SignFrom   time.Time
	SignUntil  time.Time
	Revision   int64
	PrivateKey ed25519.PrivateKey `db:"-"` // once it was opened
}

// newSigningKey makes a key that signs from a moment on.
func newSigningKey(issuer string, sealer *Sealer, from time.Time) (signingKey, error) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return signingKey{}, fmt.Errorf("make signing key: %w", err)
	}
	id, err := thumbprint(public)
	if err != nil {
		return signingKey{}, err
	}
	from = *moment(from)
	key := signingKey{ID: id, Issuer: issuer, PublicKey: public, SignFrom: from, SignUntil: from.Add(keyLife), PrivateKey: private}
	key.Sealed = sealer.seal(private.Seed(), key.sealedAs())
	return key, nil
}

// thumbprint names a key by itself (RFC 7638): no two keys have one name, and no name can be given another key.
func thumbprint(public ed25519.PublicKey) (string, error) {
	sum, err := (&jose.JSONWebKey{Key: public}).Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("name signing key: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}

// public is the key that checks.
func (k *signingKey) public() ed25519.PublicKey { return k.PublicKey }

// sealedAs is what the private key is bound to.
func (k *signingKey) sealedAs() string { return k.ID + "\x00" + k.Issuer }

// open decrypts the private key, or answers errSealed.
func (k *signingKey) open(sealer *Sealer) error {
	seed, err := sealer.open(k.Sealed, k.sealedAs())
	if err != nil {
		return err
	}
	if len(seed) != ed25519.SeedSize {
		return errSealed
	}
	k.PrivateKey = ed25519.NewKeyFromSeed(seed)
	return nil
}

// notAfter is when the last token that the key may have signed has ended.
func (k *signingKey) notAfter() time.Time {
	return k.SignUntil.Add(registry.TokenLife + keySlack)
}

// signs tells whether the key may sign at a moment.
func (k *signingKey) signs(now time.Time) bool {
	return k.Sealed != nil && !now.Before(k.SignFrom) && now.Before(k.SignUntil)
}

// signer returns the key that signs for an issuer at a moment: the youngest of those that may; nil when there is none.
func signer(keys []signingKey, issuer string, now time.Time) *signingKey {
	var found *signingKey
	for i := range keys {
		if k := &keys[i]; k.Issuer == issuer && k.signs(now) && (found == nil || k.SignFrom.After(found.SignFrom)) {
			found = k
		}
	}
	return found
}

// due tells whether an issuer needs another key, and from when on that is to sign: in time before its last one ends, or
// at once when it has none.
func due(keys []signingKey, issuer string, now time.Time) (from time.Time, needed bool) {
	if signer(keys, issuer, now) == nil {
		return now.Add(-keySlack), true
	}
	var last time.Time
	for _, k := range keys {
		if k.Issuer == issuer && k.Sealed != nil && k.SignUntil.After(last) {
			last = k.SignUntil
		}
	}
	return last, last.Sub(now) < keyLead
}

// revisionOfKeys is the revision of keys together; 0 for none.
func revisionOfKeys(keys []signingKey) (revision int64) {
	for _, k := range keys {
		revision = max(revision, k.Revision)
	}
	return revision
}

// published is what the application log is told of keys.
func published(keys []signingKey) registry.SigningKeys {
	record := registry.SigningKeys{Revision: revisionOfKeys(keys), Keys: make([]registry.SigningKey, len(keys))}
	for i, k := range keys {
		record.Keys[i] = registry.SigningKey{ID: k.ID, Issuer: k.Issuer, PublicKey: k.PublicKey, NotAfter: k.notAfter()}
	}
	return record
}

// adopted is a key that only the application log knows. Nobody can sign with it any more, so it is kept for as long as a
// token of its may live.
func adopted(k registry.SigningKey, now time.Time) signingKey {
	until := k.NotAfter.Add(-registry.TokenLife - keySlack)
	if now.Before(until) {
		until = now
	}
	return signingKey{ID: k.ID, Issuer: k.Issuer, PublicKey: k.PublicKey, SignFrom: *moment(until), SignUntil: *moment(until)}
}
