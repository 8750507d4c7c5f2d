package persistence

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/kit"
)

// idInQuery stands in a path for an id that is in the query, as id=. Clients may choose any text for an id: that of a
// session can be .., which everything that joins paths takes for a step however it is escaped, or have a slash, which
// proxies on the way undo the escape of.
const idInQuery = "-"

// handleOne serves what is at an id below a path, by method.
func handleOne(mux *http.ServeMux, base string, methods map[string]http.Handler) {
	for method, handler := range methods {
		mux.Handle(method+" "+base+"/{id}", handler)
		mux.Handle(method+" "+base+"/{$}", atSlash(handler))
	}
	other := kit.MethodNotAllowed(strings.Join(slices.Sorted(maps.Keys(methods)), ", "))
	mux.Handle(base+"/{id}", other)
	mux.Handle(base+"/{$}", atSlash(other))
}

// atSlash serves the id that is a slash. ServeMux takes /%2F for a path that ends with a slash, which no {id} matches.
func atSlash(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(strings.ToUpper(r.URL.EscapedPath()), "/%2F") {
			kit.NotFound().ServeHTTP(w, r)
			return
		}
		r.SetPathValue("id", "/")
		next.ServeHTTP(w, r)
	})
}

// pathID reads the id that a path ends with, where the parameter id is known.
func pathID(req *http.Request, what string) (string, error) {
	id := req.PathValue("id")
	if given := req.URL.Query()["id"]; len(given) > 0 {
		if id != idInQuery {
			return "", fault.OfParameter("id", fault.New(fault.CodeParameter, "id is for a path that ends with /"+idInQuery+", in the place of an id"))
		}
		id = given[0]
	}
	return parseText(what, id)
}
