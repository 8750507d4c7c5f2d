package auth

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"

	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/kit"
)

const (
	// formType is the media type of what clients send to the token endpoint.
	formType = "application/x-www-form-urlencoded"
	// maxForm is many times what a request for a token has: a grant type, scopes, and a credential of 100 characters.
	maxForm = 8 << 10
)

// The parameters that are read; any other means nothing (RFC 6749, section 3.2).
const (
	paramGrant  = "grant_type"
	paramScope  = "scope"
	paramID     = "client_id"
	paramSecret = "client_secret"
)

// readForm returns the parameters of a request. One without a value is as if it were not there, and none may come twice
// (RFC 6749, section 3.2).
func readForm(r *http.Request) (map[string]string, error) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != formType {
		return nil, fault.New(fault.CodeMediaType, "send a form: Content-Type "+formType)
	}
	if query := r.URL.Query(); query.Has(paramID) || query.Has(paramSecret) || query.Has(paramGrant) || query.Has(paramScope) {
		return nil, fault.New(fault.CodeParameter, "parameters belong into the body and not into the URL, where proxies log them; replace a secret that was sent so")
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxForm))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, fault.New(fault.CodeBodyTooLarge, fmt.Sprintf("the body may have %d bytes", maxForm))
	}
	if err != nil {
		return nil, kit.Unread(r, err)
	}
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, fault.New(fault.CodeParameter, "the body is no form of names and values") // the cause may show a secret
	}
	form := make(map[string]string, len(values))
	for name, all := range values {
		if len(all) != 1 {
			return nil, fault.New(fault.CodeParameter, fmt.Sprintf("parameter %.64q is given %d times", name, len(all)))
		}
		form[name] = all[0]
	}
	return form, nil
}

// shown is the credential that a client shows.
type shown struct{ clientID, secret string }

// credentialOf reads a client's credential, from HTTP Basic or from the form, and never from both (RFC 6749, section 2.3).
func credentialOf(r *http.Request, form map[string]string) (shown, error) {
	headers := r.Header["Authorization"]
	if len(headers) == 0 {
		if form[paramSecret] == "" {
			return shown{}, errNoClient
		}
		return shown{form[paramID], form[paramSecret]}, nil
	}
	id, secret, ok := r.BasicAuth()
	if !ok || len(headers) > 1 {
		return shown{}, errNoClient
	}
	if form[paramSecret] != "" {
		return shown{}, fault.New(fault.CodeParameter, "the client shows its secret twice: in HTTP Basic and in the form")
	}
	id, err := url.QueryUnescape(id) // as forms write it (RFC 6749, section 2.3.1)
	secret, err2 := url.QueryUnescape(secret)
	if err != nil || err2 != nil {
		return shown{}, fault.New(fault.CodeUnauthenticated, "client id and secret must be form-encoded in HTTP Basic, and are not")
	}
	if given := form[paramID]; given != "" && given != id {
		return shown{}, fault.New(fault.CodeParameter, "client_id is another one than that of HTTP Basic")
	}
	return shown{id, secret}, nil
}

var errNoClient = fault.New(fault.CodeUnauthenticated,
	"send client id and secret, once: as HTTP Basic, or as client_id and client_secret in the form")
