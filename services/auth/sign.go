package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/fault"
)

// Sign returns an access token with these claims, in the name of the issuer, or a fault of kind Unavailable.
func (s *Signer) Sign(claims registry.TokenClaims) (string, error) {
	state := s.state.Load()
	if state.err != nil {
		return "", unusable(state.err)
	}
	key := signer(state.keys, s.Issuer, s.now())
	if key == nil {
		return "", fault.New(fault.CodeUnavailable, "the key that signs access tokens has ended, and there is no new one yet")
	}
	claims.Issuer = s.Issuer
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	return sign(key, payload)
}

// sign writes the token (RFC 7515, section 7.1). The library takes the algorithm and the key's name into the header.
func sign(key *signingKey, payload []byte) (string, error) {
	private := jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: key.PrivateKey, KeyID: key.ID}}
	signer, err := jose.NewSigner(private, (&jose.SignerOptions{}).WithType(registry.TokenType))
	if err != nil {
		return "", fmt.Errorf("open signing key: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign access token: %w", err)
	}
	return signed.CompactSerialize()
}

// KeySet returns the public keys of the issuer (RFC 7517), also those that are used later or no more, or a fault of kind
// Unavailable.
func (s *Signer) KeySet(context.Context, struct{}) (jose.JSONWebKeySet, error) {
	state := s.state.Load()
	if state.err != nil {
		return jose.JSONWebKeySet{}, unusable(state.err)
	}
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, k := range state.keys {
		if k.Issuer == s.Issuer {
			set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.public(), KeyID: k.ID, Algorithm: string(jose.EdDSA), Use: "sig"})
		}
	}
	return set, nil
}

// unusable is what clients are told of keys that this replica does not have.
func unusable(err error) error {
	if errors.Is(err, errNoKeys) {
		return fault.Wrap(fault.CodeStarting, "the keys that sign access tokens are not ready yet", err)
	}
	return fault.Wrap(fault.CodeUnavailable, "the keys that sign access tokens cannot be used", err)
}
