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
// is misleading when another was meant. There may be very many, so only the first ones by place are written out.
func mismatches(violation *jsonschema.ValidationError, value any) (found []Mismatch) {
	var first []placed
	eachMismatch(violation, func(e *jsonschema.ValidationError) {
		place := e.InstanceLocation
		if names, ok := e.ErrorKind.(*kind.PropertyNames); ok && !has(value, place, names.Property) {
			place = nil // of names the validator may have lost the place
		}
		first = insert(first, place, e)
	})
	for _, p := range first {
		found = append(found, Mismatch{Pointer: pointerOf(p.place), Keyword: p.keyword, Detail: p.detail})
	}
	return found
}

// placed is a mismatch whose pointer is not yet written.
type placed struct {
	place           []string
	keyword, detail string
}

// insert adds an error to the first ones, unless it comes after them or is there.
func insert(first []placed, place []string, e *jsonschema.ValidationError) []placed {
	full := len(first) == MaxMismatches
	if full && slices.Compare(place, first[len(first)-1].place) > 0 {
		return first
	}
	p := placed{place: place}
	p.keyword, p.detail = describe(e)
	at, there := slices.BinarySearchFunc(first, p, placed.compare)
	if there || at == MaxMismatches {
		return first
	}
	if full {
		first = first[:len(first)-1]
	}
	return slices.Insert(first, at, p)
}

func (p placed) compare(other placed) int {
	return cmp.Or(slices.Compare(p.place, other.place), strings.Compare(p.keyword, other.keyword), strings.Compare(p.detail, other.detail))
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
