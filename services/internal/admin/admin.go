// Package admin decides who may use the admin ports: whoever holds the installation's admin token, or whom another
// authorizer knows (package kube: the operator's service account). A service asks through an interface of its own.
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

// Authorizer answers nil for a request whose sender may do what it asks for, else a fault. It is safe for concurrent use.
type Authorizer interface {
	Authorize(ctx context.Context, r *http.Request) error
}

// Token authorizes requests that carry one fixed bearer token.
type Token struct{ hash [sha256.Size]byte }

// Static returns the authorizer for a token. An empty token is an error: it would let everybody in.
func Static(token string) (*Token, error) {
	if token == "" {
		return nil, errors.New("the admin token is empty")
	}
	return &Token{hash: sha256.Sum256([]byte(token))}, nil
}

// Optional returns the authorizer for a token, and Nobody where an installation has none.
func Optional(token string) Authorizer {
	if t, err := Static(token); err == nil {
		return t
	}
	return Nobody{}
}

// Authorize answers nil for a request with "Authorization: Bearer TOKEN", else a fault of 401.
func (t *Token) Authorize(_ context.Context, r *http.Request) error {
	token, err := Bearer(r)
	if err != nil {
		return err
	}
	// Hashes have one length, so the time to compare tells nothing of the token's.
	got := sha256.Sum256([]byte(token))
	if subtle.ConstantTimeCompare(got[:], t.hash[:]) != 1 {
		return fault.New(fault.CodeUnauthenticated, "the admin token is wrong")
	}
	return nil
}

// Bearer returns the token of "Authorization: Bearer TOKEN", or a fault of 401. Two such headers are none: a proxy might
// have looked at the other one.
func Bearer(r *http.Request) (token string, err error) {
	if headers := r.Header["Authorization"]; len(headers) == 1 {
		scheme, token, found := strings.Cut(headers[0], " ")
		if token = strings.TrimSpace(token); found && strings.EqualFold(scheme, "Bearer") {
			return token, nil
		}
	}
	return "", fault.New(fault.CodeUnauthenticated, "a token is needed: Authorization: Bearer TOKEN")
}

// Nobody lets nobody in.
type Nobody struct{}

// Authorize answers a fault of 401.
func (Nobody) Authorize(context.Context, *http.Request) error {
	return fault.New(fault.CodeUnauthenticated, "this token is not known here")
}
