package schema

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
)

// dialect is the one $schema there may be.
const dialect = "https://json-schema.org/draft/2020-12/schema"

// maxInteger bounds keywords such as maxLength: the validator keeps them in an int.
const maxInteger = 1 << 31

// node is one subschema, as far as it tells what evaluating it costs.
type node struct {
	index   int // in document.nodes
	pointer string
	ref     string  // the keyword that is a reference, or ""
	weight  int     // evaluations that its own keywords are worth, 1 at least
	inPlace []*node // applied to the same value

	properties map[string]*node
	patterns   []patternNode
	additional *node // additionalProperties
	names      *node // propertyNames
	prefix     []*node
	items      *node
	rest       []*node // unevaluatedProperties, unevaluatedItems and contains: applied to any member or element

	unique      bool
	unevaluated bool
	numeric     bool
	steps       int // of pattern
	errors      int // that its keywords may come to
	kept        int // bytes, beside the errors'
}

type patternNode struct {
	*node
	re    *regexp.Regexp
	steps int
}

// document is a schema being read: its subschemas and the first fault that was found. Keywords are taken by the order
// of their names, so that the first fault is always the same.
type document struct {
	nodes   []*node
	at      map[string]*node // by pointer
	anchors map[string]*node
	refs    []reference
	base    *url.URL // the root's $id
	steps   int      // of all patterns
	fault   *Fault
}

// newDocument reads a schema's structure. It changes the value: references are made fragments, and $id is removed.
func newDocument(root any) *document {
	d := &document{at: map[string]*node{}, anchors: map[string]*node{}}
	d.schema(root, "")
	for _, r := range d.refs {
		d.resolve(r)
	}
	if object, ok := root.(map[string]any); ok && d.base != nil {
		delete(object, "$id")
	}
	return d
}

func (d *document) fail(pointer, format string, args ...any) {
	if d.fault == nil {
		d.fault = &Fault{Pointer: pointer, Detail: clip(fmt.Sprintf(format, args...), maxDetail)}
	}
}

// schema reads a subschema. What is neither an object nor a boolean is left to the compiler to refuse.
func (d *document) schema(v any, pointer string) *node {
	n := &node{index: len(d.nodes), pointer: pointer, weight: 1}
	if len(d.nodes) == MaxSubschemas {
		d.fail(pointer, "has more than %d subschemas", MaxSubschemas)
	}
	if d.fault != nil {
		return n
	}
	d.nodes, d.at[pointer] = append(d.nodes, n), n
	object, _ := v.(map[string]any)
	n.keeps(v, object)
	for _, keyword := range slices.Sorted(maps.Keys(object)) {
		d.keyword(n, object, keyword, child(pointer, keyword))
	}
	return n
}

func (d *document) keyword(n *node, object map[string]any, keyword, pointer string) {
	v := object[keyword]
	text, isText := v.(string)
	switch keyword {
	case "$schema":
		if isText && text != dialect && text != dialect+"#" {
			d.fail(pointer, "must be %s or absent; other dialects are not supported", dialect)
		}
	case "$id":
		if isText {
			d.identify(n, text, pointer)
		}
	case "$anchor", "$dynamicAnchor":
		if isText {
			d.anchor(n, text, pointer)
		}
	case "$ref", "$dynamicRef":
		if isText {
			n.ref = keyword
			d.refs = append(d.refs, reference{n, object, keyword, pointer})
		}
	case "pattern":
		if isText {
			_, n.steps = d.pattern(text, pointer)
		}
	case "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "minContains", "maxContains":
		if number, ok := v.(json.Number); ok {
			if f, err := number.Float64(); err != nil || f > maxInteger {
				d.fail(pointer, "must be at most %d", maxInteger)
			}
		}
	case "enum", "const", "required", "dependentRequired":
		n.weight += effortOf(v) / effort
	case "uniqueItems":
		n.unique, _ = v.(bool)
	default:
		d.applicator(n, keyword, v, pointer)
	}
}

// applicator reads a keyword that holds subschemas.
func (d *document) applicator(n *node, keyword string, v any, pointer string) {
	switch keyword {
	case "not", "if", "then", "else":
		n.inPlace = append(n.inPlace, d.schema(v, pointer))
	case "allOf", "anyOf", "oneOf":
		n.inPlace = append(n.inPlace, d.list(v, pointer)...)
	case "dependentSchemas", "dependencies":
		members := d.members(v, pointer)
		for _, name := range slices.Sorted(maps.Keys(members)) {
			n.inPlace = append(n.inPlace, members[name])
		}
	case "properties":
		n.properties = d.members(v, pointer)
	case "patternProperties":
		members := d.members(v, pointer)
		for _, pattern := range slices.Sorted(maps.Keys(members)) {
			re, steps := d.pattern(pattern, child(pointer, pattern))
			n.patterns = append(n.patterns, patternNode{members[pattern], re, steps})
		}
	case "additionalProperties":
		n.additional = d.schema(v, pointer)
	case "propertyNames":
		n.names = d.schema(v, pointer)
		n.names.kept += namesBytes
	case "prefixItems":
		n.prefix = d.list(v, pointer)
	case "items":
		if d.list(v, pointer) == nil { // a list has no meaning since 2020-12, and is the compiler's to refuse
			n.items = d.schema(v, pointer)
		}
	case "unevaluatedProperties", "unevaluatedItems":
		n.unevaluated = true
		n.rest = append(n.rest, d.schema(v, pointer))
	case "contains":
		contained := d.schema(v, pointer)
		contained.kept += matchBytes
		n.rest = append(n.rest, contained)
	case "$defs", "definitions":
		d.members(v, pointer)
	case "contentSchema", "additionalItems": // never evaluated, but the compiler looks into them
		d.schema(v, pointer)
	}
}

func (d *document) list(v any, pointer string) (nodes []*node) {
	list, _ := v.([]any)
	for i, element := range list {
		nodes = append(nodes, d.schema(element, child(pointer, strconv.Itoa(i))))
	}
	return nodes
}

// members reads the subschemas of an object. Of dependencies some are lists of names.
func (d *document) members(v any, pointer string) map[string]*node {
	object, _ := v.(map[string]any)
	nodes := make(map[string]*node, len(object))
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if _, isList := object[name].([]any); !isList {
			nodes[name] = d.schema(object[name], child(pointer, name))
		}
	}
	return nodes
}

func (d *document) pattern(text, pointer string) (re *regexp.Regexp, steps int) {
	re, steps, err := parsePattern(text)
	if err != nil {
		d.fail(pointer, "%s", err)
	}
	if d.steps += steps; d.steps > maxPatternSteps {
		d.fail(pointer, "%s", errPatternLarge)
	}
	return re, steps
}
