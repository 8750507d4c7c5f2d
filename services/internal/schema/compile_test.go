package schema_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/theeye-dev/theeye/services/internal/schema"
)

// compile returns the fault of a schema; nil when it has none.
func compile(t testing.TB, text string) *schema.Fault {
	t.Helper()
	compiled, err := schema.Compile([]byte(text))
	if (compiled == nil) == (err == nil) {
		t.Fatalf("compiled %v, error %v", compiled, err)
	}
	if err == nil {
		return nil
	}
	var fault *schema.Fault
	if !errors.As(err, &fault) {
		t.Fatalf("error is %#v", err)
	}
	return fault
}

// doubling is a chain of definitions, each of which applies the next one twice.
func doubling(length int, format string) string {
	var b strings.Builder
	b.WriteString(`{"$ref":"#/$defs/d0","$defs":{`)
	for i := range length {
		fmt.Fprintf(&b, `"d%d":`, i)
		next := fmt.Sprintf(`{"$ref":"#/$defs/d%d"}`, i+1)
		fmt.Fprintf(&b, format+",", next, next)
	}
	fmt.Fprintf(&b, `"d%d":{"type":"object"}}}`, length)
	return b.String()
}

func nested(depth int) string {
	return strings.Repeat(`{"not":`, depth) + "true" + strings.Repeat("}", depth)
}

func properties(count int, value string) string {
	var b strings.Builder
	for i := range count {
		fmt.Fprintf(&b, `,"p%d":%s`, i, value)
	}
	return `{"properties":{` + b.String()[1:] + `}}`
}

func enum(count int, format string) string {
	texts := make([]string, count)
	for i := range texts {
		texts[i] = fmt.Sprintf(format, i)
	}
	return `{"enum":[` + strings.Join(texts, ",") + `]}`
}

const costly = "costs too much: one value would be evaluated against more than 1000 subschemas and numbers, counted as often as they are reached"

