package schema_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/theeye-dev/theeye/services/internal/schema"
)

// heavy are schemas and values that make the validator keep much, as large as they may be.
func heavy() map[string]func(n int) [2]string {
	repeated := func(head, element string) func(int) string {
		return func(n int) string { return head + "[" + strings.Repeat(element+",", n-1) + element + "]" }
	}
	of := func(text string, value func(int) string) func(int) [2]string {
		return func(n int) [2]string { return [2]string{text, value(n)} }
	}
	wide := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `{"%s":1},`, strings.Repeat("x", 1+i%20))
		}
		return "[" + b.String() + "1]"
	}
	ones, deep := repeated("", "1"), func(n int) string {
		return strings.Repeat("[", 55) + repeated("", "1")(n) + strings.Repeat("]", 55)
	}
	recursive := func(leaf string) string {
		return `{"if":{"type":"array"},"then":{"items":{"$ref":"#"}},"else":` + leaf + `}`
	}
	return map[string]func(int) [2]string{
		"24 fail":        of(`{"items":{"allOf":[`+strings.Repeat(`{"type":"string"},`, 23)+`{"type":"string"}]}}`, ones),
		"24 minimums":    of(`{"items":{"allOf":[`+strings.Repeat(`{"minimum":2},`, 23)+`{"minimum":2}]}}`, ones),
		"tiny numbers":   of(`{"items":{"minimum":2,"exclusiveMinimum":2,"multipleOf":3}}`, repeated("", strings.Repeat("9", 64)+"e-308")),
		"types":          of(`{"items":{"type":["string","null","object"]}}`, ones),
		"alternatives":   of(`{"items":{"anyOf":[{"oneOf":[{"type":"null"},{"const":2}]},{"enum":[3]},{"not":{}}]}}`, ones),
		"references":     of(`{"items":{"$ref":"#/$defs/a"},"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"allOf":[false]}}}`, ones),
		"deep":           of(recursive(`{"type":"string"}`), deep),
		"missing":        of(`{"items":{"required":["a","b","c","d","e","f","g"],"dependentRequired":{"x":["y"]}}}`, wide),
		"formats":        of(`{"items":{"format":"email"}}`, repeated("", `"a@[1.2.3.x]"`)),
		"URLs":           of(`{"items":{"format":"uri"}}`, repeated("", `"http://[x/%zz"`)),
		"patterns":       of(`{"items":{"format":"regex","pattern":"^a"}}`, repeated("", `"(((b"`)),
		"names":          of(`{"items":{"propertyNames":{"maxLength":0}}}`, wide),
		"other members":  of(`{"items":{"additionalProperties":false}}`, wide),
		"contained":      of(`{"contains":{"type":"string"},"minContains":2}`, ones),
		"unevaluated":    of(`{"items":{"allOf":[{"minProperties":2}],"unevaluatedProperties":false}}`, wide),
		"nothing fails":  of(`{"items":{}}`, wide),
		"objects alone":  of(`{"properties":{"a":{}}}`, wide),
		"unique":         of(`{"uniqueItems":true}`, func(n int) string { return ones(min(n, 1000)) }),
		"small an event": func(int) [2]string { return [2]string{ordinary, ordinaryEvent} },
	}
}

// inUse is the memory that is in use, after what is not has been collected.
func inUse() int {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return int(stats.HeapAlloc)
}

// TestMemory holds what checks keep against what they are counted as: the largest that is not given up, and a small one.
func TestMemory(t *testing.T) { //nolint:paralleltest // it looks at all memory in use
	for name, pairOf := range heavy() {
		for _, n := range []int{2, 300, 3_000, 20_000} {
			pair := pairOf(n)
			compiled, value := must(t, pair[0]), scan(t, pair[1])
			before := inUse()
			kept, counted := compiled.Kept(value)
			took := inUse() - before
			runtime.KeepAlive(kept)
			runtime.KeepAlive(value)
			if took > counted && kept != nil || counted > schema.MaxMemory {
				t.Errorf("%s of %d: %d bytes are in use, counted %d", name, n, took, counted)
			}
			t.Logf("%s of %d: %d bytes, counted %d", name, n, took, counted)
		}
	}
}
