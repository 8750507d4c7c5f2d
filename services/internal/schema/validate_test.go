package schema_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/theeye-dev/theeye/api/event/jsonb"
	"github.com/theeye-dev/theeye/services/internal/schema"
)

// scan reads a value as the door does.
func scan(t testing.TB, text string) jsonb.Value {
	t.Helper()
	var scanner jsonb.Scanner
	scanner.Reset([]byte(text))
	doc, _, fault, err := scanner.Scan()
	if err != nil || fault != nil {
		t.Fatalf("%q: %v, %v", text, fault, err)
	}
	return doc.Root()
}

func must(t testing.TB, text string) *schema.Schema {
	t.Helper()
	compiled, err := schema.Compile([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return compiled
}

// validate checks a value that has an allowance of its own.
func validate(compiled *schema.Schema, value jsonb.Value) ([]schema.Mismatch, error) {
	return compiled.Validate(value, &schema.Account{Left: schema.RequestWork})
}

// short is a list of mismatches as pointer, keyword and detail.
func short(mismatches []schema.Mismatch) string {
	lines := make([]string, len(mismatches))
	for i, m := range mismatches {
		lines[i] = m.Pointer + " " + m.Keyword + ": " + m.Detail
	}
	return strings.Join(lines, "\n")
}

// meanings has schemas with values and what they fail; "" is nothing.
var meanings = []struct {
	schema string
	values map[string]string
}{
	{`{"type":"object"}`, map[string]string{`{}`: "", `[]`: " type: must be of type object, not array"}},
	{`{"type":["string","null"]}`, map[string]string{`null`: "", `1`: " type: must be of type null or string, not number"}},
	{`{"type":"integer"}`, map[string]string{`1`: "", `1.0`: "", `1e2`: "", `1.5`: " type: must be of type integer, not number"}},
	{`{"required":["host","path"]}`, map[string]string{`{"host":1,"path":2}`: "", `{}`: ` required: "host", "path" are required`, `{"host":1}`: ` required: "path" is required`, `1`: ""}},
	{`{"properties":{"host":{"type":"string"}}}`, map[string]string{`{"host":"x","other":1}`: "", `{"host":1}`: "/host type: must be of type string, not number"}},
	{`{"properties":{"a":{}},"additionalProperties":false}`, map[string]string{`{"a":1}`: "", `{"c":1,"b":1}`: ` additionalProperties: "b", "c" are not allowed`, `{"b":1,"c":1,"d":1,"e":1}`: ` additionalProperties: "b", "c", "d" and 1 more are not allowed`}},
	{`{"additionalProperties":{"type":"number"}}`, map[string]string{`{"a":1}`: "", `{"a":"x"}`: "/a type: must be of type number, not string"}},
	{`{"patternProperties":{"^n_":{"type":"number"}}}`, map[string]string{`{"n_a":1,"b":""}`: "", `{"n_a":""}`: "/n_a type: must be of type number, not string"}},
	{`{"propertyNames":{"pattern":"^[a-z]+$"}}`, map[string]string{`{"a":1}`: "", `{"A":1}`: ` propertyNames: a member may not have the name "A"`}},
	{`{"properties":{"o":{"propertyNames":{"maxLength":1}}}}`, map[string]string{`{"o":{"ab":1}}`: `/o propertyNames: a member may not have the name "ab"`}},
	{`{"minProperties":1,"maxProperties":2}`, map[string]string{`{"a":1}`: "", `{}`: " minProperties: has 0 members, fewer than 1", `{"a":1,"b":2,"c":3}`: " maxProperties: has 3 members, more than 2"}},
	{`{"dependentRequired":{"card":["address"]}}`, map[string]string{`{"card":1,"address":1}`: "", `{}`: "", `{"card":1}`: ` dependentRequired: "address" is required beside "card"`}},
	{`{"dependentSchemas":{"a":{"required":["b"]}}}`, map[string]string{`{"a":1,"b":1}`: "", `{"a":1}`: ` required: "b" is required`}},
	{`{"dependencies":{"a":["b"],"c":{"required":["d"]}}}`, map[string]string{`{"a":1,"b":1}`: "", `{"a":1}`: ` dependencies: "b" is required beside "a"`, `{"c":1}`: ` required: "d" is required`}},
	{`{"pattern":"^/"}`, map[string]string{`"/a"`: "", `"a"`: " pattern: must match the pattern ^/", `1`: ""}},
	{`{"pattern":"b"}`, map[string]string{`"abc"`: ""}}, // not anchored
	{`{"minLength":2,"maxLength":3}`, map[string]string{`"éé"`: "", `"😀"`: " minLength: has 1 characters, fewer than 2", `"abcd"`: " maxLength: has 4 characters, more than 3"}},
	{`{"minimum":0.1,"maximum":10}`, map[string]string{`0.1`: "", `1e1`: "", `0.09`: " minimum: must be at least 0.1", `10.5`: " maximum: must be at most 10"}},
	{`{"exclusiveMinimum":0,"exclusiveMaximum":9007199254740993}`, map[string]string{`0`: " exclusiveMinimum: must be above 0", `9007199254740992`: "", `9007199254740993`: " exclusiveMaximum: must be below 9.007199254740992e+15"}},
	{`{"multipleOf":0.01}`, map[string]string{`19.99`: "", `19.999`: " multipleOf: must be a multiple of 0.01"}},
	{`{"const":{"a":[1,null]}}`, map[string]string{`{"a":[1.0,null]}`: "", `{"a":[1]}`: ` const: must be {"a":[1,null]}`}},
	{`{"enum":["a",1,null]}`, map[string]string{`"a"`: "", `1e0`: "", `null`: "", `"secret"`: ` enum: must be one of "a", 1, null`}},
	{`{"items":{"type":"number"},"minItems":1,"maxItems":2}`, map[string]string{`[1]`: "", `[1,"x"]`: "/1 type: must be of type number, not string", `[]`: " minItems: has 0 elements, fewer than 1", `[1,2,3]`: " maxItems: has 3 elements, more than 2"}},
	{`{"prefixItems":[{"type":"string"},{"type":"number"}],"items":false}`, map[string]string{`["a",1]`: "", `["a"]`: "", `[1]`: "/0 type: must be of type string, not number", `["a",1,2]`: "/2 items: is not allowed"}},
	{`{"contains":{"const":1},"minContains":2,"maxContains":3}`, map[string]string{`[1,0,1]`: "", `[1]`: " minContains: has 1 elements of the kind it must contain, fewer than 2", `[1,1,1,1]`: " maxContains: has 4 elements of the kind it must contain, more than 3"}},
	{`{"contains":{"const":1}}`, map[string]string{`[0]`: " contains: has no element of the kind it must contain"}},
	{`{"uniqueItems":true}`, map[string]string{`[1,2]`: "", `[1,{"a":1},1.0]`: " uniqueItems: elements 0 and 2 are equal"}},
	{`{"allOf":[{"required":["a"]},{"required":["b"]}]}`, map[string]string{`{"a":1,"b":1}`: "", `{}`: " required: \"a\" is required\n required: \"b\" is required"}},
	{`{"anyOf":[{"type":"string"},{"type":"number"}]}`, map[string]string{`1`: "", `"a"`: "", `null`: " anyOf: matches none of the alternatives"}},
	{`{"oneOf":[{"multipleOf":2},{"multipleOf":3}]}`, map[string]string{`2`: "", `6`: " oneOf: matches the alternatives 0 and 1; it must match one", `5`: " oneOf: matches none of the alternatives"}},
	{`{"not":{"type":"string"}}`, map[string]string{`1`: "", `"a"`: " not: is what the schema excludes"}},
	{`{"if":{"properties":{"kind":{"const":"a"}}},"then":{"required":["x"]},"else":{"required":["y"]}}`, map[string]string{`{"kind":"a","x":1}`: "", `{"kind":"b","y":1}`: "", `{"kind":"b","x":1}`: ` required: "y" is required`}},
	{`{"$ref":"#/$defs/positive","$defs":{"positive":{"minimum":1}}}`, map[string]string{`1`: "", `0`: " minimum: must be at least 1"}},
	{`{"$ref":"#/$defs/a%20b~1c","$defs":{"a b/c":{"minimum":1}}}`, map[string]string{`0`: " minimum: must be at least 1"}},
	{`{"$ref":"#/$defs/a","minimum":1,"$defs":{"a":{"maximum":2}}}`, map[string]string{`0`: " minimum: must be at least 1", `3`: " maximum: must be at most 2"}}, // beside others since 2019-09
	{`{"$ref":"#positive","$defs":{"a":{"$anchor":"positive","minimum":1}}}`, map[string]string{`0`: " minimum: must be at least 1"}},
	{`{"$id":"https://example.com/event.json","items":{"$ref":"event.json#/$defs/a"},"$defs":{"a":{"minimum":1}}}`, map[string]string{`[0]`: "/0 minimum: must be at least 1"}},
	{`{"$id":"https://example.com/event.json","items":{"$ref":"https://example.com/event.json"}}`, map[string]string{`[[]]`: ""}},
	{`{"$id":"urn:example:event","items":{"$ref":"#/$defs/a"},"$defs":{"a":{"minimum":1}}}`, map[string]string{`[0]`: "/0 minimum: must be at least 1"}},
	{`{"type":["object","number"],"additionalProperties":{"$ref":"#"}}`, map[string]string{`{"a":{"b":1}}`: "", `{"a":{"b":""}}`: "/a/b type: must be of type number or object, not string"}},
	{`{"$dynamicAnchor":"n","type":["object","number"],"additionalProperties":{"$dynamicRef":"#n"}}`, map[string]string{`{"a":{"b":1}}`: "", `{"a":""}`: "/a type: must be of type number or object, not string"}},
	{`{"allOf":[{"properties":{"a":{}}}],"unevaluatedProperties":false}`, map[string]string{`{"a":1}`: "", `{"b":1}`: "/b unevaluatedProperties: is not allowed"}},
	{`{"if":{"required":["k"],"properties":{"k":{"const":1}}},"then":{"properties":{"x":{}}},"unevaluatedProperties":false}`, map[string]string{`{"k":1,"x":1}`: "", `{"k":2,"x":1}`: "/k unevaluatedProperties: is not allowed\n/x unevaluatedProperties: is not allowed"}},
	{`{"allOf":[{"prefixItems":[{}]}],"unevaluatedItems":false}`, map[string]string{`[1]`: "", `[1,2]`: "/1 unevaluatedItems: is not allowed"}},
	{`{"properties":{"a":false}}`, map[string]string{`{}`: "", `{"a":1}`: "/a properties: is not allowed"}},
	{`{"properties":{"a/b~c":{"type":"null"}}}`, map[string]string{`{"a/b~c":1}`: "/a~1b~0c type: must be of type null, not number"}},
	{`{"contentEncoding":"base64","contentMediaType":"application/json","contentSchema":{"type":"object"}}`, map[string]string{`"%%"`: ""}},
	{`{"format":"date-time"}`, map[string]string{`"2026-05-04T03:02:01.5Z"`: "", `"2026-05-04T03:02:01+02:00"`: "", `"2026-05-04 03:02:01"`: " format: must be of the format date-time", `1`: ""}},
	{`{"format":"uuid"}`, map[string]string{`"0190163d-8694-739b-aea5-966c26f8ad91"`: "", `"x"`: " format: must be of the format uuid"}},
	{`{"format":"email"}`, map[string]string{`"a@example.com"`: "", `"a"`: " format: must be of the format email"}},
	{`{"format":"uri"}`, map[string]string{`"https://example.com/a"`: "", `"/a"`: " format: must be of the format uri"}},
	{`{"format":"ipv4"}`, map[string]string{`"192.0.2.1"`: "", `"192.0.2"`: " format: must be of the format ipv4"}},
	{`{"format":"regex"}`, map[string]string{`"^a"`: "", `"("`: " format: must be of the format regex", `"` + strings.Repeat("a{1000}", 1000) + `"`: " format: must be of the format regex"}},
	{`{"format":"int32"}`, map[string]string{`"x"`: ""}},
	{`false`, map[string]string{`1`: " false: is not allowed"}},
	{`true`, map[string]string{`1`: ""}},
}

// found are the mismatches of a value that costs little.
func found(t testing.TB, compiled *schema.Schema, value string) []schema.Mismatch {
	t.Helper()
	mismatches, err := validate(compiled, scan(t, value))
	if err != nil {
		t.Fatalf("%s: %v", value, err)
	}
	return mismatches
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for _, tt := range meanings {
		compiled := must(t, tt.schema)
		for value, want := range tt.values {
			for range 3 {
				if diff := cmp.Diff(want, short(found(t, compiled, value))); diff != "" {
					t.Fatalf("%s against %s (-want +got):\n%s", value, tt.schema, diff)
				}
			}
		}
	}
}

func TestMismatchesAreBounded(t *testing.T) {
	t.Parallel()
	got := found(t, must(t, `{"additionalProperties":{"type":"null"}}`), manyMembers(100))
	if len(got) != schema.MaxMismatches || got[0].Pointer != "/p000" || got[9].Pointer != "/p009" {
		t.Errorf("got %v", got)
	}
	long := must(t, `{"additionalProperties":false,"maxProperties":0,"const":"`+strings.Repeat("é", 1000)+`"}`)
	for _, m := range found(t, long, `{"`+strings.Repeat("é", 120)+`":1}`) {
		if len(m.Detail) > 300 {
			t.Errorf("detail has %d bytes", len(m.Detail))
		}
	}
}

func manyMembers(n int) string {
	members := make([]string, n)
	for i := range members {
		members[i] = fmt.Sprintf(`"p%03d":%d`, i, i)
	}
	return "{" + strings.Join(members, ",") + "}"
}

// TestNamesKeepTheirPlace has an unwanted name deep in a value, with others evaluated after it: the validator shares
// the memory of places, and what it then tells of a name's may be another's.
func TestNamesKeepTheirPlace(t *testing.T) {
	t.Parallel()
	compiled := must(t, `{"additionalProperties":{"propertyNames":{"maxLength":1}}}`)
	for range 20 {
		for _, m := range found(t, compiled, `{"a":{"long":1},"b":{"x":1},"c":{"y":1},"d":{}}`) {
			if m.Pointer != "/a" && m.Pointer != "" {
				t.Fatalf("got %+v", m)
			}
		}
	}
}
