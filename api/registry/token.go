package registry

import (
	"encoding/hex"
	"time"
)

// FieldKeys is the hash's field with the newest SigningKeys in JSON, and the field of log entries that bring them. Such
// an entry has no FieldRecord: a reader that knows nothing of it takes a snapshot, and there it reads no field but those
// of applications.
const FieldKeys = "keys"

// SigningKeys are the public keys by which everyone who checks requests checks access tokens.
type SigningKeys struct {
	Revision int64        `json:"revision"` // grows with every new key, also across a lost database
	Keys     []SigningKey `json:"keys"`
}

// SigningKey is an Ed25519 key that signs tokens of one issuer.
type SigningKey struct {
	ID        string    `json:"id"` // its RFC 7638 thumbprint, the kid of its tokens
	Issuer    string    `json:"issuer"`
	PublicKey []byte    `json:"publicKey"` // 32 bytes
	NotAfter  time.Time `json:"notAfter"`  // its last token has ended by then
}

// What an access token says beside who it is for (RFC 9068).
const (
	// TokenType is the typ of its header: no other token that the same key may ever sign is taken for one.
	TokenType = "at+jwt"
	// TokenAudience is its aud: all of TheEye.
	TokenAudience = "theeye"
	// TokenLife is how long it is good. It dies earlier with its credential, so this bounds only what a third party
	// that knows nothing of credentials would take it for.
	TokenLife = 10 * time.Minute
)

// TokenClaims are the claims of an access token.
type TokenClaims struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"` // the client id, as the client acts for itself
	ClientID string `json:"client_id"`
	Audience string `json:"aud"`
	ID       string `json:"jti"`
	IssuedAt int64  `json:"iat"` // seconds since 1970
	Expires  int64  `json:"exp"` // seconds since 1970
	Scope    string `json:"scope"`
	// Credential is the id of the credential that the token was given for, and with which it dies.
	Credential string `json:"credential"`
	// Key is the Mark of that credential's key: the token also dies when the credential gets another key under its id.
	Key string `json:"key"`
}

// markBytes of a digest tell the few keys apart that a credential ever has, and are no use to anybody else.
const markBytes = 8

// Mark is the beginning of a digest, by which an access token names the key that it was given for.
func (d Digest) Mark() string { return hex.EncodeToString(d[:markBytes]) }
