package persistence

import (
	"context"
	"errors"
	"net/http"

	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/kit"
)

// operator knows one token, as a TokenReview would.
type operator struct{}

const operatorToken = "an-operator-token-for-tests"

func (operator) Authorize(_ context.Context, r *http.Request) error {
	switch token, _ := kit.Bearer(r); token {
	case operatorToken:
		return nil
	case "another-service-account":
		return fault.New(fault.CodeForbidden, "the token is another ServiceAccount's; the operator's is missing")
	case "while-the-api-server-is-away":
		return errors.New("secret cause")
	}
	return fault.New(fault.CodeUnauthenticated, "the token is unknown")
}
