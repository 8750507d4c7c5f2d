package auth

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/keyring"
	"github.com/theeye-dev/theeye/services/internal/kit"
)

// Tokens gives access tokens to clients that show a credential (OAuth 2.0 client credentials, RFC 6749, section 4.4).
//
// Whose a credential is it asks the keyring: a token is given for just those that ingest and persistence take, and what
// strangers try reaches no database. A token that is given a moment too late is worth nothing, because it names the
// credential that it dies with.
type Tokens struct {
	signer *Signer
	keys   *keyring.Keyring
	// failures limits wrong credentials by address; nil: nothing does.
	failures *kit.Failures
	now      func() time.Time
}

// NewTokens returns Tokens by a signer and a keyring; nil where nothing signs. failures may be nil.
func NewTokens(signer *Signer, keys *keyring.Keyring, failures *kit.Failures, now func() time.Time) *Tokens {
	if signer == nil {
		return nil
	}
	return &Tokens{signer: signer, keys: keys, failures: failures, now: now}
}

// tokenRequest is a client that is known, and what it asks for.
type tokenRequest struct {
	keyring.Principal
	Scopes registry.Scopes
}

// token is the answer (RFC 6749, section 5.1).
type token struct {
	AccessToken string `json:"access_token"`
	Type        string `json:"token_type"`
	ExpiresIn   int64  `json:"expires_in"` // seconds
	Scope       string `json:"scope"`
}

// issue gives a token. It is good for registry.TokenLife, and no longer than the credential.
func (t *Tokens) issue(_ context.Context, asked tokenRequest) (token, error) {
	if asked.Application.Policy.Suspended {
		return token{}, fault.New(fault.CodeSuspended, "the application is suspended (spec.suspended)")
	}
	i := find(*asked.Application, asked.Credential)
	if i < 0 { // a principal is of a credential that its application has
		return token{}, fault.New(fault.CodeInternal, "the credential is not the application's")
	}
	credential, now := asked.Application.Credentials[i], t.now()
	expires := now.Add(registry.TokenLife)
	if end := credential.NotAfter; end != nil && end.Before(expires) {
		expires = *end
	}
	claims := registry.TokenClaims{
		Subject: asked.Application.ClientID, ClientID: asked.Application.ClientID,
		Audience: registry.TokenAudience, ID: uuid.NewString(),
		IssuedAt: now.Unix(), Expires: expires.Unix(), Scope: asked.Scopes.String(),
		Credential: credential.ID, Key: credential.SHA256.Mark(),
	}
	if claims.Expires <= claims.IssuedAt { // times in tokens have whole seconds
		return token{}, fault.New(fault.CodeUnauthenticated, "the credential has expired")
	}
	text, err := t.signer.Sign(claims)
	return token{text, "Bearer", claims.Expires - claims.IssuedAt, claims.Scope}, err
}
