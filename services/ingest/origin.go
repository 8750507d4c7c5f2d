package ingest

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/fault"
)

// fromListedOrigin answers nil for a request from a web page of one of the application's origins, compared byte by byte:
// browsers write an origin in one form only. It limits abuse by other pages, and no more: whoever is not a browser sends
// any Origin, so events that come this way are marked.
func fromListedOrigin(h http.Header, a *registry.Application) error {
	switch origins := h["Origin"]; {
	case len(origins) == 0:
		return fault.New(fault.CodeOrigin, "a client id without its secret is for web pages, and this request has no Origin; send the client secret or the API key")
	case len(origins) > 1:
		return fault.New(fault.CodeOrigin, "there is more than one Origin header")
	case slices.Contains(a.Policy.Origins, origins[0]):
		return nil
	case len(origins[0]) > registry.MaxOriginBytes:
		return fault.New(fault.CodeOrigin, "the application does not list this origin (spec.origins)")
	default:
		return fault.New(fault.CodeOrigin, "the application does not list the origin "+strconv.Quote(origins[0])+" (spec.origins)")
	}
}
