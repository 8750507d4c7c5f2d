package console

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDifferences: each keyword that is violated stands beside the value at its place and what the schema asks.
func TestDifferences(t *testing.T) {
	t.Parallel()
	const declared = `{"type":"object","required":["host","path"],"additionalProperties":false,
		"properties":{"host":{"type":"string"},"path":{"$ref":"#/$defs/path"},"cart":{"type":"object","properties":{"items":{"type":"array","items":{"$ref":"#/$defs/item"}}}}},
		"$defs":{"path":{"type":"string","maxLength":3},"item":{"allOf":[{"properties":{"n/a":{"type":"integer","minimum":1}}}]}}}`
	const original = `{"session_id":"s","data":{"host":7,"path":"/long","cart":{"items":[{"n/a":1},{"n/a":0.5}]},"<b>":1}}`
	want := []difference{
		{"/data", `{"host":7,"path":"/long","cart":{"items":[{"n/a":1},{"n/a":0.5}]},"<b>":1}`, "additionalProperties", `"<b>" is not allowed`, `"additionalProperties":false`},
		{"/data/cart/items/1/n~1a", "0.5", "type", "must be of type integer, not number", `"type":"integer"`},
		{"/data/host", "7", "type", "must be of type string, not number", `"type":"string"`},
		{"/data/path", `"/long"`, "maxLength", "has 5 characters, more than 3", `"maxLength":3`},
	}
	if diff := cmp.Diff(want, differences(original, json.RawMessage(declared))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	want = []difference{{"/data", "{}", "required", `"host", "path" are required`, `"required":["host","path"]`}}
	if diff := cmp.Diff(want, differences(`{"session_id":"s"}`, json.RawMessage(declared))); diff != "" {
		t.Errorf("without data (-want +got):\n%s", diff)
	}
	for name, c := range map[string][2]string{
		"no JSON": {`{"data":`, declared}, "no object": {`[1]`, declared}, "no schema": {original, ""}, "a faulty schema": {original, `{"type":1}`},
		"what conforms": {`{"data":{"host":"h","path":"/"}}`, declared}, "data that no event may have": {`{"data":{"a":1,"a":2}}`, declared},
	} {
		if got := differences(c[0], json.RawMessage(c[1])); got != nil {
			t.Errorf("%s differs by %v", name, got)
		}
	}
}

// TestAskedEnds where references lead in circles.
func TestAskedEnds(t *testing.T) {
	t.Parallel()
	var root any
	if err := json.Unmarshal([]byte(`{"$ref":"#/$defs/a","$defs":{"a":{"allOf":[{"$ref":"#/$defs/a"},{"$ref":"#"}],"additionalProperties":{"$ref":"#"}}}}`), &root); err != nil {
		t.Fatal(err)
	}
	if got := asked(root, strings.Repeat("/x", 64), "type"); got != "" {
		t.Errorf("found %s", got)
	}
}

// text writes a value as a page shows it.
func (p prettied) text() string {
	var b strings.Builder
	for _, l := range p.Lines {
		if l.Marked {
			b.WriteString("> ")
		}
		b.WriteString(l.Indent)
		if l.Key != "" {
			b.WriteString(l.Key + ": ")
		}
		b.WriteString(l.Value)
		if l.Comma {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// TestPretty keeps the order, numbers and texts as they were written, and marks what pointers lead to.
func TestPretty(t *testing.T) {
	t.Parallel()
	const raw = `{"z":1.10,"a/b":{"~":[true,null,"<é>\u0001"]},"e":{},"f":[],"n":1e400}`
	want := `{
  "z": 1.10,
>   "a/b": {
    "~": [
      true,
      null,
>       "<é>\u0001"
    ]
  },
  "e": {},
  "f": [],
  "n": 1e400
}
`
	if diff := cmp.Diff(want, pretty(json.RawMessage(raw), "/a~1b", "/a~1b/~0/2", "/nowhere").text()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, broken := range []string{`{"a":`, `{"a":1}}`, `{"a":1} 2`, "\xff", "", "{a}"} {
		if got := pretty(json.RawMessage(broken)); got.Lines != nil {
			t.Errorf("%q is shown as %v", broken, got.Lines)
		}
	}
	long := pretty(json.RawMessage("[" + strings.Repeat("1,", 5000) + "1]"))
	if len(long.Lines) != maxLines || !long.More {
		t.Errorf("%d lines are shown", len(long.Lines))
	}
	if got := pretty(json.RawMessage(strings.Repeat("[", 200_000))); got.Lines != nil || len(got.Raw) > 70<<10 {
		t.Error("what is no JSON is shown whole")
	}
}
