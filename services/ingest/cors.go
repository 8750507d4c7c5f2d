package ingest

import (
	"net/http"
	"strings"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

// What pages may send and read: https://fetch.spec.whatwg.org/#http-cors-protocol. There is no
// Access-Control-Allow-Credentials: no cookie means anything here, and no page may use one.
const (
	corsMethods = http.MethodPost
	// allowed are all methods of the path: a page needs no leave for the one by which it asks.
	allowed = http.MethodOptions + ", " + http.MethodPost
	// corsHeaders are those that requests are read by, beside CloudEvents' own; the last two are not, and tracing libraries
	// add them to every request of a page: without leave the browser would send none.
	corsHeaders = "Authorization, Content-Type, Content-Encoding, Idempotency-Key, Prefer, Traceparent, Tracestate, Baggage, Sentry-Trace"
	corsExposed = "Retry-After, RateLimit, RateLimit-Policy, Preference-Applied"
	// corsMaxAge is how long a browser need not ask again, in seconds: the most that Chromium grants. It need not be
	// short, for what is posted is held against the origins in any case.
	corsMaxAge = "7200"
	// cloudEventPrefix begins the headers of CloudEvents in binary mode; extensions have any name.
	cloudEventPrefix = "ce-"
)

// Header values are shared: net/http only reads them.
var (
	varyOrigin    = []string{"Origin"}
	varyPreflight = []string{"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"}
	exposed       = []string{corsExposed}
)

// origins knows which pages answers may be shown to; *keyring.Keyring does.
type origins interface {
	AllowsOrigin(origin string) bool
	Read() error
}

// shared lets pages of listed origins read the answers of a handler, whatever their status: of the origins of any
// application, for a refusal often belongs to none.
func shared(known origins, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h["Vary"] = varyOrigin
		if allow(known, r, h) {
			h["Access-Control-Expose-Headers"] = exposed
		}
		next.ServeHTTP(w, r)
	})
}

// preflight answers a browser that asks what a page may send. A foreign page's is answered as well, without leave: the
// browser then tells its developer what is missing.
func preflight(known origins) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h["Vary"] = varyPreflight
		if err := known.Read(); err != nil { // which origins there are is not known yet
			fault.Write(w, err)
			return
		}
		h.Set("Allow", allowed)
		if allow(known, r, h) {
			h.Set("Access-Control-Allow-Methods", corsMethods)
			h.Set("Access-Control-Allow-Headers", corsHeaders+cloudEventHeaders(r.Header))
			h.Set("Access-Control-Max-Age", corsMaxAge)
		}
		w.WriteHeader(http.StatusNoContent)
	})
}

// allow names the request's origin as one that may read the answer, if it is.
func allow(known origins, r *http.Request, h http.Header) bool {
	origin := r.Header["Origin"]
	if len(origin) != 1 || !known.AllowsOrigin(origin[0]) {
		return false
	}
	h["Access-Control-Allow-Origin"] = origin
	return true
}

// cloudEventHeaders returns those of the headers asked for that CloudEvents has, each after a comma.
func cloudEventHeaders(h http.Header) string {
	var list strings.Builder
	for _, line := range h["Access-Control-Request-Headers"] {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.TrimSpace(name); strings.HasPrefix(name, cloudEventPrefix) && isAttribute(name[len(cloudEventPrefix):]) {
				list.WriteString(", " + name)
			}
		}
	}
	return list.String()
}

// isAttribute tells whether CloudEvents could name an attribute so: lower-case letters and digits. Browsers ask for
// headers in lower case.
func isAttribute(name string) bool {
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}
