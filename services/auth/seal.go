package auth

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
)

// minEncryptionKey is how many bytes a signing key's encryption key must have at least: as many as the cipher's own key,
// so that even one of raw random bytes is as strong as AES-256.
const minEncryptionKey = 32

// sealing tells this use of the encryption key from any other that may come.
const sealing = "theeye signing keys v1"

// errSealed says that something was sealed with another encryption key, or changed since.
var errSealed = errors.New("sealed with another encryption key")

// Sealer keeps secrets that lie in the database: whoever has a copy of it alone cannot sign a token.
type Sealer struct{ aead cipher.AEAD }

// NewSealer returns a Sealer for an encryption key of at least 32 bytes. The key may be text of any form, so it is not
// used itself, but what HKDF-SHA256 (RFC 5869) makes of it.
func NewSealer(encryptionKey string) (*Sealer, error) {
	if len(encryptionKey) < minEncryptionKey {
		return nil, fmt.Errorf("the encryption key of signing keys must have at least %d bytes", minEncryptionKey)
	}
	key, err := hkdf.Key(sha256.New, []byte(encryptionKey), nil, sealing, 32)
	if err != nil {
		return nil, fmt.Errorf("derive encryption key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block) // 96 random bits: a key in a month never meets one again
	if err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	return &Sealer{aead}, nil
}

// seal encrypts a secret. What it belongs to is bound to it: nobody can move it to another row.
func (s *Sealer) seal(secret []byte, belongsTo string) []byte {
	return s.aead.Seal(nil, nil, secret, []byte(belongsTo)) //nolint:gosec // G407: the nonce is random, made inside
}

// open decrypts what seal made, or answers errSealed.
func (s *Sealer) open(sealed []byte, belongsTo string) ([]byte, error) {
	secret, err := s.aead.Open(nil, nil, sealed, []byte(belongsTo))
	if err != nil {
		return nil, errSealed
	}
	return secret, nil
}
