package kit

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

// Parameters reads a request's query. Malformed, unknown and repeated parameters are refused by name: what is dropped
// in silence asks for more than was meant. A known name that ends in a word in angle brackets, as data.<path>, stands
// for all that begin as it does.
func Parameters(r *http.Request, known ...string) (map[string]string, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fault.New(fault.CodeParameter, "the query string is malformed: "+err.Error())
	}
	given := make(map[string]string, len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) { // of several that are wrong it is always the same that is told
		all := values[name]
		if !slices.ContainsFunc(known, func(k string) bool { return matches(k, name) }) {
			return nil, unknown(name, known)
		}
		if len(all) != 1 {
			return nil, fault.OfParameter(name, fault.New(fault.CodeParameter, fmt.Sprintf("parameter %q is given %d times", name, len(all))))
		}
		given[name] = all[0]
	}
	return given, nil
}

func unknown(name string, known []string) error {
	text := fmt.Sprintf("unknown parameter %q; known are %s", name, strings.Join(known, ", "))
	if len(known) == 0 {
		text = fmt.Sprintf("unknown parameter %q; there is none here", name)
	}
	return fault.OfParameter(name, fault.New(fault.CodeParameter, text))
}

func matches(known, name string) bool {
	prefix, family := known, false
	if at := strings.IndexByte(known, '<'); at > 0 {
		prefix, family = known[:at], true
	}
	return name == known && !family || family && strings.HasPrefix(name, prefix)
}
