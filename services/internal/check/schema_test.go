package check_test

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/event/jsonb"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/check"
)

var received = time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)

// pageview is an event of the type "page view" as the door decodes it.
func pageview(t testing.TB, data string) *event.Event {
	t.Helper()
	if data != "" {
		data = `,"data":` + data
	}
	var scanner jsonb.Scanner
	scanner.Reset([]byte(`{"session_id":"s","category":"page","name":"view"` + data + `}`))
	doc, _, fault, err := scanner.Scan()
	if err != nil || fault != nil {
		t.Fatalf("%s: %v, %v", data, fault, err)
	}
	e, refusal := event.Decode(doc, true)
	if refusal != nil {
		t.Fatal(refusal)
	}
	return &e
}

func declaring(schema string) *registry.Policy {
	return &registry.Policy{EventTypes: []registry.EventType{
		{Category: "page", Name: "view", Schema: registry.Schema(schema)},
		{Category: "page", Name: "leave"},
	}}
}

const view = `{"type":"object","required":["path"],"properties":{"path":{"type":"string"},"n":{"minimum":0},"a/b":{"items":{"enum":[1,2]}}}}`

func TestSchema(t *testing.T) {
	t.Parallel()
	members := make([]string, 50)
	for i := range members {
		members[i] = fmt.Sprintf(`"member-%02d":%d`, i, i)
	}
	many := "{" + strings.Join(members, ",") + "}"
	for name, tt := range map[string]struct {
		schema, data string
		want         *event.Refusal
	}{
		"conforms":          {view, `{"path":"/","n":1,"a/b":[1,2]}`, nil},
		"anything":          {`{}`, `{"path":1}`, nil},
		"anything, no data": {`{}`, "", nil},
		"no schema":         {``, `{"path":1}`, nil},
		"a type":            {view, `{"path":1}`, &event.Refusal{Code: event.CodeSchemaMismatch, Pointer: "/data/path", Detail: "type: must be of type string, not number"}},
		"the whole":         {view, `{}`, &event.Refusal{Code: event.CodeSchemaMismatch, Pointer: "/data", Detail: `required: "path" is required`}},
		"no data":           {view, "", &event.Refusal{Code: event.CodeSchemaMismatch, Pointer: "/data", Detail: `required: "path" is required`}},
		"deep and escaped":  {view, `{"path":"/","a/b":[1,3]}`, &event.Refusal{Code: event.CodeSchemaMismatch, Pointer: "/data/a~1b/1", Detail: "enum: must be one of 1, 2"}},
		"several": {view, `{"n":-1,"a/b":[0]}`, &event.Refusal{
			Code: event.CodeSchemaMismatch, Pointer: "/data",
			Detail: `required: "path" is required; /data/a~1b/0 enum: must be one of 1, 2; /data/n minimum: must be at least 0`,
		}},
		"forbidden": {`false`, `{}`, &event.Refusal{Code: event.CodeSchemaMismatch, Pointer: "/data", Detail: "false: is not allowed"}},
		"more than there is room for": {`{"additionalProperties":{"type":"null"}}`, many, &event.Refusal{
			Code: event.CodeSchemaMismatch, Pointer: "/data/member-00",
			Detail: "type: must be of type null, not number" + further(1, 9) + "; and more",
		}},
		"too costly": {`{"additionalProperties":{"items":{"allOf":[{"minimum":0},{"minimum":1}]}}}`, `{"a":[` + strings.Repeat("1,", 50_000) + `1]}`, &event.Refusal{
			Code: event.CodeTooCostly, Pointer: "/data", Detail: "too large for its schema: checking it would take too long, or too much memory",
		}},
	} {
		if tt.want != nil { // the refusal names the schema
			digest := event.SchemaDigest(sha256.Sum256([]byte(tt.schema)))
			tt.want.Schema = &digest
		}
		_, got := judge(declaring(tt.schema)).Event(pageview(t, tt.data), received, received)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if got != nil && len(got.Detail) > 500 {
			t.Errorf("%s: detail has %d bytes", name, len(got.Detail))
		}
	}
}

func further(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "; /data/member-%02d type: must be of type null, not number", i)
	}
	return b.String()
}

// TestFaultySchema has a schema that came by another way than the operator, which would have found its fault.
func TestFaultySchema(t *testing.T) {
	t.Parallel()
	for _, faulty := range []string{`{"type":"strin"}`, `null`, `{`} {
		j := judge(declaring(faulty))
		for range 2 {
			if _, refusal := j.Event(pageview(t, ""), received, received); refusal == nil || refusal.Code != event.CodeSchemaUnavailable {
				t.Errorf("%s: got %+v", faulty, refusal)
			} else if refusal.Schema == nil || *refusal.Schema != sha256.Sum256([]byte(faulty)) {
				t.Errorf("%s is not named: %x", faulty, refusal.Schema)
			}
		}
	}
}

// TestRequestWork has a request whose events are each within bounds and are not together; the next one begins anew.
func TestRequestWork(t *testing.T) {
	t.Parallel()
	rules := check.Of(declaring(`{"additionalProperties":{"items":{"minimum":0,"allOf":[true`+strings.Repeat(",true", 499)+`]}}}`), nil)
	e := pageview(t, `{"a":[`+strings.Repeat("1,", 159)+`1]}`) // 501 evaluations each
	little := pageview(t, `{"a":[-1]}`)
	var j check.Judge
	for range 2 {
		j.Begin(rules, nil, nil)
		for i := range 15 {
			_, refusal := j.Event(e, received, received)
			if i < 12 && refusal != nil || i >= 12 && (refusal == nil || refusal.Code != event.CodeTooCostly || !strings.Contains(refusal.Detail, "send fewer")) {
				t.Fatalf("event %d: %+v", i, refusal)
			}
		}
		if _, refusal := j.Event(little, received, received); refusal == nil || refusal.Code != event.CodeSchemaMismatch {
			t.Errorf("one that costs little: %+v", refusal)
		}
	}
}

// TestSchemasAreCompiledOnce follows an application through changes: a schema is compiled when its first event comes,
// and again only when it changes itself.
func TestSchemasAreCompiledOnce(t *testing.T) {
	t.Parallel()
	first := check.Of(declaring(view), nil)
	if first.Compiled("page", "view") != nil {
		t.Error("compiled before it was needed")
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			var j check.Judge
			j.Begin(first, nil, nil)
			if _, refusal := j.Event(pageview(t, `{"path":1}`), received, received); refusal == nil {
				t.Error("not refused")
			}
		})
	}
	wg.Wait()
	compiled := first.Compiled("page", "view")
	suspended := declaring(view)
	suspended.Suspended = true
	second := check.Of(suspended, first)
	if compiled == nil || second.Compiled("page", "view") != compiled {
		t.Error("compiled again for a change elsewhere")
	}
	third := check.Of(declaring(`{"properties":{"path":{"type":"number"}}}`), second)
	var j check.Judge
	j.Begin(third, nil, nil)
	if _, refusal := j.Event(pageview(t, `{"path":1}`), received, received); refusal != nil || third.Compiled("page", "view") == compiled {
		t.Errorf("judged by the schema before: %+v", refusal)
	}
	unavailable := declaring("")
	unavailable.EventTypes[0].SchemaUnavailable = true
	j.Begin(check.Of(unavailable, check.Of(declaring(""), nil)), nil, nil)
	if _, refusal := j.Event(pageview(t, ""), received, received); refusal == nil || refusal.Code != event.CodeSchemaUnavailable {
		t.Errorf("judged as before it was unavailable: %+v", refusal)
	}
}
