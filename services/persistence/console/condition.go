package console

import (
	"net/url"
	"slices"
	"strings"
)

// condition is one on a value in data, as the form has it.
type condition struct {
	Path, Operator, Value string
	Name                  string // of the parameter, at the first of those that have it
}

// operators of conditions, in the order in which they are offered.
func operators() []string { return []string{"eq", "ne", "gt", "gte", "lt", "lte", "exists"} }

// conditions moves those of the form's fields (path, op, value) to where the API has them. One that lacks its path or its
// value goes along, and is refused: it was meant to leave something out.
func (f *filter) conditions(all url.Values) {
	paths, ops, values := all["path"], all["op"], all["value"]
	f.partial = f.partial || len(paths)+len(ops)+len(values) > 0
	for i := range max(len(paths), len(values)) {
		path, op, value := strings.TrimPrefix(strings.TrimSpace(nth(paths, i)), "data."), nth(ops, i), nth(values, i)
		if path == "" && value == "" {
			continue
		}
		name := "data." + path
		if op != "" && op != "eq" {
			name += "[" + op + "]"
		}
		if op == "exists" && value == "" {
			value = "true"
		}
		f.values.Add(name, value)
	}
}

func nth(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return ""
}

// Conditions are those that the form shows, and an empty one.
func (f filter) Conditions() []condition {
	var shown []condition
	for name, values := range f.values {
		path, ok := strings.CutPrefix(name, "data.")
		if !ok {
			continue
		}
		c := condition{Path: path, Operator: "eq", Name: name}
		for _, op := range operators() {
			if before, found := strings.CutSuffix(path, "["+op+"]"); found {
				c.Path, c.Operator = before, op
			}
		}
		for _, c.Value = range values {
			shown = append(shown, c)
			c.Name = ""
		}
	}
	slices.SortStableFunc(shown, func(a, b condition) int { return strings.Compare(a.Path+a.Operator, b.Path+b.Operator) })
	return append(shown, condition{Operator: "eq"})
}

// Operators for the form.
func (f filter) Operators() []string { return operators() }
