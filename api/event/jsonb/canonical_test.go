package jsonb_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/theeye-dev/theeye/api/event/jsonb"
)

func canonical(t testing.TB, text string) string {
	t.Helper()
	doc, fault := scan(t, text)
	if fault != nil {
		t.Fatalf("%.80q: %+v", text, fault)
	}
	return string(doc.Root().AppendCanonical(nil))
}

// classes are groups of texts: equal within, different between.
var classes = [][]string{
	{`null`, ` null `},
	{`true`},
	{`false`},
	{`"null"`, `"\u006eull"`},
	{`0`, `-0`, `0.0`, `-0.00`, `0e5`, `0E-300`, `-0e+308`},
	{`1`, `1.0`, `1.000`, `10e-1`, `0.1e1`, `1e0`, `1E+0`, `100e-2`, `0.001e3`},
	{`-1`, `-1.0`, `-10e-1`},
	{`10`, `1e1`, `1.0e1`, `100e-1`},
	{`100`, `1e2`},
	{`12`, `1.2e1`},
	{`1.2`, `12e-1`, `1.20`},
	{`"1"`},
	{`1.000000000000000005`},
	{`1.000000000000000006`},
	{`9007199254740993`, `9007199254740993.0`, `9.007199254740993e15`},
	{`9007199254740992`}, // the same float64 as the one before
	{`1e308`, `10e307`},
	{`1e-308`, `0.1e-307`},
	{`""`},
	{`"a"`, `"\u0061"`},
	{`"A"`},
	{`"é"`, `"\u00e9"`, `"\u00E9"`},
	{"\"e\u0301\""}, // e and a combining accent: jsonb does not normalise
	{`"😀"`, `"\ud83d\ude00"`, `"\uD83D\uDE00"`},
	{`"/"`, `"\/"`, `"\u002f"`},
	{`"\n"`, `"\u000a"`},
	{`"\\n"`, `"\u005cn"`},
	{`[]`, ` [ ] `},
	{`{}`, ` { } `},
	{`[[]]`},
	{`[null]`},
	{`[{}]`},
	{`[[],[]]`},
	{`[1,2]`, `[1.0,2e0]`},
	{`[2,1]`},
	{`[12]`},
	{`["1,2"]`},
	{`["1","2"]`},
	{`[["a"],"b"]`},
	{`["a",["b"]]`},
	{`{"a":1}`, `{"\u0061":1.0}`},
	{`{"a":"1"}`},
	{`["a",1]`},
	{`{"a":1,"b":2}`, `{"b":2,"a":1}`, `{"\u0062":2,"\u0061":1}`},
	{`{"a":2,"b":1}`},
	{`{"a":{"b":2}}`},
	{`{"a":{},"b":2}`, `{"b":2,"a":{}}`},
	{`{"a":{"b":2,"c":3}}`, `{"a":{"c":3,"b":2}}`},
	{`{"a":{"b":2},"c":3}`, `{"c":3,"a":{"b":2}}`},
	{`{"":""}`},
	{`{"a":null}`},
	{`{"ab":"c"}`},
	{`{"a":"bc"}`},
	{`{"aa":1,"b":2}`, `{"b":2,"aa":1}`},
	{`{"é":1,"z":2}`, `{"z":2,"\u00e9":1}`},
	{`"2:ab"`},
	{`"ab"`},
}

func TestCanonicalClasses(t *testing.T) {
	t.Parallel()
	owner := map[string]int{}
	for i, class := range classes {
		for _, text := range class {
			form := canonical(t, text)
			if other, ok := owner[form]; ok && other != i {
				t.Errorf("%s and %s have the same form %q", text, classes[other][0], form)
			}
			owner[form] = i
		}
		if first := canonical(t, class[0]); len(class) > 1 {
			for _, text := range class[1:] {
				if form := canonical(t, text); form != first {
					t.Errorf("%s is %q, %s is %q", class[0], first, text, form)
				}
			}
		}
	}
}

