package schema

import (
	"encoding/json"
	"fmt"
	"math/big"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// describe tells the keyword that a value fails, and how, in words of our own: the library's show the value.
func describe(e *jsonschema.ValidationError) (keyword, detail string) {
	if e.ErrorKind == nil {
		return "", "does not conform"
	}
	if steps := e.ErrorKind.KeywordPath(); len(steps) > 0 {
		keyword = steps[0]
	}
	switch k := e.ErrorKind.(type) {
	case *kind.FalseSchema:
		return forbiddenBy(e.SchemaURL), "is not allowed"
	case *kind.Not:
		return "not", "is what the schema excludes"
	case *kind.Dependency:
		return "dependencies", list(k.Missing) + " required beside " + quote(k.Prop)
	default:
		return keyword, clip(detailOf(k), maxDetail)
	}
}

// forbiddenBy is the keyword whose subschema is false, by that subschema's place.
func forbiddenBy(place string) string {
	switch keyword := path.Base(place); keyword {
	case "unevaluatedProperties", "unevaluatedItems", "items", "contains", "not", "then", "else":
		return keyword
	case location + "#":
		return "false"
	}
	return path.Base(path.Dir(place)) // properties/name, prefixItems/0
}

func detailOf(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Type:
		return "must be of type " + strings.Join(k.Want, " or ") + ", not " + k.Got
	case *kind.Const:
		return "must be " + literal(k.Want)
	case *kind.Enum:
		return "must be one of " + literals(k.Want)
	case *kind.Format:
		return "must be of the format " + k.Want
	case *kind.Pattern:
		return "must match the pattern " + clip(k.Want, maxDetail/2)
	case *kind.Required:
		return list(k.Missing) + " required"
	case *kind.DependentRequired:
		return list(k.Missing) + " required beside " + quote(k.Prop)
	case *kind.AdditionalProperties:
		return list(k.Properties) + " not allowed"
	case *kind.PropertyNames:
		return "a member may not have the name " + quote(k.Property)
	case *kind.AnyOf:
		return "matches none of the alternatives"
	case *kind.OneOf:
		return alternatives(k)
	default:
		return sizeDetail(k)
	}
}

func sizeDetail(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.MinLength:
		return fmt.Sprintf("has %d characters, fewer than %d", k.Got, k.Want)
	case *kind.MaxLength:
		return fmt.Sprintf("has %d characters, more than %d", k.Got, k.Want)
	case *kind.MinItems:
		return fmt.Sprintf("has %d elements, fewer than %d", k.Got, k.Want)
	case *kind.MaxItems:
		return fmt.Sprintf("has %d elements, more than %d", k.Got, k.Want)
	case *kind.MinProperties:
		return fmt.Sprintf("has %d members, fewer than %d", k.Got, k.Want)
	case *kind.MaxProperties:
		return fmt.Sprintf("has %d members, more than %d", k.Got, k.Want)
	case *kind.UniqueItems:
		return fmt.Sprintf("elements %d and %d are equal", k.Duplicates[0], k.Duplicates[1])
	case *kind.Contains:
		return "has no element of the kind it must contain"
	case *kind.MinContains:
		return fmt.Sprintf("has %d elements of the kind it must contain, fewer than %d", len(k.Got), k.Want)
	case *kind.MaxContains:
		return fmt.Sprintf("has %d elements of the kind it must contain, more than %d", len(k.Got), k.Want)
	default:
		return rangeDetail(k)
	}
}

func rangeDetail(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Minimum:
		return "must be at least " + number(k.Want)
	case *kind.Maximum:
		return "must be at most " + number(k.Want)
	case *kind.ExclusiveMinimum:
		return "must be above " + number(k.Want)
	case *kind.ExclusiveMaximum:
		return "must be below " + number(k.Want)
	case *kind.MultipleOf:
		return "must be a multiple of " + number(k.Want)
	default:
		return "does not conform"
	}
}

func alternatives(k *kind.OneOf) string {
	if len(k.Subschemas) < 2 {
		return "matches none of the alternatives"
	}
	return fmt.Sprintf("matches the alternatives %d and %d; it must match one", k.Subschemas[0], k.Subschemas[1])
}

func number(r *big.Rat) string {
	f, _ := r.Float64()
	return strconv.FormatFloat(f, 'g', -1, 64)
}

// maxName is how many bytes are shown of a name.
const maxName = 64

func quote(name string) string { return strconv.Quote(clip(name, maxName)) }

// list shows the first names, sorted, with the verb that follows them.
func list(names []string) string {
	const shown = 3
	names = slices.Sorted(slices.Values(names))
	var b strings.Builder
	for i, name := range names[:min(len(names), shown)] {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(quote(name))
	}
	switch {
	case len(names) > shown:
		fmt.Fprintf(&b, " and %d more are", len(names)-shown)
	case len(names) == 1:
		b.WriteString(" is")
	default:
		b.WriteString(" are")
	}
	return b.String()
}

// literal shows a value of the schema.
func literal(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return "another value"
	}
	return clip(string(text), maxName)
}

func literals(values []any) string {
	const shown = 10
	texts := make([]string, 0, shown+1)
	for _, v := range values[:min(len(values), shown)] {
		texts = append(texts, literal(v))
	}
	if len(values) > shown {
		texts = append(texts, "…")
	}
	return strings.Join(texts, ", ")
}
