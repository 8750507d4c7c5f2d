package console

import (
	"net/url"
	"slices"
	"strings"

	"github.com/theeye-dev/theeye/services/internal/kit"
)

// filter is what a form asks for: some parameters of a page, each once.
type filter struct {
	values  url.Values
	partial bool     // the form has sent fields that are empty
	wrong   *refusal // what the page does not take of its address; nil: nothing
}

// filtered reads the parameters of these names; the page itself looks at what is more. An address with something else in
// it is not taken as if it were without: it asks for something that the page would not show.
func (v *visit) filtered(names []string, more ...string) filter {
	all := v.r.URL.Query() // without what is malformed, which is wrong below
	f := filterOf(all, names...)
	plain, address := *v.r, *v.r.URL
	plain.URL = &address
	if len(more) > 0 && len(all) > 0 {
		if _, err := url.ParseQuery(address.RawQuery); err == nil {
			for _, name := range more {
				all.Del(name)
			}
			address.RawQuery = all.Encode()
		}
	}
	if _, err := kit.Parameters(&plain, names...); err != nil {
		f.wrong = refusalOf(err)
	}
	return f
}

// filterOf takes what it knows.
func filterOf(all url.Values, names ...string) filter {
	f := filter{values: url.Values{}}
	for name, given := range all {
		condition := strings.HasPrefix(name, "data.")
		if !slices.Contains(names, name) && !(condition && slices.Contains(names, "data.<path>")) {
			continue
		}
		switch {
		case condition: // one without a value, or with two, is a mistake, and shown as it is
			f.values[name] = slices.Clone(given)
		case given[0] != "":
			f.values.Set(name, given[0])
		default:
			f.partial = true
		}
	}
	for _, name := range []string{"from", "to"} {
		if given := f.values.Get(name); given != "" {
			f.values.Set(name, apiTime(given))
		}
	}
	return f
}

// Get is what a field of the form shows.
func (f filter) Get(name string) string { return f.values.Get(name) }

// Any tells whether anything but the page is asked for.
func (f filter) Any() bool {
	for name := range f.values {
		if name != "cursor" && name != "limit" {
			return true
		}
	}
	return false
}

// asked is a copy for the API, with some more.
func (f filter) asked(pairs ...string) url.Values {
	asked := url.Values{}
	for name, given := range f.values {
		asked[name] = slices.Clone(given)
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		if asked.Get(pairs[i]) == "" && pairs[i+1] != "" {
			asked.Set(pairs[i], pairs[i+1])
		}
	}
	return asked
}

// Link is this page with the parameters and some others; one that is empty is left out.
func (f filter) Link(path string, pairs ...string) string {
	values := f.asked()
	for i := 0; i+1 < len(pairs); i += 2 {
		if values.Del(pairs[i]); pairs[i+1] != "" {
			values.Set(pairs[i], pairs[i+1])
		}
	}
	if len(values) == 0 {
		return path
	}
	if strings.Contains(path, "?") {
		return path + "&" + values.Encode()
	}
	return path + "?" + values.Encode()
}
