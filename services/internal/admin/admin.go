// Package admin decides who may use the admin ports: whoever holds the installation's admin token. A service
// asks through an interface of its own, so that another way (a Kubernetes token and its review) takes this one's place
// without touching the service.
package admin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

// Token authorizes requests that carry one fixed bearer token.
type Token struct{ hash [sha256.Size]byte }

// Static returns the authorizer for a token. An empty token is an error: it would let everybody in.
func Static(token string) (*Token, error) {
	if token == "" {
		return nil, errors.New("the admin token is empty")
	}
	return &Token{hash: sha256.Sum256([]byte(token))}, nil
}

// Authorize answers nil for a request with "Authorization: Bearer TOKEN", else a fault of 401.
func (t *Token) Authorize(_ context.Context, r *http.Request) error {
	scheme, token, found := strings.Cut(r.Header.Get("Authorization"), " ")
	if !found || !strings.EqualFold(scheme, "Bearer") {
		return fault.New(fault.CodeUnauthenticated, "an admin token is needed: Authorization: Bearer TOKEN")
	}
	// Hashes have one length, so the time to compare tells nothing of the token's.
	got := sha256.Sum256([]byte(strings.TrimSpace(token)))
	if subtle.ConstantTimeCompare(got[:], t.hash[:]) != 1 {
		return fault.New(fault.CodeUnauthenticated, "the admin token is wrong")
	}
	return nil
}
