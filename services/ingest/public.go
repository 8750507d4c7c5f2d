package ingest

import (
	"context"
	"net/http"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/keyring"
	"github.com/theeye-dev/theeye/services/internal/kit"
)

// DefaultPublicRate is how many events per second web pages may post for an application that has no limits: whoever knows
// its client id can send them, and five hundred are 43 million a day.
const DefaultPublicRate = 500

// keyParameter is the query parameter with a client id, for beacons: they cannot set headers.
const keyParameter = "key"

// authenticate finds who sent a request, and may send events: an application by one of its credentials, or a web page by
// the client id alone.
func (d *decoder) authenticate(ctx context.Context, r *http.Request) (keyring.Principal, error) {
	principal, err := kit.Limited(ctx, d.failures, r, func(ctx context.Context) (keyring.Principal, error) { return d.find(ctx, r) })
	if err != nil {
		return principal, err
	}
	return principal, principal.Require(registry.ScopeWrite)
}

func (d *decoder) find(ctx context.Context, r *http.Request) (keyring.Principal, error) {
	clientID, err := aloneID(r)
	if err != nil {
		return keyring.Principal{}, err
	}
	if clientID == "" {
		return kit.Authenticate(ctx, d.keys, r)
	}
	principal, err := d.keys.Public(ctx, clientID)
	if err != nil {
		return principal, err
	}
	return principal, fromListedOrigin(r.Header, principal.Application)
}

// aloneID returns the client id of a request that has no secret: ?key=, or HTTP Basic with an empty password; "" for
// any other request. What stands in ?key= is told to nobody, for it may be a secret.
func aloneID(r *http.Request) (string, error) {
	if keys := inQuery(r); len(keys) > 0 {
		switch {
		case len(r.Header["Authorization"]) > 0:
			return "", fault.New(fault.CodeUnauthenticated, "send ?key= or Authorization, not both")
		case len(keys) > 1:
			return "", fault.New(fault.CodeUnauthenticated, "?key= is given more than once")
		case !apikey.ValidClientID(keys[0]):
			return "", fault.New(fault.CodeUnauthenticated, "?key= must be a client id (eye_ and 24 hexadecimal digits); "+
				"a secret must not stand in a URL, where proxies log it: if this was one, replace it")
		}
		return keys[0], nil
	}
	if id, secret, ok := r.BasicAuth(); ok && secret == "" && apikey.ValidClientID(id) && len(r.Header["Authorization"]) == 1 {
		return id, nil
	}
	return "", nil
}

// inQuery returns the values of ?key=. Other parameters mean nothing, and a malformed one is none.
func inQuery(r *http.Request) []string {
	if r.URL.RawQuery == "" {
		return nil
	}
	return r.URL.Query()[keyParameter]
}
