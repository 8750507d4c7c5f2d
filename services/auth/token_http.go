package auth

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/keyring"
	"github.com/theeye-dev/theeye/services/internal/kit"
)

// grantType is the only one.
const grantType = "client_credentials"

// decode reads a request for a token, and finds who sent it.
func (t *Tokens) decode(ctx context.Context, r *http.Request) (asked tokenRequest, err error) {
	form, err := readForm(r)
	if err != nil {
		return asked, err
	}
	switch form[paramGrant] {
	case grantType:
	case "":
		return asked, fault.New(fault.CodeParameter, "grant_type is missing: send grant_type="+grantType)
	default:
		return asked, refusal{"unsupported_grant_type", fault.New(fault.CodeParameter, "grant_type must be "+grantType)}
	}
	credential, err := credentialOf(r, form)
	if err != nil {
		return asked, err
	}
	if asked.Principal, err = t.authenticate(ctx, r, credential); err != nil {
		return asked, err
	}
	asked.Scopes, err = scopesOf(form[paramScope])
	return asked, err
}

// authenticate finds whose credential it is; as unknown client ids wrong secrets are refused, by the same steps.
func (t *Tokens) authenticate(ctx context.Context, r *http.Request, c shown) (keyring.Principal, error) {
	if c.clientID == "" {
		return keyring.Principal{}, fault.New(fault.CodeUnauthenticated, "the client id is missing")
	}
	return kit.Limited(ctx, t.failures, r, func(ctx context.Context) (keyring.Principal, error) {
		return t.keys.Authenticate(ctx, c.clientID, c.secret)
	})
}

// scopesOf reads the scopes that a client asks for; all when it does not say.
func scopesOf(list string) (registry.Scopes, error) {
	set, err := registry.ParseScopes(list)
	switch {
	case err != nil:
		return set, refusal{"invalid_scope", fault.New(fault.CodeParameter, err.Error())}
	case set == 0:
		return registry.AllScopes, nil
	}
	return set, nil
}

// refusal is a fault for which OAuth 2.0 has a word of its own.
type refusal struct {
	word  string
	fault *fault.Error
}

func (r refusal) Error() string { return r.fault.Error() }

func (r refusal) Unwrap() error { return r.fault }

// encodeToken answers with a token, which nobody on the way may keep.
func encodeToken(ctx context.Context, w http.ResponseWriter, answer token) error {
	unkept(w.Header())
	return kit.JSON(ctx, w, answer)
}

func unkept(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache") // RFC 6749, section 5.1, asks for both
}

// tokenProblem is an error as OAuth 2.0 has it (RFC 6749, section 5.2), with the members of a problem document beside it.
type tokenProblem struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
	fault.Problem
}

// tellToken answers a request for a token with an error.
func tellToken(w http.ResponseWriter, err error) {
	p := tokenProblem{Problem: fault.ProblemOf(err)}
	p.Error, p.Description = wordOf(err, p.Problem), described(p.Detail)
	p.Header(w.Header())
	unkept(w.Header())
	w.Header().Set("Content-Type", "application/json")
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", fault.BasicChallenge) // a token gets no token
	}
	if p.Code == fault.CodeMediaType {
		w.Header().Set("Accept", formType)
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client may have gone
}

// wordOf is what OAuth 2.0 calls an error. For what is over by itself it has no word at this endpoint: that of another
// one (RFC 6749, section 4.1.2.1) is what clients know.
func wordOf(err error, p fault.Problem) string {
	if own := (refusal{}); errors.As(err, &own) {
		return own.word
	}
	switch {
	case p.Code == fault.CodeUnauthenticated:
		return "invalid_client"
	case p.Code == fault.CodeSuspended:
		return "unauthorized_client"
	case p.Status == http.StatusInternalServerError:
		return "server_error"
	case fault.KindOf(err) == fault.Unavailable:
		return "temporarily_unavailable"
	}
	return "invalid_request"
}

// described writes a text in the characters that a description may have: printable ASCII but for " and \.
func described(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '"' || r == '\\':
			return '\''
		case r < ' ' || r > '~':
			return '?'
		}
		return r
	}, text)
}
