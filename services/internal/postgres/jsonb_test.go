package postgres_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/theeye-dev/theeye/api/event/jsonb"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// These tests hold package jsonb against what it speaks for: what the scanner accepts, PostgreSQL stores and gives
// back as the same value; what it calls a fault, PostgreSQL refuses or changes, or it is a bound of ours.

func connect(t testing.TB) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), testenv.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// form returns the canonical form of a text and whether the scanner accepts it.
func form(text string) (string, *jsonb.Fault, bool) {
	var s jsonb.Scanner
	s.Reset([]byte(text))
	doc, _, fault, err := s.Scan()
	if err != nil || s.More() {
		return "", nil, false
	}
	if fault != nil {
		return "", fault, false
	}
	return string(doc.Root().AppendCanonical(nil)), nil, true
}

// checkStored holds what PostgreSQL gave back against what it was given.
func checkStored(t testing.TB, sent, stored string) {
	t.Helper()
	if got, want := value(t, stored), value(t, sent); got != want {
		t.Errorf("%.200q was stored as %.200q: value %.200s, want %.200s", sent, stored, got, want)
	}
	want, _, _ := form(sent)
	got, fault, ok := form(stored)
	if !ok && fault != nil && fault.Code == jsonb.FaultNumber {
		return // PostgreSQL writes 1e308 with all its zeros: beyond MaxDigits, and compared above
	}
	if got != want {
		t.Errorf("%.200q was stored as %.200q: form %.200q, want %.200q (%+v)", sent, stored, got, want, fault)
	}
}

// value is what encoding/json and math/big make of a text, independently of the scanner.
func value(t testing.TB, text string) string {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		t.Fatalf("%.200q: %v", text, err)
	}
	normal, err := json.Marshal(exact(v))
	if err != nil {
		t.Fatal(err)
	}
	return string(normal)
}

