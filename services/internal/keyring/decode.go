package keyring

import (
	"crypto/ed25519"
	"encoding/base64"
	"strings"
	"time"

	"sigs.k8s.io/json"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/fault"
)

const (
	// maxToken is how long an access token may be, in bytes: ten times as long as auth makes them, and too short to cost
	// anything.
	maxToken = 8 << 10
	// maxSkew is how far the clocks of auth and of who checks its tokens may be apart.
	maxSkew = time.Minute
	// algorithm is the only one: what a token says of it selects nothing (RFC 8725, section 3.1).
	algorithm = "EdDSA"
)

// accessToken is what an access token says.
type accessToken struct {
	keyID  string
	claims registry.TokenClaims
	scopes registry.Scopes
	// by is the key that has signed it, once that was checked.
	by signingKey
}

// signature of an access token, and what it is of.
type signature struct{ text, bytes []byte }

// header of an access token: these members and no other. So a token cannot bring a key, an address of one (jku, x5u), or
// an extension that must be understood (crit).
type header struct {
	Algorithm string `json:"alg"`
	Type      string `json:"typ"`
	KeyID     string `json:"kid"`
}

// encoding is base64url without the other ways to write the same bytes: a token can be written in one way only.
var encoding = base64.RawURLEncoding.Strict() //nolint:gochecknoglobals // it never changes

// IsToken tells whether a bearer token says of itself that it is an access token of the kind that auth gives, true or not.
func IsToken(bearer string) bool {
	if len(bearer) > maxToken {
		return false
	}
	first, _, found := strings.Cut(bearer, ".")
	h, ok := readHeader(first)
	return found && ok && h.Type == registry.TokenType
}

func readHeader(part string) (h header, ok bool) {
	text, ok := decodePart(part)
	if !ok {
		return h, false
	}
	faults, err := json.UnmarshalStrict(text, &h) // also of repeated and wrongly cased members
	return h, err == nil && len(faults) == 0
}

func decodePart(part string) ([]byte, bool) {
	if strings.ContainsAny(part, "\r\n") { // which the decoder would pass over
		return nil, false
	}
	text, err := encoding.DecodeString(part)
	return text, err == nil
}

// decodeToken takes an access token apart, and checks all that needs no key and no time. Nothing of it is known to be
// true. The error is a fault, and shows nothing of the token.
func decodeToken(text string) (t accessToken, s signature, err error) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return t, s, errNoToken
	}
	h, ok := readHeader(parts[0])
	payload, ok2 := decodePart(parts[1])
	sum, ok3 := decodePart(parts[2])
	switch {
	case !ok || !ok2 || !ok3 || h.Type != registry.TokenType:
		return t, s, errNoToken
	case h.Algorithm != algorithm || len(sum) != ed25519.SignatureSize:
		return t, s, wrongToken("the access token is not signed with Ed25519")
	}
	if err := json.UnmarshalCaseSensitivePreserveInts(payload, &t.claims); err != nil {
		return t, s, errNoToken
	}
	t.keyID = h.KeyID
	t.scopes, _ = registry.ParseScopes(t.claims.Scope) // a later release may have more of them
	return t, signature{[]byte(text[:len(parts[0])+1+len(parts[1])]), sum}, t.sound()
}

// sound checks the claims by themselves.
func (t *accessToken) sound() error {
	switch c := &t.claims; {
	case c.Audience != registry.TokenAudience:
		return wrongToken("the access token is not made for TheEye (aud)")
	case c.Subject != c.ClientID || !apikey.ValidClientID(c.ClientID) || !apikey.ValidCredentialID(c.Credential):
		return wrongToken("the access token is not a client's own (sub, client_id, credential)")
	}
	return nil
}

// current checks the time.
func (t *accessToken) current(now time.Time) error {
	switch {
	case !now.Add(-maxSkew).Before(time.Unix(t.claims.Expires, 0)):
		return wrongToken("the access token has expired; get another one")
	case now.Add(maxSkew).Before(time.Unix(t.claims.IssuedAt, 0)):
		return wrongToken("the access token is of the future (iat): clocks are more than a minute apart")
	}
	return nil
}

// wrongToken refuses an access token.
func wrongToken(detail string) *fault.Error {
	return &fault.Error{Code: fault.CodeUnauthenticated, Detail: detail, Challenge: `error="invalid_token"`}
}

var errNoToken = wrongToken("the bearer token is neither an API key nor an access token of TheEye, or it is cut off")
