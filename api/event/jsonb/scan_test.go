package jsonb_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/theeye-dev/theeye/api/event/jsonb"
)

// scan reads text that must hold exactly one value.
func scan(t testing.TB, text string) (*jsonb.Doc, *jsonb.Fault) {
	t.Helper()
	var s jsonb.Scanner
	s.Reset([]byte(text))
	doc, _, fault, err := s.Scan()
	if err != nil || s.More() {
		t.Fatalf("scan %.80q: error %v, more %t", text, err, err == nil && s.More())
	}
	if (doc == nil) != (fault != nil) {
		t.Fatalf("scan %.80q: document %v with fault %v", text, doc, fault)
	}
	return doc, fault
}

// faultless is text that is kept as it is.
var faultless = []string{
	`null`, `true`, `false`, `0`, `-0`, `1`, `-1`, `1.5`, `1e5`, `1E+5`, `1e-5`, `0.0`, `-0.0e0`, `0e308`, `1e308`, `1e-308`,
	`1e0000000000000000000000000000000308`,
	strings.Repeat("9", jsonb.MaxDigits), "0." + strings.Repeat("1", jsonb.MaxDigits-1), "-" + strings.Repeat("9", jsonb.MaxDigits) + "e308",
	`""`, `"a"`, `"\u0001\u001f\u007f"`, "\"\x7f\"", `"\"\\\/\b\f\n\r\t"`, `"\u00e9é\u20AC€"`, `"\ud83d\ude00😀"`, `"\uDBFF\uDFFF\uD800\uDC00"`,
	`"\uFFFD\ufffe\uffff"`, "\"\uFFFD\uFEFF\uE000\U0010FFFF\"", `"\\u0000"`, `"\\ud800"`, "\"\u2028\u2029\"",
	`[]`, `{}`, `[[]]`, `[{}]`, `{"":""}`, `{"a":{"a":{"a":1}}}`, `[1,"2",true,null,{"a":[]}]`,
	" \t\r\n[ 1 , 2 ]\n", " { \"a\" : 1 , \"b\" : 2 } ",
	`{"a":1,"A":2,"á":3,"a\u0301":4}`, // alike to people, not to jsonb
	`{"__proto__":1,"constructor":2}`,
	strings.Repeat("[", jsonb.MaxDepth) + strings.Repeat("]", jsonb.MaxDepth),
	strings.Repeat(`{"a":`, jsonb.MaxDepth) + "1" + strings.Repeat("}", jsonb.MaxDepth),
	object(jsonb.MaxKeys, nil),
	`{"` + strings.Repeat("k", jsonb.MaxKeyBytes) + `":1}`,
	`{"` + strings.Repeat(`\u0041`, jsonb.MaxKeyBytes) + `":1}`,
	`{"` + strings.Repeat(`\u20ac`, jsonb.MaxKeyBytes/3) + `":1}`,
}

// object writes an object of n members k0, k1, …; rename may give other names.
func object(n int, rename map[int]string) string {
	var b strings.Builder
	for i := range n {
		name := fmt.Sprintf("k%d", i)
		if other, ok := rename[i]; ok {
			name = other
		}
		fmt.Fprintf(&b, `,"%s":%d`, name, i)
	}
	return "{" + strings.TrimPrefix(b.String(), ",") + "}"
}

func TestScanAccepts(t *testing.T) {
	t.Parallel()
	for _, text := range faultless {
		doc, fault := scan(t, text)
		if fault != nil {
			t.Errorf("%.80q: fault %+v", text, fault)
			continue
		}
		if got, want := string(doc.Root().Raw()), strings.Trim(text, " \t\r\n"); got != want {
			t.Errorf("raw bytes are %.80q, want %.80q", got, want)
		}
	}
}

