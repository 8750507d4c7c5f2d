package persistence

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/theeye-dev/theeye/api/event/jsonb"
	"github.com/theeye-dev/theeye/services/internal/fault"
)

const (
	// maxProperties bounds what one row costs; more than a few are no question that anybody asks.
	maxProperties = 8
	// maxSteps is as deep as data itself may be.
	maxSteps = 64
	// maxPropertyBytes bounds a path and a value: a name has 256 bytes at most, and longer texts are told apart by less.
	maxPropertyBytes = 2048
)

// propertyPrefix is how the parameters begin that ask for a property of data.
const propertyPrefix = "data."

// Property is a condition on a value in an event's data.
type Property struct {
	path     string // in the SQL/JSON path language, lax: it looks into arrays by itself
	operator string
	value    string // a JSON scalar; "true" or "false" for existence

	steps []step // the same path, and the same value, for data that is in memory
	with  scalar
}

// comparisons in the path language; ne and exists are made from other ones.
func comparison(operator string) string {
	return map[string]string{"eq": "==", "ne": "==", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}[operator]
}

// parseProperty reads a parameter: data.price[gte]=10, data.items[0].sku=x, data."a.b"=true. Errors name it.
func parseProperty(name, value string) (Property, error) {
	refuse := func(why string) (Property, error) {
		return Property{}, fault.New(fault.CodeParameter, fmt.Sprintf("parameter %q %s", name, why))
	}
	if len(name) > maxPropertyBytes || len(value) > maxPropertyBytes {
		return refuse(fmt.Sprintf("and its value may have %d bytes each", maxPropertyBytes))
	}
	if !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
		return refuse("is not text: it has a NUL or is no UTF-8")
	}
	p := Property{path: "$", operator: "eq"}
	rest := name[len(propertyPrefix)-1:]
	for steps := 0; rest != ""; steps++ {
		at, operator, after, why := cutStep(rest)
		switch {
		case why != "":
			return refuse(why)
		case operator != "" && after != "":
			return refuse("goes on after its operator [" + operator + "]")
		case operator != "":
			p.operator = operator
		case steps == maxSteps:
			return refuse(fmt.Sprintf("is deeper than %d steps", maxSteps))
		}
		if rest = after; operator == "" {
			p.path, p.steps = p.path+at.String(), append(p.steps, at)
		}
	}
	var why string
	if p.value, p.with, why = parseScalar(p.operator, value); why != "" {
		return refuse(why)
	}
	return p, nil
}

// cutStep takes the first step off a path: a member, an element, or the operator at the end.
func cutStep(path string) (at step, operator, rest, why string) {
	if path[0] == '[' {
		inside, rest, closed := strings.Cut(path[1:], "]")
		switch {
		case !closed:
			return at, "", "", "has a [ without its ]"
		case comparison(inside) != "" || inside == "exists":
			return at, inside, rest, ""
		case inside == "" || len(inside) > 6 || strings.Trim(inside, "0123456789") != "": // an event has no million elements
			return at, "", "", "has [" + inside + "], which is neither an index nor one of eq, ne, gt, gte, lt, lte, exists"
		}
		element, _ := strconv.Atoi(inside) // of six digits
		return step{element: element, indexed: true}, "", rest, ""
	}
	if path[0] != '.' {
		return at, "", "", "has something other than . or [ after a name"
	}
	name, rest := path[1:], ""
	if strings.HasPrefix(name, `"`) {
		decoder := json.NewDecoder(strings.NewReader(name))
		var quoted string
		if decoder.Decode(&quoted) != nil {
			return at, "", "", `has a " that begins no JSON string`
		}
		if strings.ContainsRune(quoted, 0) {
			return at, "", "", "has a name that no event can have: it has a NUL"
		}
		name, rest = quoted, name[decoder.InputOffset():]
	} else if end := strings.IndexAny(name, ".[]\""); end >= 0 {
		name, rest = name[:end], name[end:]
		if name == "" || rest[0] == ']' || rest[0] == '"' {
			return at, "", "", `has an empty step, or a ] or " in a name: write such names as JSON strings`
		}
	} else if name == "" {
		return at, "", "", "has an empty step"
	}
	return step{name: name}, "", rest, ""
}

// String writes a step in the SQL/JSON path language.
func (s step) String() string {
	if s.indexed {
		return "[" + strconv.Itoa(s.element) + "]"
	}
	member, _ := json.Marshal(s.name) // a string
	return "." + string(member)
}

// parseScalar reads a value by its JSON type; what is no JSON is a string, so that quotes are seldom needed.
func parseScalar(operator, value string) (text string, with scalar, why string) {
	if operator == "exists" {
		if value != "true" && value != "false" {
			return "", with, "is true or false"
		}
		return value, with, ""
	}
	var scanner jsonb.Scanner
	scanner.Reset([]byte(value))
	doc, _, flaw, err := scanner.Scan()
	switch {
	case err != nil || scanner.More(): // no value, or one with something behind it
		text, _ := json.Marshal(value) // a string
		return string(text), scalar{jsonb.String, value}, ""
	case flaw != nil:
		return "", with, "has a value that no event can have: " + flaw.Detail
	}
	switch root := doc.Root(); root.Kind() {
	case jsonb.String:
		return value, scalar{jsonb.String, root.Text()}, ""
	case jsonb.Number:
		return value, scalar{jsonb.Number, string(root.Raw())}, ""
	case jsonb.Object, jsonb.Array:
		return "", with, "has an " + root.Kind().String() + " for a value: ask for what is in it, or write it as a JSON string"
	default:
		if operator != "eq" && operator != "ne" {
			return "", with, "compares with " + value + ": only numbers and strings have an order"
		}
		return value, scalar{root.Kind(), string(root.Raw())}, ""
	}
}

// condition adds what the property asks for. Parameters have their types, so that no row parses them again.
func (p *Property) condition(c *conditions) {
	if p.operator == "exists" {
		c.add("coalesce(jsonb_path_exists(data, %s::jsonpath, '{}', true), false) = %s", p.path, p.value == "true")
		return
	}
	c.add("coalesce(jsonb_path_exists(data, %s::jsonpath, %s::jsonb, true), false) = %s",
		p.path+" ? (@ "+comparison(p.operator)+" $v)", `{"v":`+p.value+`}`, p.operator != "ne")
}
