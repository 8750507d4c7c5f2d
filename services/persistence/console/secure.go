package console

import (
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// policy lets a page load nothing but what is ours, run no script and no style that stands in it, and be shown in no
// other page.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// secured sets what every answer of the console has.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY") // for what knows no frame-ancestors
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
		if h.Get("Cache-Control") == "" {
			h.Set("Cache-Control", "no-store")
		}
		next.ServeHTTP(w, r)
	})
}

// local returns where to go next, if that is a path of our own, and else the overview: what is in a link must not lead
// people who have just logged in to somebody else. Nor is it a page if its path hides behind escapes what browsers would
// take for another host, or if it begins or ends sessions.
func local(next string) string {
	at, err := url.ParseRequestURI(next)
	strange := func(s string) bool { return strings.HasPrefix(s, "//") || strings.HasPrefix(s, `/\`) }
	if err != nil || !strings.HasPrefix(next, "/") || strange(next) || strange(at.Path) || !plain(next) || strings.Contains(next, `\`) {
		return "/"
	}
	if path := at.Path; path == "/login" || path == "/logout" || path == streamPath {
		return "/"
	}
	return next
}

// plain tells whether a text can be in a header as it is.
func plain(s string) bool { return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl) }
