package check_test

import (
	"testing"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/event/jsonb"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/check"
)

// TestDecode gives events the ids that they have by who sends them.
func TestDecode(t *testing.T) {
	t.Parallel()
	const head = `{"session_id":"s","category":"page","name":"view"`
	for name, c := range map[string]struct {
		text   string
		public bool
		id     string
		code   event.Code
	}{
		"an application's":             {head + `,"id":"a"}`, false, "a", ""},
		"a page's":                     {head + `,"id":"a"}`, true, "public:a", ""},
		"a page's that says so itself": {head + `,"id":"public:a"}`, true, "public:public:a", ""},
		"a reserved one":               {head + `,"id":"public:a"}`, false, "public:a", event.CodeConflict},
		"none":                         {head + `}`, false, "", ""},
		"a page's none":                {head + `}`, true, "", ""},
		"of a refused event":           {`{"id":"a","more":1}`, false, "a", event.CodeUnknown},
		"of a page's refused event":    {`{"id":"a","more":1}`, true, "public:a", event.CodeUnknown},
		"a reserved one, refused":      {`{"id":"public:a","more":1}`, false, "public:a", event.CodeUnknown},
	} {
		var scanner jsonb.Scanner
		scanner.Reset([]byte(c.text))
		doc, _, _, err := scanner.Scan()
		if err != nil {
			t.Fatal(err)
		}
		e, refusal := check.Decode(doc, event.Native, c.public)
		var code event.Code
		if refusal != nil {
			code = refusal.Code
		}
		if e.ID != c.id || code != c.code {
			t.Errorf("%s: id %q and code %q, want %q and %q", name, e.ID, code, c.id, c.code)
		}
	}
}

// TestSchemasAreNamed by the digest of their text, one for all types that share it.
func TestSchemasAreNamed(t *testing.T) {
	t.Parallel()
	policy := declaring(view)
	policy.EventTypes = append(policy.EventTypes, registry.EventType{Category: "page", Name: "again", Schema: registry.Schema(view)})
	rules := check.Of(policy, nil)
	named := rules.SchemaOf("page", "view")
	if named == nil || rules.SchemaOf("page", "leave") != nil || rules.SchemaOf("page", "none") != nil {
		t.Fatalf("named %v", named)
	}
	n := 0
	for digest, text := range rules.Schemas {
		if n++; digest != *named || string(text) != view {
			t.Errorf("%x is %s", digest, text)
		}
	}
	if n != 2 || rules.Compiled("page", "view") != nil {
		t.Errorf("%d schemas are named, and they are compiled: %v", n, rules.Compiled("page", "view"))
	}
}
