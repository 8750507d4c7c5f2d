package schema

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// MaxMismatches is how many Mismatches Validate returns: enough to mend an event in one go, and no flood.
const MaxMismatches = 10

// mismatches flattens what the validator found. Below alternatives it does not look: what is missing for one of them
// is misleading when another was meant.
func mismatches(violation *jsonschema.ValidationError, value any) (found []Mismatch) {
	eachMismatch(violation, func(e *jsonschema.ValidationError) {
		m := mismatchOf(e)
		if names, ok := e.ErrorKind.(*kind.PropertyNames); ok && !has(value, e.InstanceLocation, names.Property) {
			m.Pointer = "" // of names the validator may have lost the place
		}
		found = append(found, m)
	})
	slices.SortFunc(found, Mismatch.compare)
	found = slices.Compact(found)
	return found[:min(len(found), MaxMismatches)]
}

func eachMismatch(e *jsonschema.ValidationError, visit func(*jsonschema.ValidationError)) {
	switch e.ErrorKind.(type) {
	case *kind.Schema, *kind.Group, *kind.Reference, *kind.AllOf:
		for _, cause := range e.Causes {
			eachMismatch(cause, visit)
		}
	default:
		visit(e)
	}
}

// has tells whether there is an object with a member of a name at a place.
func has(value any, place []string, name string) bool {
	for _, token := range place {
		switch container := value.(type) {
		case map[string]any:
			value = container[token]
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(container) {
				return false
			}
			value = container[i]
		}
	}
	object, _ := value.(map[string]any)
	_, ok := object[name]
	return ok
}

func mismatchOf(e *jsonschema.ValidationError) Mismatch {
	keyword, detail := describe(e)
	return Mismatch{Pointer: pointerOf(e.InstanceLocation), Keyword: keyword, Detail: detail}
}

func (m Mismatch) compare(other Mismatch) int {
	return cmp.Or(strings.Compare(m.Pointer, other.Pointer), strings.Compare(m.Keyword, other.Keyword),
		strings.Compare(m.Detail, other.Detail))
}
