package persistence

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/api/event/jsonb"
)

// TestStreamFiltersDataAsReadsDo holds what is asked of data in memory against what PostgreSQL says of the same.
func TestStreamFiltersDataAsReadsDo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := rand.New(rand.NewPCG(1, 2))
	var documents []string
	for range 400 {
		documents = append(documents, randomObject(r, 3))
	}
	documents = append(documents, `{}`, `{"a":[]}`, `{"a":[[]]}`, `{"a":[[[1]]]}`, `{"a":"\u0061"}`, `{"\u0061":1}`, `{"a":-0}`, `{"a":{"timestamp":1,"data":{"a":1}}}`,
		`{"a":1e308}`, `{"a":0.1e-300}`, `{"a":"😀"}`, `{"a":"\ud83d\ude00"}`, `{"a":"～"}`)
	found := 0
	for range 2000 {
		name, value := randomProperty(r)
		p, err := parseProperty(name, value)
		if err != nil {
			continue // what has no order
		}
		for n, inSQL := range f.ask(&p, documents) {
			if inMemory := lookedAt(t, &p, documents[n]); inMemory != inSQL {
				t.Fatalf("%s=%s of %s: PostgreSQL says %t, and memory %t", name, value, documents[n], inSQL, inMemory)
			}
			if inSQL {
				found++
			}
		}
	}
	t.Logf("%d were found", found)
	if found < 10_000 {
		t.Errorf("only %d were found: the test tests little", found)
	}
}

// ask tells which documents PostgreSQL finds.
func (f *fixture) ask(p *Property, documents []string) []bool {
	f.Helper()
	var c conditions
	p.condition(&c)
	rows, err := f.pool.Query(f.Context(), fmt.Sprintf("SELECT %s FROM unnest($%d::text[]) WITH ORDINALITY AS d (text, n), LATERAL (SELECT text::jsonb AS data) j ORDER BY n",
		c.String(), len(c.args)+1), append(c.args, documents)...)
	f.must(err)
	found, err := pgx.CollectRows(rows, pgx.RowTo[bool])
	f.must(err)
	return found
}