func exact(v any) any {
	switch v := v.(type) {
	case json.Number:
		n, _ := new(big.Rat).SetString(string(v))
		return map[string]string{"number": n.RatString()}
	case []any:
		for i := range v {
			v[i] = exact(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = exact(v[name])
		}
	}
	return v
}

const roundTrip = "SELECT $1::text::jsonb::text"

// nasty is what is near a border and accepted.
var nasty = []string{
	`null`, `true`, `0`, `-0`, `-0.0`, `0e0`, `0e308`, `0E-308`, `1.10`, `1e308`, `-1e308`, `1e-308`, `9.99e307`,
	`1.000000000000000005`, `12345678901234567890123`, `9007199254740993`, `0.1`, `1E+2`, `1e0000000000000000000308`,
	strings.Repeat("9", jsonb.MaxDigits), strings.Repeat("9", jsonb.MaxDigits) + "e308", "-0." + strings.Repeat("7", jsonb.MaxDigits-1) + "e-308",
	`""`, `"\u0001\u001f\u007f"`, "\"\x7f\"", `"\"\\\/\b\f\n\r\t"`, `"\\u0000"`, `"\\\\u0000\\"`, `"\u005cu0000"`, `"\ud83d\ude00"`, `"\uDBFF\uDFFF"`,
	"\"\U0010FFFF\uFFFF\uFFFE\uFDD0\uFEFF\uE000\u2028\u200f\"", `"\uffff\ufffe\ufdd0\ufffd"`, "\"\uFFFD\"", `"\u0080\u07ff\u0800\ud7ff\ue000"`,
	`[]`, `{}`, `[[]]`, `{"":""}`, `{"":{"":{"":null}}}`, `{"a":1,"A":2,"\u0061b":3}`, "{\"e\u0301\":1,\"\u00e9\":2}", `{"__proto__":[]}`,
	" \t\r\n[ 1 ,\n 2 ]\n", `{"b":1,"a":2,"aa":3,"c":[{"z":1,"y":2}]}`,
	strings.Repeat("[", jsonb.MaxDepth) + strings.Repeat("]", jsonb.MaxDepth),
	strings.Repeat(`{"a":`, jsonb.MaxDepth) + "1" + strings.Repeat("}", jsonb.MaxDepth),
	members(jsonb.MaxKeys), `{"` + strings.Repeat("k", jsonb.MaxKeyBytes) + `":1}`, `{"` + strings.Repeat(`\u0041`, jsonb.MaxKeyBytes) + `":1}`,
	`"` + strings.Repeat("x", 1<<20) + `"`, "[" + strings.Repeat("0,", 100_000) + "0]",
}

func members(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"k%d":%d`, i, i)
	}
	return "{" + b.String()[1:] + "}"
}

func TestAcceptedIsStored(t *testing.T) {
	t.Parallel()
	conn := connect(t)
	for _, text := range nasty {
		if _, fault, ok := form(text); !ok {
			t.Errorf("%.100q is not accepted: %+v", text, fault)
			continue
		}
		var stored string
		if err := conn.QueryRow(t.Context(), roundTrip, text).Scan(&stored); err != nil {
			t.Errorf("%.100q is accepted, PostgreSQL says: %v", text, err)
			continue
		}
		checkStored(t, text, stored)
	}
}

func TestRandomAcceptedIsStored(t *testing.T) {
	t.Parallel()
	const want = 3000
	r := rand.New(rand.NewPCG(5, 6))
	var texts []string
	faulty := 0
	for len(texts) < want {
		text := randomText(r, 4)
		if _, fault, ok := form(text); ok {
			texts = append(texts, text)
		} else if fault != nil {
			faulty++
		}
	}
	if faulty < want/50 || faulty > want {
		t.Errorf("%d faulty values beside %d accepted ones: the generator keeps to one side of the border", faulty, want)
	}
	var batch pgx.Batch
	for _, text := range texts {
		batch.Queue(roundTrip, text)
	}
	results := connect(t).SendBatch(t.Context(), &batch)
	defer results.Close() //nolint:errcheck // every result was read
	for _, text := range texts {
		var stored string
		if err := results.QueryRow().Scan(&stored); err != nil {
			t.Fatalf("%q is accepted, PostgreSQL says: %v", text, err)
		}
		checkStored(t, text, stored)
	}
}

// Two values have one canonical form exactly when jsonb holds them equal.
func TestCanonicalIsEquality(t *testing.T) {
	t.Parallel()
	groups := [][]string{
		{`0`, `-0`, `0.00`, `0e5`},
		{`1`, `1.0`, `10e-1`, `0.1e1`},
		{`-1`},
		{`"1"`},
		{`1e308`, `10e307`},
		{`1.000000000000000005`},
		{`1.000000000000000006`},
		{`9007199254740993`},
		{`9007199254740992`},
		{`"a"`, `"\u0061"`},
		{`"A"`},
		{"\"\u00e9\"", `"\u00E9"`},
		{"\"e\u0301\""},
		{`"😀"`, `"\ud83d\ude00"`},
		{`[]`},
		{`{}`},
		{`[[]]`},
		{`[1]`},
		{`[1,2]`, `[1.0,2e0]`},
		{`[2,1]`},
		{`[1,[2]]`},
		{`[[1],2]`},
		{`null`},
		{`[null]`},
		{`""`},
		{`[""]`},
		{`{"a":1,"b":2}`, `{"b":2.0,"\u0061":1}`},
		{`{"a":2,"b":1}`},
		{`{"a":{"b":1,"c":2}}`, `{"a":{"c":2,"b":1}}`},
		{`{"a":null}`},
		{`{"":1}`},
		{`{"aa":1,"b":2}`, `{"b":2,"aa":1}`},
	}
	var texts []string
	for _, group := range groups {
		texts = append(texts, group...)
	}
	r := rand.New(rand.NewPCG(7, 8))
	for len(texts) < 150 { // small values, of which many are equal
		if text := randomText(r, 1); len(text) < 12 {
			if _, _, ok := form(text); ok {
				texts = append(texts, text)
			}
		}
	}
	rows, err := connect(t).Query(t.Context(), `
		WITH v AS MATERIALIZED (SELECT n, text::jsonb AS value FROM unnest($1::text[]) WITH ORDINALITY AS u (text, n))
		SELECT a.n, b.n, a.value = b.value FROM v a, v b`, texts)
	if err != nil {
		t.Fatal(err)
	}
	equals := 0
	var i, j int
	var equal bool
	if _, err := pgx.ForEachRow(rows, []any{&i, &j, &equal}, func() error {
		one, _, _ := form(texts[i-1])
		other, _, _ := form(texts[j-1])
		if (one == other) != equal {
			t.Errorf("%s and %s: jsonb says equal %t, forms are %q and %q", texts[i-1], texts[j-1], equal, one, other)
		}
		if equal && i != j {
			equals++
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if equals < 100 {
		t.Errorf("only %d pairs are equal", equals)
	}
}

func TestFaultsAreReal(t *testing.T) {
	t.Parallel()
	conn := connect(t)
	const changed, bound = "changed", "bound of ours" // else a SQLSTATE
	for _, tt := range []struct {
		text string
		code jsonb.FaultCode
		want string
	}{
		{`"\u0000"`, jsonb.FaultNUL, "22P05"},
		{`{"a\u0000b":1}`, jsonb.FaultNUL, "22P05"},
		{"\"\xff\"", jsonb.FaultUTF8, "22021"},
		{"\"\xc0\xaf\"", jsonb.FaultUTF8, "22021"},
		{"\"\xed\xa0\x80\"", jsonb.FaultUTF8, "22021"},
		{"\"\xf4\x90\x80\x80\"", jsonb.FaultUTF8, "22021"},
		{"{\"\xe2\x82\":1}", jsonb.FaultUTF8, "22021"},
		{`"\ud800"`, jsonb.FaultSurrogate, "22P02"},
		{`"\udc00"`, jsonb.FaultSurrogate, "22P02"},
		{`"\udc00\ud800"`, jsonb.FaultSurrogate, "22P02"},
		{`"\ud800\ud800"`, jsonb.FaultSurrogate, "22P02"},
		{`"\ud800x"`, jsonb.FaultSurrogate, "22P02"},
		{`"\ud800\n"`, jsonb.FaultSurrogate, "22P02"},
		{`{"a":1,"a":2}`, jsonb.FaultDuplicateKey, changed},
		{`{"a":1,"\u0061":2}`, jsonb.FaultDuplicateKey, changed},
		{`[{"b":{"":1,"":1}}]`, jsonb.FaultDuplicateKey, changed},
		{members(100)[:len(members(100))-1] + `,"k7":1}`, jsonb.FaultDuplicateKey, changed},
		{`1e131072`, jsonb.FaultNumber, "22003"},
		{`1e-16384`, jsonb.FaultNumber, "22003"},
		{`1e99999999999999999999`, jsonb.FaultNumber, "22003"},
		{`1e309`, jsonb.FaultNumber, bound},
		{strings.Repeat("9", jsonb.MaxDigits+1), jsonb.FaultNumber, bound},
		{strings.Repeat("[", 50_000) + strings.Repeat("]", 50_000), jsonb.FaultDepth, "54001"},
		{strings.Repeat("[", jsonb.MaxDepth+1) + strings.Repeat("]", jsonb.MaxDepth+1), jsonb.FaultDepth, bound},
		{members(jsonb.MaxKeys + 1), jsonb.FaultKeys, bound},
		{`{"` + strings.Repeat("k", jsonb.MaxKeyBytes+1) + `":1}`, jsonb.FaultKeys, bound},
	} {
		if _, fault, _ := form(tt.text); fault == nil || fault.Code != tt.code {
			t.Errorf("%.60q: fault %+v, want %s", tt.text, fault, tt.code)
		}
		var stored string
		err := conn.QueryRow(t.Context(), roundTrip, tt.text).Scan(&stored)
		got := bound
		var refused *pgconn.PgError
		switch {
		case errors.As(err, &refused):
			got = refused.Code
		case err != nil:
			t.Fatal(err)
		case strings.Count(stored, ":") != strings.Count(tt.text, ":"):
			got = changed
		}
		if got != tt.want {
			t.Errorf("%.60q (%s): PostgreSQL says %s %v, want %s", tt.text, tt.code, got, err, tt.want)
		}
	}
}

// FuzzJSONB looks for a text that the scanner accepts and PostgreSQL does not give back as it was.
func FuzzJSONB(f *testing.F) {
	for _, text := range nasty {
		if len(text) < 1000 {
			f.Add(text)
		}
	}
	conn := connect(f)
	f.Fuzz(func(t *testing.T, text string) {
		if _, _, ok := form(text); !ok {
			return
		}
		var stored string
		if err := conn.QueryRow(t.Context(), roundTrip, text).Scan(&stored); err != nil {
			t.Fatalf("%q is accepted, PostgreSQL says: %v", text, err)
		}
		checkStored(t, text, stored)
	})
}

// pieces make up strings; some are faults.
var pieces = []string{
	"a", "A", "é", "e\u0301", "😀", "\u2028", "\uFFFF", "\U0010FFFF", "\x7f", "/", " ", "'", "$", "{", "]", ":", ",", "\u00a0",
	`\"`, `\\`, `\/`, `\b`, `\f`, `\n`, `\r`, `\t`, `\u0001`, `\u001F`, `\u0041`, `\u00e9`, `\uFFFF`, `\ud83d\ude00`, `\uDBFF\uDFFF`, `\\u0000`,
	"0", "1e5", "--", "%", "~", "null", "xyz",
}

