package kit

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

// Parameters reads a request's query. Malformed, unknown and repeated parameters are refused by name: what is dropped
// in silence asks for more than was meant.
func Parameters(r *http.Request, known ...string) (map[string]string, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fault.New(fault.CodeParameter, "the query string is malformed: "+err.Error())
	}
	given := make(map[string]string, len(values))
	for name, all := range values {
		if !slices.Contains(known, name) {
			return nil, fault.New(fault.CodeParameter, fmt.Sprintf("unknown parameter %q; known are %s", name, strings.Join(known, ", ")))
		}
		if len(all) != 1 {
			return nil, fault.New(fault.CodeParameter, fmt.Sprintf("parameter %q is given %d times", name, len(all)))
		}
		given[name] = all[0]
	}
	return given, nil
}