// lookedAt tells whether a listener is told of an event with such data.
func lookedAt(t *testing.T, p *Property, data string) bool {
	t.Helper()
	text, err := marshal(Told{Outcome: Stored, Event: &Event{
		ID: `,"data":`, SessionID: `"data":{"a":1},"timestamp":`, Category: "c", Name: "n", Data: json.RawMessage(data), Timestamp: "2026-01-01T00:00:00Z",
		Attributes: json.RawMessage(`{"a":1,"data":{"a":1},"timestamp":"x"}`),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return new(looker).wants([]Property{*p}, &message{traits: traits{Outcome: Stored}, told: text})
}

func randomObject(r *rand.Rand, depth int) string {
	var members []string
	for _, name := range []string{"a", "b", "timestamp"} {
		if r.IntN(3) > 0 {
			members = append(members, fmt.Sprintf("%q:%s", name, randomValue(r, depth)))
		}
	}
	return "{" + strings.Join(members, ",") + "}"
}

func randomValue(r *rand.Rand, depth int) string {
	switch n := r.IntN(10); {
	case depth > 0 && n < 3:
		return randomObject(r, depth-1)
	case depth > 0 && n < 6:
		var elements []string
		for range r.IntN(4) {
			elements = append(elements, randomValue(r, depth-1))
		}
		return "[" + strings.Join(elements, ",") + "]"
	}
	return randomScalar(r)
}

func randomScalar(r *rand.Rand) string {
	scalars := []string{
		"0", "-0", "0.0", "1", "1.0", "10e-1", "-1", "-1.5", "9", "10", "1e2", "100", "100.00000000000000000001", "1e-300", "12345678901234567890123",
		`""`, `"1"`, `"a"`, `"b"`, `"ab"`, `"é"`, `"\u00e9"`, `"Z"`, `"～"`, `"😀"`, "true", "false", "null",
	}
	return scalars[r.IntN(len(scalars))]
}

func randomProperty(r *rand.Rand) (name, value string) {
	name = "data." + []string{"a", "b", `"a"`, "timestamp"}[r.IntN(4)]
	for range r.IntN(3) {
		name += []string{".a", ".b", "[0]", "[1]", "[2]", "[00]"}[r.IntN(6)]
	}
	operator := []string{"", "[eq]", "[ne]", "[gt]", "[gte]", "[lt]", "[lte]", "[exists]"}[r.IntN(8)]
	if operator == "[exists]" {
		return name + operator, []string{"true", "false"}[r.IntN(2)]
	}
	return name + operator, randomScalar(r)
}

// TestStreamFiltersDataOfAbsentAndLarge: of no data only what is asked to be so is; of data that the tail has not nobody can
// say, and of a refused event there is none.
func TestStreamFiltersDataOfAbsentAndLarge(t *testing.T) {
	t.Parallel()
	property := func(name, value string) []Property {
		p, err := parseProperty(name, value)
		if err != nil {
			t.Fatal(err)
		}
		return []Property{p}
	}
	bare := &Event{ID: "a", Timestamp: "2026-01-01T00:00:00Z", Attributes: json.RawMessage(`{"x":{"data":{"a":1}},"data":{"a":1}}`)}
	for name, c := range map[string]struct {
		told             Told
		eq, ne, not, has bool
	}{
		"no data":     {Told{Outcome: Stored, Event: bare}, false, true, true, false},
		"a duplicate": {Told{Outcome: Duplicate, Event: bare}, false, true, true, false},
		"too large":   {Told{Outcome: Stored, Event: bare, Omitted: true}, true, true, true, true},
		"refused":     {Told{Outcome: Refused, Failure: &Failure{}}, false, false, false, false},
		"too deep":    {Told{Outcome: Stored, Event: &Event{ID: "a", Timestamp: "x", Data: json.RawMessage(strings.Repeat(`{"a":`, 70) + "1" + strings.Repeat("}", 70))}}, true, true, true, true},
	} {
		text, err := marshal(c.told)
		if err != nil {
			t.Fatal(err)
		}
		m := &message{traits: traits{Outcome: c.told.Outcome}, told: text}
		var l looker
		got := []bool{l.wants(property("data.a", "1"), m), l.wants(property("data.a[ne]", "1"), m), l.wants(property("data.a[exists]", "false"), m), l.wants(property("data.a[exists]", "true"), m)}
		if fmt.Sprint(got) != fmt.Sprint([]bool{c.eq, c.ne, c.not, c.has}) {
			t.Errorf("%s: %v", name, got)
		}
	}
	if !new(looker).wants(property("data.a", "1"), &message{lost: 1}) {
		t.Error("what was lost is not told to who asks for data")
	}
}

// BenchmarkLook is what one listener with a condition on data costs for each message that its other filters let pass.
func BenchmarkLook(b *testing.B) {
	for _, asked := range []string{"data.cart.total[gte]", "data.coupon.worth[gte]"} { // one that the data has, and one that it has not
		p, err := parseProperty(asked, "100")
		if err != nil {
			b.Fatal(err)
		}
		for name, filler := range map[string]int{"typical": 100, "16KiB": tailText - 200} {
			m, l := announced(b, filler), looker{scanner: jsonb.Scanner{}}
			b.Run(asked+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					l.wants([]Property{p}, m)
				}
			})
		}
	}
}

// announced is an event with some text in its data.
func announced(b *testing.B, filler int) *message {
	b.Helper()
	text, err := marshal(Told{Outcome: Stored, Event: &Event{
		ID: "0198c5a0-0000-7000-8000-000000000000", SessionID: "session", Category: "page", Name: "view", Timestamp: "2026-01-01T00:00:00Z",
		Data: json.RawMessage(`{"host":"shop.example.com","path":"/a/b","text":"` + strings.Repeat("x", filler) + `","cart":{"items":[1,2,3],"total":19.99}}`),
	}})
	if err != nil {
		b.Fatal(err)
	}
	return &message{traits: traits{Outcome: Stored}, told: text}
}
