package kit

import (
	"context"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/keyring"
)

// Authenticate finds who sent a request by its Authorization header: HTTP Basic with client id and secret, or Bearer
// with the API key or an access token. Errors are faults, as keyring.Keyring.Authenticate has them.
func Authenticate(ctx context.Context, keys *keyring.Keyring, r *http.Request) (keyring.Principal, error) {
	if err := keys.Ready(); err != nil {
		return keyring.Principal{}, err
	}
	if len(r.Header["Authorization"]) > 1 {
		return keyring.Principal{}, fault.New(fault.CodeUnauthenticated, "there is more than one Authorization header")
	}
	if id, secret, ok := r.BasicAuth(); ok {
		if id == "" {
			return keyring.Principal{}, fault.New(fault.CodeUnauthenticated, "HTTP Basic needs the client id as user name")
		}
		return keys.Authenticate(ctx, id, secret)
	}
	if token, ok := Bearer(r); ok {
		if strings.Contains(token, ".") { // no API key has one, and every token two
			return keys.Token(ctx, token)
		}
		return keys.Authenticate(ctx, "", token)
	}
	return keyring.Principal{}, errNoCredential
}

// errNoCredential refuses who sent nothing that could be right or wrong.
var errNoCredential = fault.New(fault.CodeUnauthenticated,
	"send Authorization: Basic (client id and secret) or Bearer (API key or access token)")

// Bearer returns the token of an Authorization: Bearer header.
func Bearer(r *http.Request) (token string, ok bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), ok && strings.EqualFold(scheme, "Bearer")
}

// NotFound answers 404 as a problem document.
func NotFound() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fault.Write(w, fault.New(fault.CodeNotFound, "there is nothing at "+r.URL.Path))
	})
}

// Exact answers 404 for paths that http.ServeMux would redirect to their clean form, as that of a base URL which ends with
// a slash: clients follow no redirect of a POST, or follow it without its body.
func Exact(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent := r.URL.EscapedPath()
		meant := path.Clean(sent)
		if strings.HasSuffix(sent, "/") && meant != "/" {
			meant += "/"
		}
		if strings.HasPrefix(sent, "/") && sent != meant {
			fault.Write(w, fault.New(fault.CodeNotFound, "there is nothing at "+sent+"; the path meant is "+meant))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// MethodNotAllowed answers 405 as a problem document. allow lists methods with commas; with GET there is HEAD, as
// http.ServeMux has it.
func MethodNotAllowed(allow string) http.Handler {
	if methods := strings.Split(allow, ", "); slices.Contains(methods, http.MethodGet) && !slices.Contains(methods, http.MethodHead) {
		allow = strings.Replace(allow, http.MethodGet, http.MethodGet+", "+http.MethodHead, 1)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", allow)
		fault.Write(w, fault.New(fault.CodeMethod, r.Method+" is not allowed here; use "+allow))
	})
}
