package schema_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/event/jsonb"
	"github.com/theeye-dev/theeye/services/internal/schema"
)

// bound is how long compiling or checking may take at worst. Under the race detector and on a busy machine it takes
// many times as long as in BenchmarkWork.
const bound = 20 * time.Second

// hostile are schemas made to be costly that are within the limits, each with an event for it.
func hostile() map[string][2]string {
	const mebibyte = 1 << 20
	ones := "[" + strings.Repeat("1,", mebibyte/2-1) + "1]"
	text := `"` + strings.Repeat("a", mebibyte-2) + `"`
	shapes := make([]string, 40_000) // equal hashes, all different
	for i := range shapes {
		var b strings.Builder
		for bit := range 16 {
			b.WriteString("[")
			if i>>bit&1 == 1 {
				b.WriteString("],[")
			}
		}
		shapes[i] = b.String() + "0" + strings.Repeat("]", 16)
	}
	many := "[" + strings.Join(shapes, ",") + "]"
	return map[string][2]string{
		"one type":            {`{"items":{"type":"integer"}}`, ones},
		"every item 900 ways": {`{"items":{"allOf":[{}` + strings.Repeat(`,{"minimum":2}`, 900) + `]}}`, ones},
		"500 of doubled":      {strings.Replace(doubling(7, `{"allOf":[%s,%s]}`), `{"$ref":"#/$defs/d0"`, `{"items":{"$ref":"#/$defs/d0"}`, 1), ones},
		"all fail":            {`{"items":{"type":"string"}}`, ones},
		"numbers of an enum":  {`{"items":` + enum(900, "%d.5") + `}`, ones},
		"slow pattern":        {`{"pattern":"(.*a){900}b"}`, text},
		"slow name":           {`{"patternProperties":{"(.*a){900}b":false}}`, manyMembers(1000)},
		"many slow patterns":  {`{"allOf":[{}` + strings.Repeat(`,{"pattern":".*a.*a.*b"}`, 400) + `]}`, text},
		"unique":              {`{"uniqueItems":true}`, many},
		"unique in levels":    {`{"uniqueItems":true,"items":{"$ref":"#"}}`, many},
		"unevaluated items":   {`{"allOf":[{}` + strings.Repeat(`,{"contains":true}`, 300) + `],"unevaluatedItems":false}`, ones},
		"unevaluated members": {`{"items":{"anyOf":[` + strings.Repeat(`{"minProperties":1},`, 300) + `true],"unevaluatedProperties":false}}`, "[" + strings.Repeat(manyMembers(1000)+",", 50) + "1]"},
		"deep recursion":      {`{"items":{"$ref":"#"},"contains":{"type":"array"}}`, strings.Repeat("[", 60) + strings.Repeat("]", 60)},
		"names":               {`{"propertyNames":{"allOf":[{}` + strings.Repeat(`,{"minLength":900}`, 800) + `]}}`, manyMembers(1000)},
	}
}

// TestHostile checks what hostile schemas and events cost together.
func TestHostile(t *testing.T) {
	t.Parallel()
	for name, pair := range hostile() {
		t.Run(name, func(t *testing.T) {
			begin := time.Now()
			compiled, err := schema.Compile([]byte(pair[0]))
			compiling := time.Since(begin)
			if err != nil {
				t.Fatalf("refused after %s: %s", compiling, err)
			}
			value := scan(t, pair[1])
			begin = time.Now()
			mismatches, err := validate(compiled, value)
			checking := time.Since(begin)
			if compiling > bound || checking > bound {
				t.Errorf("compiled in %s, checked in %s", compiling, checking)
			}
			t.Logf("compiled in %s, checked in %s: %.100v, %v", compiling, checking, mismatches, err)
		})
	}
}

// BenchmarkWork is what the limits of compiling and checking come to in time and memory.
func BenchmarkWork(b *testing.B) {
	ones := "[" + strings.Repeat("1,", 90_000) + "1]"
	for name, pair := range map[string][2]string{
		"passes":      {`{"items":{"type":"integer"}}`, ones},
		"all fail":    {`{"items":{"type":"string"}}`, ones},
		"members":     {`{"additionalProperties":{"allOf":[{}` + strings.Repeat(`,{"minimum":0}`, 200) + `]}}`, manyMembers(400)},
		"pattern":     {`{"pattern":"(.*a){300}b"}`, `"` + strings.Repeat("a", 1000) + `"`},
		"enum":        {`{"additionalProperties":` + enum(249, "%d.5") + `}`, manyMembers(350)},
		"unevaluated": {`{"allOf":[{}` + strings.Repeat(`,{"contains":true}`, 30) + `],"unevaluatedItems":false}`, "[" + strings.Repeat("1,", 2000) + "1]"},
		"unique":      {`{"uniqueItems":true}`, "[" + strings.Repeat(`[[1],[2]],`, 1000) + "1]"},
		"an event":    {ordinary, ordinaryEvent},
	} {
		compiled := must(b, pair[0])
		value := scan(b, pair[1])
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = validate(compiled, value)
			}
		})
	}
	for name, text := range map[string]string{
		"ordinary":        ordinary,
		"1000 subschemas": properties(999, `{"type":"string"}`),
		"too complex":     complicated(),
	} {
		b.Run("compile/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = schema.Compile([]byte(text))
			}
		})
	}
}