func TestCanonicalAppends(t *testing.T) {
	t.Parallel()
	doc, _ := scan(t, `{"b":[1,{"d":4,"c":3}],"a":2}`)
	root := doc.Root()
	first := root.AppendCanonical(nil)
	if got := root.AppendCanonical([]byte("before")); string(got) != "before"+string(first) {
		t.Errorf("appended form is %q, alone it is %q", got, first)
	}
}

// The form is hashed into what the ledger keeps: it must not change.
func TestCanonicalForm(t *testing.T) {
	t.Parallel()
	got := canonical(t, `{"b":[1.50,-200,0,null,true,false,{}],"a":"\u00e9\n","":[]}`)
	if want := "{\"0:[]\"1:a\"3:é\n\"1:b[#15e-1;#-2e2;#0;ntf{}]}"; got != want {
		t.Errorf("form is %q, want %q", got, want)
	}
}

// tree is a random JSON value that can be written in many ways.
type tree struct {
	kind     jsonb.Kind
	word     string   // null, true, false
	number   *big.Int // times 10^exponent
	exponent int
	text     string
	names    []string
	children []tree
}

var runes = []rune("aA\"\\/\b\f\n\r\t\u0001\u001f\u007fé€\u2028\uFFFD\uFFFF😀\U0010FFFF 09,:[]{}'")

func randomText(r *rand.Rand) string {
	var b strings.Builder
	for range r.IntN(6) {
		b.WriteRune(runes[r.IntN(len(runes))])
	}
	return b.String()
}

func randomTree(r *rand.Rand, depth int) tree {
	kind := jsonb.Kind(r.IntN(6))
	if depth == 0 {
		kind = jsonb.Kind(r.IntN(4))
	}
	v := tree{kind: kind}
	switch kind {
	case jsonb.Null:
		v.word = "null"
	case jsonb.Bool:
		v.word = []string{"true", "false"}[r.IntN(2)]
	case jsonb.Number:
		v.number = big.NewInt(r.Int64N(2000) - 1000)
		if r.IntN(4) == 0 {
			v.number.Mul(v.number, big.NewInt(r.Int64()))
		}
		v.exponent = r.IntN(40) - 20
	case jsonb.String:
		v.text = randomText(r)
	case jsonb.Array:
		for range r.IntN(4) {
			v.children = append(v.children, randomTree(r, depth-1))
		}
	case jsonb.Object:
		n, seen := r.IntN(4), map[string]bool{}
		if r.IntN(20) == 0 {
			n = 30
		}
		for range n {
			name := randomText(r)
			if !seen[name] {
				v.names, v.children = append(v.names, name), append(v.children, randomTree(r, depth-1))
			}
			seen[name] = true
		}
	}
	return v
}

func (v tree) write(r *rand.Rand) string {
	space := func() string { return []string{"", "", "", " ", "\n\t"}[r.IntN(5)] }
	var parts []string
	switch v.kind {
	case jsonb.Number:
		return writeNumber(r, v.number, v.exponent)
	case jsonb.String:
		return writeString(r, v.text)
	case jsonb.Array:
		for _, child := range v.children {
			parts = append(parts, space()+child.write(r)+space())
		}
		return "[" + strings.Join(parts, ",") + "]"
	case jsonb.Object:
		for _, i := range r.Perm(len(v.children)) {
			parts = append(parts, space()+writeString(r, v.names[i])+space()+":"+space()+v.children[i].write(r)+space())
		}
		return "{" + strings.Join(parts, ",") + "}"
	default:
		return v.word
	}
}

func writeString(r *rand.Rand, text string) string {
	var b strings.Builder
	for _, c := range text {
		quoted, _ := json.Marshal(string(c))
		switch {
		case r.IntN(3) == 0 && c > 0xFFFF:
			fmt.Fprintf(&b, `\u%04x\u%04X`, 0xD800+(c-0x10000)>>10, 0xDC00+(c-0x10000)&0x3FF)
		case r.IntN(3) == 0 && c <= 0xFFFF:
			fmt.Fprintf(&b, `\u%04x`, c)
		case c == '/' && r.IntN(2) == 0:
			b.WriteString(`\/`)
		default:
			b.Write(quoted[1 : len(quoted)-1])
		}
	}
	return `"` + b.String() + `"`
}

