package auth

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/kit"
)

// The paths of clients. What routes them from outside routes no other: the admin API is beside them.
const (
	tokenPath    = "/v1/token"
	keysPath     = "/.well-known/jwks.json"
	metadataPath = "/.well-known/oauth-authorization-server"
)

// cacheFor is how long others may keep the key set: many times shorter than the day for which a key is published before
// its use (keyLead), so that whoever keeps it always has the key that signs. The metadata change as rarely.
const cacheFor = "public, max-age=3600"

// metadata describes auth to clients (RFC 8414, section 2).
type metadata struct {
	Issuer        string   `json:"issuer"`
	TokenEndpoint string   `json:"token_endpoint"`
	KeySet        string   `json:"jwks_uri"`
	Scopes        []string `json:"scopes_supported"`
	ResponseTypes []string `json:"response_types_supported"` // required; none, for nobody is sent here to agree to something
	GrantTypes    []string `json:"grant_types_supported"`
	Methods       []string `json:"token_endpoint_auth_methods_supported"`
	Documentation string   `json:"service_documentation"`
}

// documentation explains the API to people.
const documentation = "https://github.com/theeye-dev/theeye/blob/main/api/openapi.yaml"

// describe returns the description.
func (t *Tokens) describe(context.Context, struct{}) (metadata, error) {
	issuer := t.signer.Issuer
	return metadata{
		Issuer: issuer, TokenEndpoint: issuer + tokenPath, KeySet: issuer + keysPath,
		Scopes: strings.Fields(registry.AllScopes.String()), ResponseTypes: []string{}, GrantTypes: []string{grantType},
		Methods: []string{"client_secret_basic", "client_secret_post"}, Documentation: documentation,
	}, nil
}

// mount serves the paths of clients. Nobody has to be authorized for them.
func (t *Tokens) mount(a api) {
	a.mux.Handle("POST "+tokenPath, a.observer.Route(tokenPath, kit.HandlerTelling(tellToken, t.issue, t.decode, encodeToken)))
	a.mux.Handle("GET "+keysPath, a.observer.Route(keysPath, kit.Handler(t.signer.KeySet, nothing, kept)))
	a.mux.Handle("GET "+metadataPath, a.observer.Route(metadataPath, kit.Handler(t.describe, nothing, kept)))
	a.refuse(tokenPath, http.MethodPost)
	a.refuse(keysPath, "GET, HEAD")
	a.refuse(metadataPath, "GET, HEAD")
}

func nothing(context.Context, *http.Request) (struct{}, error) { return struct{}{}, nil }

// kept is the encode step of what others may keep.
func kept[Resp any](ctx context.Context, w http.ResponseWriter, answer Resp) error {
	w.Header().Set("Cache-Control", cacheFor)
	return kit.JSON(ctx, w, answer)
}

// underIssuer also serves the paths of clients where an issuer whose URL has a path says that they are: https://host/eye
// has its tokens at /eye/v1/token, and its metadata at /.well-known/oauth-authorization-server/eye (RFC 8414, section
// 3.1). What is before auth may cut the path off, or leave it.
func (t *Tokens) underIssuer(next http.Handler) http.Handler {
	u, err := url.Parse(t.signer.Issuer)
	if err != nil || u.Path == "" {
		return next
	}
	paths := map[string]string{
		u.Path + tokenPath: tokenPath, u.Path + keysPath: keysPath,
		metadataPath + u.Path: metadataPath, u.Path + metadataPath: metadataPath,
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path, ok := paths[r.URL.Path]; ok {
			r = r.Clone(r.Context())
			r.URL.Path, r.URL.RawPath = path, ""
		}
		next.ServeHTTP(w, r)
	})
}