var faults = []struct {
	name, text string
	code       jsonb.FaultCode
	pointer    string
}{
	{"nul", `"\u0000"`, jsonb.FaultNUL, ""},
	{"nul in an element", `[1,["a","\u0000"]]`, jsonb.FaultNUL, "/1/1"},
	{"nul in a member", `{"a":{"b/c~d":["x",{"e":"\u0000"}]}}`, jsonb.FaultNUL, "/a/b~1c~0d/1/e"},
	{"nul in a name", `{"a":{"b":1,"x\u0000":1}}`, jsonb.FaultNUL, "/a"},
	{"nul below an escaped name", `{"\u0061\ud83d\ude00":"\u0000"}`, jsonb.FaultNUL, "/a😀"},
	{"nul in a name of the root", `{"\u0000":1}`, jsonb.FaultNUL, ""},
	{"nul below the empty name", `{"":"\u0000"}`, jsonb.FaultNUL, "/"},
	{"nul after containers", `{"a":[1,2,{"b":[]}],"c":[[],{},"\u0000"]}`, jsonb.FaultNUL, "/c/2"},
	{"nul in the first element of a nested array", `{"a":[["\u0000"]]}`, jsonb.FaultNUL, "/a/0/0"},
	{"utf-8: stray continuation", "{\"a\":\"\x80\"}", jsonb.FaultUTF8, "/a"},
	{"utf-8: overlong", "[\"\xc0\xaf\"]", jsonb.FaultUTF8, "/0"},
	{"utf-8: encoded surrogate", "\"\xed\xa0\x80\"", jsonb.FaultUTF8, ""},
	{"utf-8: beyond U+10FFFF", "\"\xf4\x90\x80\x80\"", jsonb.FaultUTF8, ""},
	{"utf-8: cut short", "[\"\xe2\x82\"]", jsonb.FaultUTF8, "/0"},
	{"utf-8 in a name", "{\"a\":{\"\xff\":1}}", jsonb.FaultUTF8, "/a"},
	{"surrogate: high alone", `["\ud800"]`, jsonb.FaultSurrogate, "/0"},
	{"surrogate: low alone", `["\udc00"]`, jsonb.FaultSurrogate, "/0"},
	{"surrogate: low before high", `["\udc00\ud800"]`, jsonb.FaultSurrogate, "/0"},
	{"surrogate: two highs", `["\ud800\ud800\udc00"]`, jsonb.FaultSurrogate, "/0"},
	{"surrogate: a character between", `["\ud800x\udc00"]`, jsonb.FaultSurrogate, "/0"},
	{"surrogate: no hexadecimal after", `["\ud800\n\udc00"]`, jsonb.FaultSurrogate, "/0"},
	{"surrogate: at the end", `{"a":"abc\uDBFF"}`, jsonb.FaultSurrogate, "/a"},
	{"surrogate in a name", `{"\ud800":1}`, jsonb.FaultSurrogate, ""},
	{"duplicate", `{"a":1,"a":2}`, jsonb.FaultDuplicateKey, "/a"},
	{"duplicate, nested", `{"x":[{"y":1},{"a":1,"b":2,"a":1}]}`, jsonb.FaultDuplicateKey, "/x/1/a"},
	{"duplicate, of containers", `{"a":{"b":1,"c":[1,2]},"b":[{"a":1}],"a":1}`, jsonb.FaultDuplicateKey, "/a"},
	{"duplicate, second escaped", `{"ab":1,"\u0061b":2}`, jsonb.FaultDuplicateKey, "/ab"},
	{"duplicate, first escaped", `{"\u0061b":1,"ab":2}`, jsonb.FaultDuplicateKey, "/ab"},
	{"duplicate, both escaped", `{"\/\u0061":1,"/\u0061":2}`, jsonb.FaultDuplicateKey, "/~1a"},
	{"duplicate, surrogates and letters", `{"\ud83d\ude00":1,"😀":2}`, jsonb.FaultDuplicateKey, "/😀"},
	{"duplicate, empty", `{"":1,"b":2,"":3}`, jsonb.FaultDuplicateKey, "/"},
	{"duplicate among 13", object(13, map[int]string{12: "k0"}), jsonb.FaultDuplicateKey, "/k0"},
	{"duplicate among 100, escaped", object(100, map[int]string{50: `\u006b7`, 99: `x`}), jsonb.FaultDuplicateKey, "/k7"},
	{"duplicate among 1000, the last two", object(jsonb.MaxKeys, map[int]string{999: "k998"}), jsonb.FaultDuplicateKey, "/k998"},
	{"duplicate in the inner of two", `{"a":1,"b":{"a":1,"a":1},"a":1}`, jsonb.FaultDuplicateKey, "/b/a"},
	{"members", object(jsonb.MaxKeys+1, nil), jsonb.FaultKeys, ""},
	{"members, nested", `[{"a":` + object(jsonb.MaxKeys+1, nil) + `}]`, jsonb.FaultKeys, "/0/a"},
	{"long name", `{"a":{"` + strings.Repeat("k", jsonb.MaxKeyBytes+1) + `":1}}`, jsonb.FaultKeys, "/a"},
	{"long name, escaped", `{"` + strings.Repeat(`\u0041`, jsonb.MaxKeyBytes+1) + `":1}`, jsonb.FaultKeys, ""},
	{"long name, of few characters", `{"` + strings.Repeat(`\u20ac`, jsonb.MaxKeyBytes/3+1) + `":1}`, jsonb.FaultKeys, ""},
	{"depth", strings.Repeat("[", jsonb.MaxDepth+1) + strings.Repeat("]", jsonb.MaxDepth+1), jsonb.FaultDepth, strings.Repeat("/0", jsonb.MaxDepth)},
	{"depth 100,000", strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000), jsonb.FaultDepth, strings.Repeat("/0", jsonb.MaxDepth)},
	{"depth 100,000 of objects", strings.Repeat(`{"a":[1,`, 50_000) + "1" + strings.Repeat("]}", 50_000), jsonb.FaultDepth, strings.Repeat("/a/1", jsonb.MaxDepth/2)},
	{"depth, in the second member", `{"a":1,"b":` + strings.Repeat("[", jsonb.MaxDepth) + strings.Repeat("]", jsonb.MaxDepth) + `,"c":"\u0000"}`, jsonb.FaultDepth, "/b" + strings.Repeat("/0", jsonb.MaxDepth-1)},
	{"digits", "[" + strings.Repeat("9", jsonb.MaxDigits+1) + "]", jsonb.FaultNumber, "/0"},
	{"digits of a fraction", "0." + strings.Repeat("1", jsonb.MaxDigits), jsonb.FaultNumber, ""},
	{"exponent", `{"a":1e309}`, jsonb.FaultNumber, "/a"},
	{"negative exponent", `{"a":1E-309}`, jsonb.FaultNumber, "/a"},
	{"exponent of a hundred digits", "1e" + strings.Repeat("9", 100), jsonb.FaultNumber, ""},
	{"exponent that overflows to something small", "1e18446744073709551617", jsonb.FaultNumber, ""},
	{"the first of several", `["\ud800","\u0000",{"a":1,"a":1}]`, jsonb.FaultSurrogate, "/0"},
}

