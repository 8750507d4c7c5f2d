package kube

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

// maxToken is far above the length of any service account's token, which has about 1 KiB, and of those with all groups of
// a person.
const maxToken = 16 << 10

// audiences is JWT's aud: a string or a list of them (RFC 7519, section 4.1.3).
type audiences []string

// UnmarshalJSON reads both forms.
func (a *audiences) UnmarshalJSON(text []byte) error {
	var one string
	if err := json.Unmarshal(text, &one); err == nil {
		*a = audiences{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(a))
}

// claims is what a token says of itself. Nothing of it is known to be true.
type claims struct {
	Audiences audiences `json:"aud"`
	Expiry    float64   `json:"exp"` // seconds since 1970, with a fraction if it likes
}

// readClaims reads a JSON Web Token without checking it. It refuses what the API server could only refuse as well: what
// is no such token, and one that does not claim the audience. That spares the API server every other kind of token, and
// those tokens the way there.
func readClaims(token, audience string) (c claims, err error) {
	parts := strings.Split(token, ".")
	if len(token) > maxToken || len(parts) != 3 || parts[2] == "" {
		return c, errNoJWT
	}
	for _, part := range parts[:2] { // header and payload are both objects; the payload is read last
		text, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil || json.Unmarshal(text, &c) != nil {
			return c, errNoJWT
		}
	}
	if !slices.Contains(c.Audiences, audience) {
		return c, fault.New(fault.CodeUnauthenticated, "the token is not made for the audience "+audience)
	}
	return c, nil
}

var errNoJWT = fault.New(fault.CodeUnauthenticated, "the token is no service account's: those are JSON Web Tokens")

// claimsOf reads what a token says of itself, where it is a JSON Web Token; else nothing.
func claimsOf(token string) (c claims) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return c
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(text, &c) != nil {
		return claims{}
	}
	return c
}

// lasting is when what is remembered of a token ends: with the token at the latest.
func (c claims) lasting(now time.Time, life time.Duration) time.Time {
	until := now.Add(life)
	if expiry := c.expiry(); !expiry.IsZero() && expiry.Before(until) {
		return expiry
	}
	return until
}

// maxExpiry keeps the conversion to a time.Time in range: the year 9999.
const maxExpiry = 253402300799

// expiry is when the token says that it ends; the zero time when it doesn't.
func (c claims) expiry() time.Time {
	if c.Expiry <= 0 || c.Expiry > maxExpiry {
		return time.Time{}
	}
	return time.Unix(int64(c.Expiry), 0)
}