var faultyPieces = []string{`\u0000`, `\ud800`, `\udfff`, "\xff", "\xc3", "\xed\xa0\x80"}

func randomString(r *rand.Rand) string {
	var b strings.Builder
	for range r.IntN(5) {
		if r.IntN(500) == 0 {
			b.WriteString(faultyPieces[r.IntN(len(faultyPieces))])
		}
		b.WriteString(pieces[r.IntN(len(pieces))])
	}
	return `"` + b.String() + `"`
}

func randomNumber(r *rand.Rand) string {
	digits := func(n int) string {
		var b strings.Builder
		for range n {
			b.WriteByte("0123456789009"[r.IntN(13)])
		}
		return b.String()
	}
	text := []string{"", "-"}[r.IntN(2)]
	if r.IntN(3) == 0 {
		text += "0"
	} else {
		text += fmt.Sprint(1+r.IntN(9)) + digits(r.IntN(1+r.IntN(40)))
	}
	if r.IntN(2) == 0 {
		text += "." + digits(1+r.IntN(1+r.IntN(30)))
	}
	if r.IntN(2) == 0 {
		text += []string{"e", "E", "e+", "E-", "e-"}[r.IntN(5)] + fmt.Sprint(r.IntN(1+r.IntN(320)))
	}
	return text
}

func randomText(r *rand.Rand, depth int) string {
	space := func() string { return []string{"", "", "", " ", "\n\t\r "}[r.IntN(5)] }
	kinds := 8
	if depth == 0 {
		kinds = 5
	}
	var parts []string
	switch r.IntN(kinds) {
	case 0:
		return []string{"null", "true", "false"}[r.IntN(3)]
	case 1, 2:
		return randomNumber(r)
	case 3, 4:
		return randomString(r)
	case 5:
		for range r.IntN(5) {
			parts = append(parts, space()+randomText(r, depth-1)+space())
		}
		return "[" + strings.Join(parts, ",") + "]"
	default:
		for range r.IntN(5) {
			parts = append(parts, space()+randomString(r)+space()+":"+space()+randomText(r, depth-1)+space())
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
}
