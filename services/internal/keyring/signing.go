package keyring

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/theeye-dev/theeye/api/registry"
)

// signingKeys are the public keys that the application log has; they never change. nil: it has none that can be read, so
// that no access token is right or wrong.
type signingKeys struct {
	revision int64
	byID     map[string]signingKey
}

// signingKey checks tokens. Two of them are the same key where they are equal.
type signingKey struct {
	public   [ed25519.PublicKeySize]byte
	issuer   string
	notAfter time.Time
}

// readKeys takes a record of signing keys over. One that is older than what is known changes nothing.
func readKeys(known *signingKeys, record string) (*signingKeys, error) {
	var read registry.SigningKeys
	if err := json.Unmarshal([]byte(record), &read); err != nil {
		return nil, fmt.Errorf("decode signing keys: %w", err)
	}
	if known != nil && known.revision > read.Revision {
		return known, nil
	}
	keys := &signingKeys{revision: read.Revision, byID: make(map[string]signingKey, len(read.Keys))}
	for _, k := range read.Keys {
		if len(k.PublicKey) != ed25519.PublicKeySize || k.ID == "" || k.Issuer == "" {
			return nil, errors.New("decode signing keys: one is no Ed25519 key of an issuer")
		}
		keys.byID[k.ID] = signingKey{public: [ed25519.PublicKeySize]byte(k.PublicKey), issuer: k.Issuer, notAfter: k.NotAfter}
	}
	return keys, nil
}

// signed tells whether a key's owner signed a text.
func (k signingKey) signed(text, signature []byte) bool {
	return ed25519.Verify(k.public[:], text, signature)
}
