package console

import (
	"net/url"
	"slices"
	"strings"
)

// filter is what a form asks for: some parameters of a page, each once.
type filter struct {
	values  url.Values
	partial bool // the form has sent fields that are empty, or given twice
}

// filtered reads the parameters of these names.
func filtered(all url.Values, names ...string) filter {
	f := filter{values: url.Values{}}
	for name, given := range all {
		if !slices.Contains(names, name) && !strings.HasPrefix(name, "data.") {
			continue
		}
		if len(given) > 0 && given[0] != "" {
			f.values.Set(name, given[0])
		} else {
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

// Time is what a field of a time shows.
func (f filter) Time(name string) string {
	if given := f.values.Get(name); given != "" {
		return inputTime(given)
	}
	return ""
}

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
		if asked.Get(pairs[i]) == "" {
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

// condition is one on a value in data, as the form has it.
type condition struct{ Path, Operator, Value string }

// operators of conditions, in the order in which they are offered.
func operators() []string { return []string{"eq", "ne", "gt", "gte", "lt", "lte", "exists"} }

// conditions moves those of the form's fields (path, op, value) to where the API has them.
func (f *filter) conditions(all url.Values) {
	paths, ops, values := all["path"], all["op"], all["value"]
	for i, path := range paths {
		path = strings.TrimPrefix(strings.TrimSpace(path), "data.")
		f.partial = true
		if path == "" || i >= len(ops) || i >= len(values) {
			continue
		}
		name, value := "data."+path, values[i]
		if ops[i] != "eq" {
			name += "[" + ops[i] + "]"
		}
		if ops[i] == "exists" && value == "" {
			value = "true"
		}
		if value != "" {
			f.values.Set(name, value)
		}
	}
}

// Conditions are those that the form shows, and an empty one.
func (f filter) Conditions() []condition {
	var shown []condition
	for name := range f.values {
		path, ok := strings.CutPrefix(name, "data.")
		if !ok {
			continue
		}
		c := condition{Path: path, Operator: "eq", Value: f.values.Get(name)}
		for _, op := range operators() {
			if before, found := strings.CutSuffix(path, "["+op+"]"); found {
				c.Path, c.Operator = before, op
			}
		}
		shown = append(shown, c)
	}
	slices.SortFunc(shown, func(a, b condition) int { return strings.Compare(a.Path+a.Operator, b.Path+b.Operator) })
	return append(shown, condition{Operator: "eq"})
}

// Operators for the form.
func (f filter) Operators() []string { return operators() }