var faults = map[string]struct{ text, pointer, detail string }{
	"nothing":           {"", "", "is not JSON: unexpected end of JSON at line 1, column 1"},
	"cut off":           {`{"type":`, "", "is not JSON: unexpected end of JSON at line 1, column 9"},
	"two values":        {`{} {}`, "", "is not JSON: something follows the value at line 1, column 4"},
	"too large":         {`{"title":"` + strings.Repeat("x", 64<<10) + `"}`, "", "has 65548 bytes; a schema may have 65536"},
	"too deep":          {nested(65), strings.Repeat("/not", 64), "nested deeper than 64"},
	"duplicate key":     {`{"properties":{"a":{"type":"string","type":"number"}}}`, "/properties/a/type", `the member "type" occurs twice`},
	"NUL":               {`{"const":"\u0000"}`, "/const", "a string has U+0000, which cannot be stored"},
	"vast number":       {`{"maximum":1e999999999}`, "/maximum", "a number has more than 64 digits or an exponent beyond ±308"},
	"null":              {`null`, "", "must be of type boolean or object, not null"},
	"array":             {`[]`, "", "must be of type boolean or object, not array"},
	"number for schema": {`{"properties":{"host":5}}`, "/properties/host", "must be of type boolean or object, not number"},
	"unknown type":      {`{"properties":{"host":{"type":"strin"}}}`, "/properties/host/type", `must be one of "array", "boolean", "integer", "null", "number", "object", "string"`},
	"unknown in types":  {`{"type":["string","strin"]}`, "/type/1", `must be one of "array", "boolean", "integer", "null", "number", "object", "string"`},
	"type a number":     {`{"type":7}`, "/type", `must be one of "array", "boolean", "integer", "null", "number", "object", "string"`},
	"required a string": {`{"required":"a"}`, "/required", "must be of type array, not string"},
	"required twice":    {`{"required":["a","b","a"]}`, "/required", "elements 0 and 2 are equal"},
	"negative length":   {`{"minLength":-1}`, "/minLength", "must be at least 0"},
	"multiple of 0":     {`{"multipleOf":0}`, "/multipleOf", "must be above 0"},
	"minimum a string":  {`{"minimum":"1"}`, "/minimum", "must be of type number, not string"},
	"empty allOf":       {`{"allOf":[]}`, "/allOf", "has 0 elements, fewer than 1"},
	"items a list":      {`{"items":[{"type":"string"}]}`, "/items", "must be of type boolean or object, not array"},
	"format a list":     {`{"format":[]}`, "/format", "must be of type string, not array"},
	"escaped pointer":   {`{"properties":{"a/b~c":{"type":""}}}`, "/properties/a~1b~0c/type", `must be one of "array", "boolean", "integer", "null", "number", "object", "string"`},
	"deepest first":     {`{"additionalProperties":1,"properties":{"z":{"items":{"type":"x"}}}}`, "/properties/z/items/type", `must be one of "array", "boolean", "integer", "null", "number", "object", "string"`},
	"vast length":       {`{"properties":{"a":{"maxLength":1e20}}}`, "/properties/a/maxLength", "must be at most 2147483648"},

	"draft-07":         {`{"$schema":"http://json-schema.org/draft-07/schema#"}`, "/$schema", "must be https://json-schema.org/draft/2020-12/schema or absent; other dialects are not supported"},
	"own dialect":      {`{"$schema":"https://example.com/meta"}`, "/$schema", "must be https://json-schema.org/draft/2020-12/schema or absent; other dialects are not supported"},
	"dialect below":    {`{"properties":{"a":{"$schema":"file:///etc/passwd"}}}`, "/properties/a/$schema", "must be https://json-schema.org/draft/2020-12/schema or absent; other dialects are not supported"},
	"dialect unread":   {`{"additionalItems":{"$schema":"file:///etc/passwd"}}`, "/additionalItems/$schema", "must be https://json-schema.org/draft/2020-12/schema or absent; other dialects are not supported"},
	"dialect a number": {`{"$schema":1}`, "/$schema", "must be of type string, not number"},
	"id below":         {`{"$defs":{"a":{"$id":"https://example.com/a"}}}`, "/$defs/a/$id", "only the whole schema may have a $id; name a part with $anchor"},
	"id of a fragment": {`{"$id":"https://example.com/a#b"}`, "/$id", "must be a URI without a fragment"},
	"id no URI":        {`{"$id":"%zz"}`, "/$id", "must be a URI without a fragment"},
	"anchor twice":     {`{"$defs":{"a":{"$anchor":"x"},"b":{"$dynamicAnchor":"x"}}}`, "/$defs/b/$dynamicAnchor", `the anchor "x" is used twice`},
	"anchor no name":   {`{"$defs":{"a":{"$anchor":"1 2"}}}`, "/$defs/a/$anchor", "must match the pattern ^[A-Za-z_][-A-Za-z0-9._]*$"},

	"remote":             {`{"$ref":"https://example.com/a.json"}`, "/$ref", "leads out of the schema; only references within it (#/$defs/… or #anchor) are followed"},
	"file":               {`{"items":{"$ref":"file:///etc/passwd"}}`, "/items/$ref", "leads out of the schema; only references within it (#/$defs/… or #anchor) are followed"},
	"relative":           {`{"$ref":"other.json#/$defs/a"}`, "/$ref", "leads out of the schema; only references within it (#/$defs/… or #anchor) are followed"},
	"beside its id":      {`{"$id":"https://example.com/a.json","$ref":"b.json"}`, "/$ref", "leads out of the schema; only references within it (#/$defs/… or #anchor) are followed"},
	"to the metaschema":  {`{"$ref":"https://json-schema.org/draft/2020-12/schema"}`, "/$ref", "leads out of the schema; only references within it (#/$defs/… or #anchor) are followed"},
	"dynamic remote":     {`{"$dynamicRef":"https://example.com/a#x"}`, "/$dynamicRef", "leads out of the schema; only references within it (#/$defs/… or #anchor) are followed"},
	"to nothing":         {`{"$ref":"#/$defs/a"}`, "/$ref", "leads to nothing that is a schema"},
	"to no anchor":       {`{"$ref":"#a"}`, "/$ref", "leads to nothing that is a schema"},
	"to no schema":       {`{"$ref":"#/const","const":{"type":"string"}}`, "/$ref", "leads to nothing that is a schema"},
	"to a list":          {`{"items":{"$ref":"#/allOf"},"allOf":[{}]}`, "/items/$ref", "leads to nothing that is a schema"},
	"badly escaped":      {`{"$ref":"#%zz"}`, "/$ref", "leads to nothing that is a schema"},
	"reference a number": {`{"$ref":1}`, "/$ref", "must be of type string, not number"},
	"to itself":          {`{"$ref":"#"}`, "/$ref", "leads back to itself without going into a member or an element: no evaluation would end"},
	"in a circle":        {`{"properties":{"a":{"$ref":"#/$defs/a"}},"$defs":{"a":{"anyOf":[{"$ref":"#/$defs/b"}]},"b":{"not":{"$ref":"#/$defs/a"}}}}`, "/$defs/a/anyOf/0/$ref", "leads back to itself without going into a member or an element: no evaluation would end"},
	"circle by dynamic":  {`{"$dynamicAnchor":"x","if":{"$dynamicRef":"#x"}}`, "/if/$dynamicRef", "leads back to itself without going into a member or an element: no evaluation would end"},

	"no pattern":         {`{"properties":{"a":{"pattern":"(a"}}}`, "/properties/a/pattern", "is no regular expression of RE2: missing closing ): (a"},
	"look-ahead":         {`{"pattern":"^(?=a)"}`, "/pattern", "is no regular expression of RE2: invalid or unsupported Perl syntax: (?="},
	"no name pattern":    {`{"patternProperties":{"a/[":{}}}`, "/patternProperties/a~1[", "is no regular expression of RE2: missing closing ]: ["},
	"long pattern":       {`{"pattern":"` + strings.Repeat("a", 1025) + `"}`, "/pattern", "a pattern may have 1024 bytes"},
	"repeated too often": {`{"pattern":"a{1001}"}`, "/pattern", "is no regular expression of RE2: invalid repeat count: {1001}"},
	"large pattern":      {`{"pattern":"(abcdefghijkl){900}"}`, "/pattern", "its repetitions and classes make it too large: patterns may have 10000 steps"},
	"many classes":       {`{"pattern":"` + strings.Repeat(`\\pL`, 340) + `{20}"}`, "/pattern", "its repetitions and classes make it too large: patterns may have 10000 steps"},
	"patterns together":  {`{"properties":{"a":{"pattern":"(abcde){900}"},"b":{"pattern":"(abcde){900}"}}}`, "/properties/b/pattern", "its repetitions and classes make it too large: patterns may have 10000 steps"},

	"too many":              {properties(999, "{}")[:len(properties(999, "{}"))-1] + `,"required":[],"title":"","unevaluatedProperties":{}}`, "/unevaluatedProperties", "has more than 1000 subschemas"},
	"too many below":        {properties(500, `{"not":{}}`), "/properties/p99/not", "has more than 1000 subschemas"},
	"doubled allOf":         {doubling(30, `{"allOf":[%s,%s]}`), "", costly},
	"doubled anyOf":         {doubling(10, `{"anyOf":[%s,%s]}`), "", costly},
	"doubled by a member":   {doubling(30, `{"properties":{"a":%s},"additionalProperties":false,"patternProperties":{"a":%s}}`), "/$defs/d8/patternProperties/a", costly},
	"doubled by contains":   {doubling(30, `{"items":%s,"contains":%s}`), "/$defs/d8/contains", costly},
	"doubled unevaluated":   {doubling(30, `{"unevaluatedProperties":%s,"allOf":[{"properties":{"x":%s}}]}`), "/$defs/d8/allOf/0/properties/x", costly},
	"recursion that grows":  {`{"allOf":[{"properties":{"a":{"$ref":"#"}}},{"properties":{"a":{"$ref":"#"}}}]}`, "/allOf/0/properties/a", costly},
	"many numbers":          {enum(2000, "%d"), "", costly},
	"many numbers in parts": {`{"anyOf":[` + enum(600, "%d") + "," + enum(600, "%d") + `]}`, "", costly},
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for name, tt := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := &schema.Fault{Pointer: tt.pointer, Detail: tt.detail}
			for range 3 { // maps are walked in another order each time
				if diff := cmp.Diff(want, compile(t, tt.text)); diff != "" {
					t.Fatalf("fault (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestFaultText(t *testing.T) {
	t.Parallel()
	fault := schema.Fault{Detail: "is too large"}
	if got := fault.Error(); got != "is too large" {
		t.Error(got)
	}
	fault.Pointer = "/items"
	if got := fault.Error(); got != "/items: is too large" {
		t.Error(got)
	}
	long := compile(t, `{"$anchor":"`+strings.Repeat("é", 1000)+`","items":{"$anchor":"`+strings.Repeat("é", 1000)+`"}}`)
	if long == nil || len(long.Detail) > 300 || !utf8.ValidString(long.Detail) {
		t.Errorf("got %v", long)
	}
}

// TestBoundsAreReached has what is just within the bounds.
func TestBoundsAreReached(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"as large as may be":   `{"title":"` + strings.Repeat("x", 64<<10-12) + `"}`,
		"as deep as may be":    nested(64),
		"as many as may be":    properties(999, "{}"),
		"nine doublings":       doubling(7, `{"allOf":[%s,%s]}`),
		"999 references":       `{"allOf":[{"$ref":"#/$defs/a"}` + strings.Repeat(`,{"$ref":"#/$defs/a"}`, 498) + `],"$defs":{"a":{}}}`,
		"a tree":               `{"properties":{"left":{"$ref":"#"},"right":{"$ref":"#"}},"additionalProperties":false}`,
		"a list":               `{"properties":{"next":{"$ref":"#"}}}`,
		"a tree of arrays":     `{"properties":{"children":{"items":{"$ref":"#"},"prefixItems":[{"$ref":"#"}]}}}`,
		"one part often":       strings.TrimSuffix(properties(900, `{"$ref":"#/$defs/a"}`), "}") + `,"$defs":{"a":{"properties":{"b":{"$ref":"#/$defs/b"}}},"b":{"type":"string"}}}`,
		"a longest pattern":    `{"pattern":"` + strings.Repeat("a", 1024) + `"}`,
		"a large pattern":      `{"pattern":"^\\p{L}{1,200}$"}`,
		"many texts":           enum(5000, `"t%d"`),
		"900 numbers":          enum(900, "%d"),
		"true":                 `true`,
		"false":                `false`,
		"empty":                `{}`,
		"white space":          " \n{}\t",
		"unknown keywords":     `{"x-owner":{"$ref":"https://example.com","type":7},"example":1}`,
		"default of any form":  `{"default":{"$ref":"https://example.com","$id":1},"examples":[{"$schema":"x"}]}`,
		"unknown format":       `{"format":"int32"}`,
		"dialect by name":      `{"$schema":"https://json-schema.org/draft/2020-12/schema"}`,
		"dialect with a hash":  `{"$schema":"https://json-schema.org/draft/2020-12/schema#"}`,
		"properties named so":  `{"properties":{"$ref":{"type":"string"},"$id":{},"$schema":{},"pattern":{}}}`,
		"reference of the old": `{"$ref":"#/definitions/a","definitions":{"a":{}}}`,
	} {
		if fault := compile(t, text); fault != nil {
			t.Errorf("%s: %v", name, fault)
		}
	}
}