func TestScanFaults(t *testing.T) {
	t.Parallel()
	for _, tt := range faults {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, fault := scan(t, tt.text)
			if fault == nil {
				t.Fatalf("%.80q has no fault", tt.text)
			}
			if fault.Code != tt.code || fault.Pointer != tt.pointer || fault.Detail == "" {
				t.Errorf("%.80q: fault is %+v, want %s at %q", tt.text, fault, tt.code, tt.pointer)
			}
			if len(fault.Detail) > 400 {
				t.Errorf("detail has %d bytes", len(fault.Detail))
			}
		})
	}
}

func TestScanSyntaxErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text   string
		offset int
	}{
		{"", 0},
		{"   ", 3},
		{"[1,]", 3},
		{"[1 2]", 3},
		{"[1}", 2},
		{"{]", 1},
		{`{"a"}`, 4},
		{`{"a"`, 4},
		{`{"a":}`, 5},
		{`{"a":1,}`, 7},
		{`{"a":1 "b":2}`, 7},
		{`{'a':1}`, 1},
		{`{a:1}`, 1},
		{"[", 1},
		{"[1", 2},
		{"[1,", 3},
		{`{`, 1},
		{`{"a":`, 5},
		{`"abc`, 4},
		{`"a\`, 2},
		{`"a\x"`, 2},
		{`"a\u12"`, 2},
		{`"\u12g4"`, 1},
		{"\"a\nb\"", 2},
		{"\"a\x00b\"", 2},
		{"\"a\x1fb\"", 2},
		{"01", 2},
		{"-", 1},
		{"-a", 1},
		{"+1", 0},
		{".5", 0},
		{"1.", 2},
		{"1.e5", 2},
		{"1e", 2},
		{"1e+", 3},
		{"nul", 0},
		{"tru", 0},
		{"falsy", 0},
		{"True", 0},
		{"NaN", 0},
		{"\uFEFF1", 0},
		{"\u00a01", 0},
		{"\v1", 0},
		{"\x00", 0},
		{"/* c */ 1", 0},
		{"[\n  1,\n  x\n]", 9},
	} {
		var s jsonb.Scanner
		s.Reset([]byte(tt.text))
		_, raw, fault, err := s.Scan()
		var syntax *jsonb.SyntaxError
		if !errors.As(err, &syntax) || raw != nil || fault != nil {
			t.Errorf("%q: raw %q, fault %v, error %v", tt.text, raw, fault, err)
			continue
		}
		if syntax.Offset != tt.offset || syntax.Detail == "" {
			t.Errorf("%q: offset is %d (%s), want %d", tt.text, syntax.Offset, syntax.Detail, tt.offset)
		}
		before := tt.text[:tt.offset]
		line, column := 1+strings.Count(before, "\n"), tt.offset-strings.LastIndex(before, "\n")
		if syntax.Line != line || syntax.Column != column { // of ASCII, as all of it is before these places
			t.Errorf("%q: line %d column %d, want %d and %d", tt.text, syntax.Line, syntax.Column, line, column)
		}
	}
}

func TestSyntaxErrorText(t *testing.T) {
	t.Parallel()
	var s jsonb.Scanner
	s.Reset([]byte("{\n  \"a\": 1,\n  \"b\" 2\n}"))
	_, _, _, err := s.Scan()
	if want := "expected ':' after a member name, found '2' at line 3, column 7"; err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
}

// TestPlaces: what is wrong is told with line, column and pointer, also behind what was wrong before.
func TestPlaces(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`"\u0000"`:                             `1:2 "": a string has U+0000, which cannot be stored`,
		"{\n \"é😀\": [1,\n\t\"ü\\ud800\"]}":    `3:4 "/é😀/1": a string has a surrogate without its pair`,
		"[\"é\xff\"]":                          `1:4 "/0": a string is not valid UTF-8`,
		"[\"\xff\xff\", \"\xff\", }":           `1:13 "/2": expected a JSON value, found '}'`, // each stray byte counts as a character
		`{"a":{"b\u0000":1}}`:                  `1:9 "/a": a member name has U+0000, which cannot be stored`,
		"{\"a\":{\"b\":1,\"\xff\":1}}":         `1:14 "/a": a member name is not valid UTF-8`,
		`{"\ud800":"\u0000"}`:                  `1:3 "": a member name has a surrogate without its pair`,
		"{\"a\":1,\n\"b\":2,\n  \"a\":3}":      `3:3 "/a": the member "a" occurs twice`,
		`[ 1e999]`:                             `1:3 "/0": a number has more than 64 digits or an exponent beyond ±308`,
		`[{"a": ` + object(1001, nil) + `}]`:   `1:8 "/0/a": an object has 1001 members, more than the 1000 allowed`,
		`{"a":{ "` + long + `":1}}`:            `1:8 "/a": a member name has 257 bytes, more than the 256 allowed`,
		strings.Repeat("[", 65) + deepEnd(65):  `1:65 "` + strings.Repeat("/0", 64) + `": nested deeper than 64`,
		`{"a":[1,{"b":x}]}`:                    `1:14 "/a/1/b": expected a JSON value, found 'x'`,
		"{\"é\":\n  {\"b\" 2}}":                `2:8 "/é/b": expected ':' after a member name, found '2'`,
		`{"a":1,}`:                             `1:8 "": expected a member name in double quotes, found '}'`,
		`{"a":{"b":1 "c":2}}`:                  `1:13 "/a": expected ',' or '}' after a member, found '"'`,
		`[[1 2]]`:                              `1:5 "/0": expected ',' or ']' after an element, found '2'`,
		`{"a":[1,`:                             `1:9 "/a/1": unexpected end of JSON`,
		`{"a":{"b`:                             `1:9 "/a": unexpected end of JSON in a string`,
		`{"` + long + `":{"b":x}}`:             `1:267 "": expected a JSON value, found 'x'`,
		strings.Repeat("[", 70) + `{"a":{"b":`: `1:81 "` + strings.Repeat("/0", 64) + `": unexpected end of JSON`,
	} {
		var s jsonb.Scanner
		s.Reset([]byte(text))
		_, _, fault, err := s.Scan()
		got := ""
		if syntax, ok := errors.AsType[*jsonb.SyntaxError](err); ok {
			got = fmt.Sprintf("%d:%d %q: %s", syntax.Line, syntax.Column, syntax.Pointer, syntax.Detail)
		} else if fault != nil {
			got = fmt.Sprintf("%d:%d %q: %s", fault.Line, fault.Column, fault.Pointer, fault.Detail)
		}
		if got != want {
			t.Errorf("%.80q:\n got %s\nwant %s", text, got, want)
		}
	}
}

// long is a member name that is longer than allowed.
var long = strings.Repeat("k", jsonb.MaxKeyBytes+1)

func deepEnd(n int) string { return strings.Repeat("]", n) }

// A name that stands in a text which is no longer recorded is not mistaken for the one before.
func TestPlaceInMutedText(t *testing.T) {
	t.Parallel()
	s := jsonb.Scanner{MaxBytes: 10}
	s.Reset([]byte(`{"a":"0123456789","b":1,"c":x}`))
	_, _, _, err := s.Scan()
	if syntax, ok := errors.AsType[*jsonb.SyntaxError](err); !ok || syntax.Pointer != "" || syntax.Column != 29 {
		t.Errorf("error is %#v", err)
	}
	s.Reset([]byte("\n  x")) // and nothing is left of the text before
	_, _, _, err = s.Scan()
	if syntax, ok := errors.AsType[*jsonb.SyntaxError](err); !ok || syntax.Pointer != "" || syntax.Line != 2 || syntax.Column != 3 {
		t.Errorf("error of the next is %#v", err)
	}
}

func TestScanGoesOnAfterFaults(t *testing.T) {
	t.Parallel()
	var s jsonb.Scanner
	s.Reset([]byte(`"\u0000" 1 {"a":1,"a":2}[2]` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + ` "last" `))
	var got []string
	for s.More() {
		doc, raw, fault, err := s.Scan()
		switch {
		case err != nil:
			t.Fatal(err)
		case fault != nil:
			got = append(got, string(fault.Code))
		case !bytes.Equal(doc.Root().Raw(), raw):
			t.Errorf("the document is %q of %q", doc.Root().Raw(), raw)
		default:
			got = append(got, string(raw))
		}
	}
	want := []string{"json.nul", "1", "json.duplicate_key", "[2]", "json.depth", `"last"`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestScanMaxBytes(t *testing.T) {
	t.Parallel()
	long := `{"a":[1,2,3],"a":"\u0000","b":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "}"
	for _, tt := range []struct {
		text  string
		limit int
		want  jsonb.FaultCode
	}{
		{`[1,2]`, 5, ""},
		{`  [1,2]  `, 5, ""}, // white space around a value is not its own
		{`[1,2]`, 4, jsonb.FaultSize},
		{`[1,2]`, 1, jsonb.FaultSize},
		{`"0123456789"`, 11, jsonb.FaultSize},
		{long, len(long) - 1, jsonb.FaultSize}, // whatever else is wrong with it
		{long, 1, jsonb.FaultSize},
		{long, len(long), jsonb.FaultNUL},
		{long, 0, jsonb.FaultNUL},
	} {
		s := jsonb.Scanner{MaxBytes: tt.limit}
		s.Reset([]byte(tt.text + "[7]"))
		doc, raw, fault, err := s.Scan()
		var got jsonb.FaultCode
		if fault != nil {
			got = fault.Code
		}
		if err != nil || got != tt.want || string(raw) != strings.TrimSpace(tt.text) || (doc == nil) != (tt.want != "") {
			t.Errorf("%.40q at most %d bytes: fault %q, error %v, raw %.40q; want fault %q", tt.text, tt.limit, got, err, raw, tt.want)
		}
		if tt.want == jsonb.FaultSize && fault.Pointer != "" {
			t.Errorf("%.40q: a size fault is of the whole value, not of %q", tt.text, fault.Pointer)
		}
		if tt.limit >= 3 || tt.limit == 0 { // the value behind is scanned as if nothing had been
			if next, _, fault, err := s.Scan(); err != nil || fault != nil || string(next.Root().Raw()) != "[7]" {
				t.Errorf("%.40q: the next value: fault %v, error %v", tt.text, fault, err)
			}
		}
	}
}

// A muted value must not record what it goes on to hold: a 4 MiB body of brackets is to cost no more than its bytes.
func TestScanMutedKeepsNothing(t *testing.T) {
	body := []byte("[" + strings.Repeat("[],", 1<<18) + "[]]")
	s := jsonb.Scanner{MaxBytes: 1000}
	allocated := testing.AllocsPerRun(5, func() {
		s.Reset(body)
		if _, _, fault, err := s.Scan(); err != nil || fault == nil {
			t.Fatal(fault, err)
		}
	})
	if allocated > 10 {
		t.Errorf("%v allocations", allocated)
	}
}

func TestScanDoesNotAllocate(t *testing.T) {
	event := []byte(typical)
	var s jsonb.Scanner
	allocated := testing.AllocsPerRun(100, func() {
		s.Reset(event)
		if _, _, fault, err := s.Scan(); err != nil || fault != nil {
			t.Fatal(fault, err)
		}
	})
	if allocated != 0 {
		t.Errorf("%v allocations for a typical event", allocated)
	}
}

func TestValueNavigation(t *testing.T) {
	t.Parallel()
	doc, _ := scan(t, `{"a":[1,{"b":"x\u0041\n"},[]],"\u0063":null,"d":true,"e":-1.5}`)
	var walk func(v jsonb.Value) any
	walk = func(v jsonb.Value) any {
		switch v.Kind() {
		case jsonb.Object:
			members := map[string]any{}
			for key, value := range v.Members {
				members[key.Text()] = walk(value)
			}
			return members
		case jsonb.Array:
			elements := []any{}
			for e := range v.Elements {
				elements = append(elements, walk(e))
			}
			return elements
		case jsonb.String:
			return v.Text()
		default:
			return v.Kind().String() + " " + string(v.Raw())
		}
	}
	want := map[string]any{
		"a": []any{"number 1", map[string]any{"b": "xA\n"}, []any{}},
		"c": "null null", "d": "boolean true", "e": "number -1.5",
	}
	if diff := cmp.Diff(want, walk(doc.Root())); diff != "" {
		t.Error(diff)
	}
	for key := range doc.Root().Members {
		if key.Is("a") != (key.Text() == "a") || key.Is("c") != (key.Text() == "c") {
			t.Errorf("Is and Text disagree about %s", key.Raw())
		}
	}
	for range doc.Root().Members { // leaving early is allowed
		break
	}
	for _, value := range doc.Root().Members {
		if value.Kind() != jsonb.String && (value.Text() != "" || value.Is("") || value.Is("-1.5")) {
			t.Errorf("%s has text", value.Raw())
		}
	}
	one, _ := scan(t, "1")
	if one.Root().Text() != "" || one.Root().Is("") {
		t.Error("a number has text")
	}
	for member := range doc.Root().Members {
		for range member.Elements {
			t.Error("a string has elements")
		}
	}
}

func TestPointerToken(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"": "", "a": "a", "a/b": "a~1b", "~": "~0", "~1": "~01", "/~": "~1~0"} {
		if got := jsonb.PointerToken(in); got != want {
			t.Errorf("PointerToken(%q) is %q, want %q", in, got, want)
		}
	}
}

// FuzzScan holds the scanner against encoding/json: both have the same grammar (and both let invalid UTF-8 pass as
// grammar), and what has no fault decodes to the same value.
func FuzzScan(f *testing.F) {
	for _, text := range faultless {
		f.Add([]byte(text), 0)
	}
	for _, tt := range faults {
		if len(tt.text) < 2000 {
			f.Add([]byte(tt.text), 10)
		}
	}
	for _, text := range []string{"", "[1,]", `{"a":1,}`, "01", "[1]]", `"\u12"`, "nul", "[\"\x01\"]", `{"a" 1}`, "1.e1"} {
		f.Add([]byte(text), 1)
	}
	f.Fuzz(func(t *testing.T, text []byte, limit int) {
		s := jsonb.Scanner{MaxBytes: max(0, limit)}
		s.Reset(text)
		doc, raw, fault, err := s.Scan()
		accepted := err == nil && !s.More()
		// encoding/json gives up at a depth of 10,000, where the scanner goes on
		if valid := json.Valid(text); accepted != valid && bytes.Count(text, []byte("["))+bytes.Count(text, []byte("{")) < 10_000 {
			t.Fatalf("accepted is %t (%v), json.Valid says %t", accepted, err, valid)
		}
		if err != nil {
			var syntax *jsonb.SyntaxError
			if !errors.As(err, &syntax) || syntax.Offset > len(text) || syntax.Line < 1 || syntax.Column < 1 {
				t.Fatalf("error is %#v", err)
			}
			checkPlace(t, text, syntax.Offset, syntax.Line, syntax.Column)
			return
		}
		if fault != nil {
			if doc != nil || fault.Detail == "" || !json.Valid(raw) && accepted {
				t.Fatalf("fault %+v with document %v", fault, doc)
			}
			if lines := bytes.Count(text, []byte{'\n'}) + 1; fault.Code != jsonb.FaultSize &&
				(fault.Line < 1 || fault.Line > lines || fault.Column < 1 || fault.Column > len(text)) {
				t.Fatalf("fault %+v in %d lines", fault, lines)
			}
			return
		}
		if !accepted {
			return
		}
		decoder := json.NewDecoder(bytes.NewReader(raw))
		decoder.UseNumber()
		var want any
		if err := decoder.Decode(&want); err != nil {
			t.Fatal(err)
		}
		if got := decoded(doc.Root()); !reflect.DeepEqual(got, want) { // cmp takes for ever on deep arrays
			t.Fatalf("decoded to %v, want %v", got, want)
		}
	})
}

// checkPlace counts lines and characters from the beginning.
func checkPlace(t *testing.T, text []byte, offset, line, column int) {
	t.Helper()
	before := text[:offset]
	start := bytes.LastIndexByte(before, '\n') + 1
	if wantLine, want := 1+bytes.Count(before, []byte{'\n'}), 1+len([]rune(string(before[start:]))); line != wantLine || column != want {
		t.Fatalf("offset %d is line %d, column %d, want %d and %d", offset, line, column, wantLine, want)
	}
}

// decoded is a value as encoding/json would decode it with UseNumber.
func decoded(v jsonb.Value) any {
	switch v.Kind() {
	case jsonb.Object:
		members := map[string]any{}
		for key, value := range v.Members {
			members[key.Text()] = decoded(value)
		}
		return members
	case jsonb.Array:
		elements := []any{}
		for e := range v.Elements {
			elements = append(elements, decoded(e))
		}
		return elements
	case jsonb.String:
		return v.Text()
	case jsonb.Number:
		return json.Number(v.Raw())
	case jsonb.Bool:
		return string(v.Raw()) == "true"
	default:
		return nil
	}
}

// TestSkim: whether a text is JSON is told as Scan tells it, faults or none, and without memory.
func TestSkim(t *testing.T) {
	texts := slices.Clone(faultless)
	for _, f := range faults {
		texts = append(texts, f.text)
	}
	var s jsonb.Scanner
	for _, text := range texts {
		s.Reset([]byte(text))
		if err := s.Skim(); err != nil || s.More() {
			t.Errorf("skim %.80q: %v", text, err)
		}
	}
	for _, text := range []string{"", "[1,]", `{"a"}`, `"\x"`, "[", "01x"} {
		s.Reset([]byte(text))
		if s.Skim() == nil && !s.More() {
			t.Errorf("skim %q: no error", text)
		}
	}
	long := []byte("[" + strings.Repeat("1,", 1<<20) + "1]")
	if n := testing.AllocsPerRun(3, func() { s.Reset(long); _ = s.Skim() }); n > 0 {
		t.Errorf("skimming takes memory %.0f times", n)
	}
}

// TestALongScanLetsOthersRun: on one processor, what is ready when a long text begins has run before its end.
func TestALongScanLetsOthersRun(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	text := []byte("[" + strings.Repeat("1,", 128<<10) + "1]") // several times: of 61 choices one is not of who waits longest
	var s jsonb.Scanner
	s.Reset(text)
	var ran atomic.Bool
	go ran.Store(true)
	if _, _, _, err := s.Scan(); err != nil || !ran.Load() {
		t.Errorf("others have run: %t, error %v", ran.Load(), err)
	}
}
