package auth

import (
	"errors"
	"net/url"
	"strings"
)

// errIssuer says what an issuer may be.
var errIssuer = errors.New("must be an absolute http or https URL without user, query and fragment")

// ParseIssuer returns the issuer that tokens name for the URL of the public port. It has no slash at its end: issuers are
// compared as text (RFC 8414, section 2), and the endpoints' paths follow it.
func ParseIssuer(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil ||
		strings.ContainsAny(text, "?#") {
		return "", errIssuer
	}
	return strings.TrimRight(text, "/"), nil
}
