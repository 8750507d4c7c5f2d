package console

import (
	"net/http"
	"strings"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

// errorPage says what went wrong, and where to go from there.
type errorPage struct {
	Refuse *refusal
	Again  string // this page once more, when that may help
	Plain  string // this page without the parameters that it does not take
	Back   link   // where this page belongs
}

// link of a page.
type link struct{ To, Text string }

// wayOn finds where to go from an error.
func wayOn(r *http.Request, refused *refusal) errorPage {
	p := errorPage{Refuse: refused, Back: back(r)}
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case reads && refused.Passes():
		p.Again = r.URL.RequestURI()
	case reads && refused.Code == fault.CodeParameter && r.URL.RawQuery != "":
		p.Plain = r.URL.EscapedPath()
	case refused.Passes() && strings.HasSuffix(r.URL.Path, "/erase"): // it goes on, if it was noted before that
		p.Back.Text = "See how far it is"
	}
	return p
}

// back is the page that a request belongs to.
func back(r *http.Request) link {
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	section, rest, inside := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	if section == "export" { // of events
		section, inside = "events", true
	}
	text, known := map[string]string{
		"events": "All events", "sessions": "All sessions", "failures": "All failures", "replays": "All replays",
		"applications": "All applications", "tail": "The live tail",
	}[section]
	switch id, _, action := strings.Cut(rest, "/"); {
	case !known:
	case !reads && action: // what it was to be done with
		to := link{"/" + section + "/" + id, "Back"}
		if r.URL.RawQuery != "" {
			to.To += "?" + r.URL.RawQuery
		}
		return to
	case inside || !reads:
		return link{"/" + section, text}
	}
	return link{"/", "To the overview"}
}