// writeNumber moves the decimal point about and pads with zeros.
func writeNumber(r *rand.Rand, n *big.Int, exponent int) string {
	sign, digits := "", new(big.Int).Abs(n).String()
	if n.Sign() < 0 || n.Sign() == 0 && r.IntN(2) == 0 {
		sign = "-"
	}
	for range r.IntN(3) {
		digits, exponent = digits+"0", exponent-1
	}
	if point := r.IntN(len(digits)); point > 0 {
		exponent += len(digits) - point
		digits = digits[:point] + "." + digits[point:]
	} else if digits[0] != '0' && r.IntN(2) == 0 {
		exponent += len(digits)
		digits = "0." + digits
	}
	if exponent == 0 && r.IntN(2) == 0 {
		return sign + strings.Replace(digits, "00.", "0.", 1)
	}
	if whole, rest, _ := strings.Cut(digits, "."); len(whole) > 1 && whole[0] == '0' {
		digits = strings.TrimRight("0."+rest, ".") // only zero has leading zeros
	}
	return sign + digits + fmt.Sprintf([]string{"e%d", "E%+d", "e%+04d"}[r.IntN(3)], exponent)
}

func TestCanonicalOfRandomValues(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	forms := map[string]string{} // by an independent normal form
	for range 5000 {
		v := randomTree(r, 3)
		one, other := v.write(r), v.write(r)
		form := canonical(t, one)
		if again := canonical(t, other); form != again {
			t.Fatalf("one value has two forms\n%s\n%q\n%s\n%q", one, form, other, again)
		}
		normal := normalForm(t, one)
		if before, ok := forms[normal]; ok && before != form {
			t.Fatalf("%s: form %q, before %q", normal, form, before)
		}
		forms[normal] = form
	}
	values := map[string]string{}
	for normal, form := range forms {
		if other, ok := values[form]; ok {
			t.Fatalf("%s and %s share the form %q", normal, other, form)
		}
		values[form] = normal
	}
	if len(values) < 2000 {
		t.Errorf("only %d different values", len(values))
	}
}

// normalForm is what encoding/json and math/big make of a text, independently of the scanner.
func normalForm(t testing.TB, text string) string {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	var rewrite func(v any) any
	rewrite = func(v any) any {
		switch v := v.(type) {
		case json.Number:
			n, ok := new(big.Rat).SetString(string(v))
			if !ok {
				t.Fatalf("number %s", v)
			}
			return map[string]string{"number": n.RatString()}
		case []any:
			for i := range v {
				v[i] = rewrite(v[i])
			}
		case map[string]any:
			members := map[string]any{}
			for name, value := range v {
				members["member "+name] = rewrite(value)
			}
			return members
		}
		return v
	}
	normal, err := json.Marshal(rewrite(v)) // sorts members
	if err != nil {
		t.Fatal(err)
	}
	return string(normal)
}

// FuzzCanonical writes what the scanner read in encoding/json's way: the form must stay.
func FuzzCanonical(f *testing.F) {
	for _, class := range classes {
		f.Add(class[0], class[len(class)-1])
	}
	f.Fuzz(func(t *testing.T, one, other string) {
		var forms, normals []string
		for _, text := range []string{one, other} {
			var s jsonb.Scanner
			s.Reset([]byte(text))
			doc, raw, fault, err := s.Scan()
			if err != nil || fault != nil {
				return
			}
			form := doc.Root().AppendCanonical(nil)
			forms, normals = append(forms, string(form)), append(normals, normalForm(t, string(raw)))
			rewritten, err := json.Marshal(decoded(doc.Root()))
			if err != nil {
				t.Fatal(err)
			}
			s.Reset(rewritten)
			again, _, fault, err := s.Scan()
			if err != nil || fault != nil {
				t.Fatalf("%s: %v %v", rewritten, fault, err)
			}
			if got := again.Root().AppendCanonical(nil); !bytes.Equal(got, form) {
				t.Fatal(cmp.Diff(string(form), string(got)))
			}
		}
		if (forms[0] == forms[1]) != (normals[0] == normals[1]) {
			t.Fatalf("forms %q, values %s", forms, normals)
		}
	})
}