const ordinary = `{"type":"object","required":["host","path"],"additionalProperties":false,"properties":{
	"host":{"type":"string","maxLength":253},"path":{"type":"string","pattern":"^/"},"n":{"type":"integer","minimum":0},
	"seen":{"type":"boolean"},"at":{"type":"string","format":"date-time"},"tags":{"type":"array","items":{"enum":["a","b","c"]}}}}`

const ordinaryEvent = `{"host":"shop.example.com","path":"/a/b?c=d","n":17,"seen":true,"at":"2026-05-04T03:02:01Z","tags":["a","b"]}`

// complicated has references that combine in ever other ways: each member applies the whole and one more part.
func complicated() string {
	var b strings.Builder
	b.WriteString(`{"properties":{`)
	for i := range 30 {
		fmt.Fprintf(&b, `"p%d":{"allOf":[{"$ref":"#"},{"$ref":"#/$defs/d%d"}]},`, i, i)
	}
	b.WriteString(`"q":{}},"$defs":{`)
	for i := range 30 {
		fmt.Fprintf(&b, `"d%d":{"additionalProperties":{"$ref":"#/$defs/d%d"}},`, i, i)
	}
	b.WriteString(`"e":{}}}`)
	return b.String()
}

// TestTooComplex is the one limit that is in no other table.
func TestTooComplex(t *testing.T) {
	t.Parallel()
	fault := compile(t, complicated())
	if fault == nil || fault.Error() != "is too complex: its references combine in too many ways" {
		t.Errorf("got %v", fault)
	}
}

// TestWork holds the two limits of checking against each other.
func TestWork(t *testing.T) {
	t.Parallel()
	compiled := must(t, `{"items":{"type":"integer"}}`)
	ones := func(n int) jsonb.Value { return scan(t, "["+strings.Repeat("1,", n-1)+"1]") }
	account := schema.Account{Left: schema.RequestWork}
	if _, err := compiled.Validate(ones(110_000), &account); !errors.Is(err, schema.ErrTooCostly) || account.Left != schema.RequestWork {
		t.Errorf("costly by itself: %v, left %d", err, account.Left)
	}
	checked := 0
	for ; checked < 100; checked++ {
		if mismatches, err := compiled.Validate(ones(30_000), &account); err != nil {
			if !errors.Is(err, schema.ErrSpent) {
				t.Fatal(err)
			}
			break
		} else if mismatches != nil {
			t.Fatal(mismatches)
		}
	}
	if checked != 33 || account.Left < 0 {
		t.Errorf("%d were checked, left %d", checked, account.Left)
	}
	if mismatches, err := compiled.Validate(scan(t, `["a"]`), &account); err != nil || len(mismatches) != 1 {
		t.Errorf("what is little: %v, %v", mismatches, err)
	}
}

// TestOrdinaryRequest has as many ordinary events as a request may have, and they take a tenth of what they may.
func TestOrdinaryRequest(t *testing.T) {
	t.Parallel()
	compiled := must(t, ordinary)
	value := scan(t, ordinaryEvent)
	account := schema.Account{Left: schema.RequestWork}
	for range event.MaxEvents {
		if mismatches, err := compiled.Validate(value, &account); err != nil || mismatches != nil {
			t.Fatal(mismatches, err)
		}
	}
	if spent := schema.RequestWork - account.Left; spent > schema.RequestWork/10 {
		t.Errorf("spent %d of %d", spent, schema.RequestWork)
	}
}

// TestCostlyChecksTakeATurn asks once for a turn, before the checks of a request have cost much.
func TestCostlyChecksTakeATurn(t *testing.T) {
	t.Parallel()
	compiled := must(t, `{"items":{"type":"integer"}}`)
	asked, refusal := 0, errors.New("no turn")
	account := schema.Account{Left: schema.RequestWork, Turn: func() error { asked++; return refusal }}
	value := scan(t, "["+strings.Repeat("1,", 999)+"1]") // some 1,000 evaluations
	for n := range 3 {
		if _, err := compiled.Validate(value, &account); err != nil || asked != 0 {
			t.Fatalf("check %d: %v, asked for %d turns", n, err, asked)
		}
	}
	left := account.Left
	if _, err := compiled.Validate(value, &account); !errors.Is(err, refusal) || account.Left != left {
		t.Errorf("without a turn: %v, %d of %d left", err, account.Left, left)
	}
	refusal = nil
	for n := range 3 {
		if _, err := compiled.Validate(value, &account); err != nil || asked != 2 {
			t.Errorf("check %d in its turn: %v, asked for %d turns", n, err, asked)
		}
	}
}

// TestALongCheckLetsOthersRun: on one processor, what is ready when a long check begins has run before its end.
func TestALongCheckLetsOthersRun(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	s, err := schema.Compile([]byte(`{"items":{"allOf":[{"type":"integer"}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	value := scan(t, "["+strings.Repeat("1,", 100)+"1]")
	var ran atomic.Bool
	go ran.Store(true)
	if found, err := s.Validate(value, &schema.Account{Left: schema.RequestWork}); err != nil || found != nil || !ran.Load() {
		t.Errorf("others have run: %t, found %v, error %v", ran.Load(), found, err)
	}
}
