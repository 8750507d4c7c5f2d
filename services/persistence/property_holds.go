package persistence

import (
	"bytes"
	"strings"

	"github.com/theeye-dev/theeye/api/event/jsonb"
)

// step is one of a path: into a member, or into an element.
type step struct {
	name    string
	element int
	indexed bool
}

// scalar is what a property is compared with.
type scalar struct {
	kind jsonb.Kind
	text string // of a string what it says, of all else as it was written
}

// holds tells of data in memory what condition asks of it in SQL; nil: there is none. Paths are PostgreSQL's, in their lax
// mode (https://www.postgresql.org/docs/current/functions-json.html#STRICT-AND-LAX-MODES).
func (p *Property) holds(data *jsonb.Value) bool {
	found := false
	if data != nil {
		found = reach(*data, p.steps, p.found)
	}
	if p.operator == "exists" {
		return found == (p.value == "true")
	}
	return found == (p.operator != "ne")
}

// possible tells whether a text can have what is asked for, where no character in it is escaped: most have none, and are
// looked through faster than read.
func (p *Property) possible(text []byte) bool {
	if p.operator == "ne" || p.operator == "exists" && p.value == "false" {
		return true
	}
	for _, at := range p.steps {
		if !at.indexed && !bytes.Contains(text, []byte(`"`+at.name+`"`)) {
			return false
		}
	}
	return p.operator != "eq" || p.with.kind != jsonb.String || bytes.Contains(text, []byte(`"`+p.with.text+`"`))
}

// found tells whether one value at the end of the path answers the question. A filter looks into an array, and what it
// compares there does so once more.
func (p *Property) found(v jsonb.Value) bool {
	if p.operator == "exists" {
		return true
	}
	return within(v, func(v jsonb.Value) bool { return within(v, p.compares) })
}

// within tells whether something is so of a value, or of an element where it is an array.
func within(v jsonb.Value, so func(jsonb.Value) bool) bool {
	if v.Kind() != jsonb.Array {
		return so(v)
	}
	for element := range v.Elements {
		if so(element) {
			return true
		}
	}
	return false
}

// reach tells whether something is so of a value to which a path leads.
func reach(v jsonb.Value, path []step, so func(jsonb.Value) bool) bool {
	if len(path) == 0 {
		return so(v)
	}
	at, rest := path[0], path[1:]
	if !at.indexed {
		return within(v, func(v jsonb.Value) bool {
			found, ok := member(v, at.name)
			return ok && reach(found, rest, so)
		})
	}
	if v.Kind() != jsonb.Array {
		return at.element == 0 && reach(v, rest, so) // as an array of it
	}
	n := 0
	for element := range v.Elements {
		if n == at.element {
			return reach(element, rest, so)
		}
		n++
	}
	return false
}

// member returns a member of an object.
func member(v jsonb.Value, name string) (found jsonb.Value, ok bool) {
	if v.Kind() != jsonb.Object {
		return found, false
	}
	for key, value := range v.Members {
		if key.Is(name) {
			return value, true
		}
	}
	return found, false
}

// compares holds a value against the property's. Those of different types are never equal, and have no order.
func (p *Property) compares(v jsonb.Value) bool {
	if v.Kind() != p.with.kind {
		return false
	}
	var order int
	switch p.with.kind {
	case jsonb.Number:
		order = jsonb.CompareNumbers(v.Raw(), []byte(p.with.text))
	case jsonb.String:
		order = strings.Compare(v.Text(), p.with.text) // by bytes, which is by code points
	default:
		order = bytes.Compare(v.Raw(), []byte(p.with.text))
	}
	switch p.operator {
	case "gt":
		return order > 0
	case "gte":
		return order >= 0
	case "lt":
		return order < 0
	case "lte":
		return order <= 0
	}
	return order == 0
}
