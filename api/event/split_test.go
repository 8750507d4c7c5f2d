package event_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/event/jsonb"
)

// verdicts splits a body and tells of each event "bytes" or "bytes: code pointer".
func verdicts(body string, limit int) (got []string, array bool, err error) {
	var s event.Splitter
	array, err = s.Split([]byte(body), limit, func(raw []byte, doc *jsonb.Doc, refusal *event.Refusal) {
		verdict := string(raw)
		if len(verdict) > 30 {
			verdict = fmt.Sprintf("%d bytes", len(raw))
		}
		switch {
		case refusal != nil && doc == nil:
			verdict = strings.TrimSpace(fmt.Sprintf("%s: %s %s", verdict, refusal.Code, refusal.Pointer))
		case refusal != nil || doc == nil || !bytes.Equal(doc.Root().Raw(), raw):
			verdict += ": document and refusal contradict each other"
		}
		got = append(got, verdict)
	})
	return got, array, err
}

func TestSplit(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)
	for _, tt := range []struct {
		name, body string
		limit      int
		want       []string
		array      bool
	}{
		{"one object", ` {"a":1} `, 100, []string{`{"a":1}`}, false},
		{"one value that is no object", `"x"`, 100, []string{`"x"`}, false},
		{"one in an array", `[{"a":1}]`, 100, []string{`{"a":1}`}, true},
		{"several", " [ {\"a\":1} ,\n[2],\t3 ] \r\n", 100, []string{`{"a":1}`, `[2]`, `3`}, true},
		{"one fault", `{"a":"\u0000"}`, 100, []string{`{"a":"\u0000"}: json.nul /a`}, false},
		{
			"a fault spares its neighbours", `[{"a":1},{"a":["\ud800"]},{"a":1,"a":2},{"b":2}]`, 100,
			[]string{`{"a":1}`, `{"a":["\ud800"]}: json.surrogate /a/0`, `{"a":1,"a":2}: json.duplicate_key /a`, `{"b":2}`},
			true,
		},
		{
			"too large spares its neighbours", `[{"a":1},{"a":"0123456789"},{"b":2}]`, 10,
			[]string{`{"a":1}`, `{"a":"0123456789"}: event.too_large`, `{"b":2}`},
			true,
		},
		{"as large as allowed", `[{"a":1}]`, 7, []string{`{"a":1}`}, true},
		{"one byte more", `[ {"a":10} ]`, 7, []string{`{"a":10}: event.too_large`}, true},
		{
			"too deep spares its neighbours", `[1,` + deep + `,2]`, 1 << 20,
			[]string{`1`, `200000 bytes: json.depth ` + strings.Repeat("/0", jsonb.MaxDepth), `2`},
			true,
		},
		{
			"a large key spares its neighbours", `[1,{"` + strings.Repeat("k", 1000) + `":1},2]`, 1 << 20,
			[]string{`1`, `1006 bytes: json.keys`, `2`},
			true,
		},
		{"invalid UTF-8", "[\"\xff\",1]", 100, []string{"\"\xff\": json.utf8", "1"}, true},
		{"depth counts from the event", "[" + nested(jsonb.MaxDepth) + "]", 1000, []string{"128 bytes"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, array, err := verdicts(tt.body, tt.limit)
			if err != nil || array != tt.array {
				t.Errorf("array is %t, error %v; want %t", array, err, tt.array)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func nested(depth int) string {
	return strings.Repeat("[", depth) + strings.Repeat("]", depth)
}

func TestSplitErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, body string
		before     int // events yielded before the error
		offset     int // of the syntax error
		pointer    string
	}{
		{"byte order mark", "\uFEFF{}", 0, 0, ""},
		{"not JSON", "session_id=1", 0, 0, ""},
		{"cut in the event", `{"a":`, 0, 5, "/a"},
		{"cut in the array", `[{"a":1},`, 1, 9, "/1"},
		{"cut in the second event", `[{"a":1},{"a"`, 1, 13, "/1/a"},
		{"not closed", `[{"a":1}`, 1, 8, ""},
		{"comma at the end", `[1,2,]`, 2, 5, "/2"},
		{"comma at the beginning", `[,1]`, 0, 1, "/0"},
		{"no comma", "[1\n 2]", 1, 4, ""},
		{"other bracket", `[1}`, 1, 2, ""},
		{"text after an event", `{} {}`, 1, 3, ""},
		{"text after an array", `[1]]`, 1, 3, ""},
		{"two lines", "{}\n{}\n", 1, 3, ""},
		{"faults do not hide it", `["\u0000",{"a" 1}]`, 1, 15, "/1/a"},
		{"below members", `[1,[2],1,{"data":{"a":x}}]`, 3, 22, "/3/data/a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, _, err := verdicts(tt.body, 100)
			var syntax *jsonb.SyntaxError
			if !errors.As(err, &syntax) {
				t.Fatalf("error is %v after %q", err, got)
			}
			before := tt.body[:tt.offset]
			want := jsonb.SyntaxError{
				Offset: tt.offset, Line: 1 + strings.Count(before, "\n"), Column: tt.offset - strings.LastIndex(before, "\n"),
				Detail: syntax.Detail, Pointer: tt.pointer,
			}
			if *syntax != want || len(got) != tt.before {
				t.Errorf("error is %+v after %d events, want offset %d after %d", *syntax, len(got), tt.offset, tt.before)
			}
		})
	}
}

// TestSplitTellsPlaces counts from the body's beginning, unless the body is not what its sender wrote.
func TestSplitTellsPlaces(t *testing.T) {
	t.Parallel()
	body := "[{\"é\":1},\n {\"a\":\"\\u0000\"}, {\"é\":1,\"é\":2},\n3, \"0123456789012345\"]"
	places := []string{"", " at line 2, column 8", " at line 2, column 25", "", ""}
	for _, rewritten := range []bool{false, true} {
		s, n := event.Splitter{Rewritten: rewritten}, 0
		_, err := s.Split([]byte(body), 17, func(_ []byte, _ *jsonb.Doc, refusal *event.Refusal) {
			want := places[n]
			if refusal != nil && (strings.HasSuffix(refusal.Detail, want) == rewritten && want != "" || strings.Contains(refusal.Detail, "column") != (want != "" && !rewritten)) {
				t.Errorf("event %d, rewritten %t: %q, want %q", n, rewritten, refusal.Detail, want)
			}
			if faulty := n == 1 || n == 2 || n == 4; faulty != (refusal != nil) {
				t.Errorf("event %d: %+v", n, refusal)
			}
			n++
		})
		if err != nil || n != len(places) {
			t.Errorf("%d events: %v", n, err)
		}
	}
}

func TestSplitNothing(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", " \n\t\r", "[]", " [ \n ] "} {
		if got, _, err := verdicts(body, 100); !errors.Is(err, event.ErrNoEvents) || len(got) > 0 {
			t.Errorf("%q: error is %v after %d events", body, err, len(got))
		}
	}
	if _, _, err := verdicts("[]x", 100); err == nil {
		t.Error("text after an empty array is taken")
	}
}

func TestSplitTooMany(t *testing.T) {
	t.Parallel()
	many := func(n int) string { return "[" + strings.TrimSuffix(strings.Repeat("1,", n), ",") + "]" }
	if got, _, err := verdicts(many(event.MaxEvents), 100); err != nil || len(got) != event.MaxEvents {
		t.Errorf("%d events: error %v after %d", event.MaxEvents, err, len(got))
	}
	if _, _, err := verdicts(many(event.MaxEvents+1), 100); !errors.Is(err, event.ErrTooManyEvents) {
		t.Errorf("%d events: error %v", event.MaxEvents+1, err)
	}
}

func TestSplitterIsReusable(t *testing.T) {
	t.Parallel()
	var s event.Splitter
	var got []string
	for _, body := range []string{`[{"a":1,"b":[2]},{"a":"\u0000"}]`, `{"c":`, `[`, "", `{"c":{"d":4}}`} {
		_, _ = s.Split([]byte(body), 100, func(raw []byte, _ *jsonb.Doc, refusal *event.Refusal) {
			got = append(got, fmt.Sprintf("%s %t", raw, refusal == nil))
		})
	}
	want := []string{`{"a":1,"b":[2]} true`, `{"a":"\u0000"} false`, `{"c":{"d":4}} true`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// FuzzSplit holds a split against encoding/json: what is accepted is JSON, the events are its elements, and every
// event that decodes keeps what encoding/json sees in it.
func FuzzSplit(f *testing.F) {
	for _, body := range []string{
		"", "[]", "{}", "[1,2]", `[{"a":1},{"a":"\u0000"}]`, `{"a":`, "[1,]", "\uFEFF{}", `{} {}`, whole, `[` + whole + `,{"name":1}]`,
		`{"session_id":"s","category":"c","name":"n","nAme":"x","data":{"a":[1.0e2]}}`,
		`{"session_id":"\u0073","category":"c","name":"n","timestamp":"2021-01-01 00:00:00"}`,
	} {
		f.Add([]byte(body), uint16(200))
	}
	f.Fuzz(func(t *testing.T, body []byte, limit uint16) {
		var s event.Splitter
		var raws []json.RawMessage
		array, err := s.Split(body, int(limit), func(raw []byte, doc *jsonb.Doc, refusal *event.Refusal) {
			raws = append(raws, raw)
			if (doc == nil) == (refusal == nil) {
				t.Fatalf("%q: document %v, refusal %v", raw, doc, refusal)
			}
			if refusal == nil {
				checkDecoded(t, raw, doc)
			} else if refusal.Code == "" || refusal.Detail == "" {
				t.Fatalf("%q: refusal %+v", raw, refusal)
			}
		})
		if err != nil {
			return
		}
		if len(raws) == 0 || !array && len(raws) != 1 {
			t.Fatalf("%d events, array %t", len(raws), array)
		}
		var want []json.RawMessage
		if !array {
			want = []json.RawMessage{bytes.Trim(body, " \t\r\n")}
		} else if err := json.Unmarshal(body, &want); err != nil {
			if bytes.Count(body, []byte("[")) < 1000 { // encoding/json has a limit of depth
				t.Fatalf("%q is no JSON: %v", body, err)
			}
			return
		}
		for i := range want {
			if !bytes.Equal(want[i], raws[i]) || len(want) != len(raws) {
				t.Fatalf("event %d of %d is %q, want %q of %d", i, len(raws), raws[i], want[i], len(want))
			}
		}
	})
}

// checkDecoded holds Decode against encoding/json.
func checkDecoded(t *testing.T, raw []byte, doc *jsonb.Doc) {
	t.Helper()
	e, refusal := event.Decode(doc, true)
	lenient, lenientRefusal := event.Decode(doc, false)
	if refusal != nil {
		if refusal.Code == "" || refusal.Detail == "" || !validPointer(refusal.Pointer) {
			t.Fatalf("%q: refusal %+v", raw, refusal)
		}
		if lenientRefusal == nil && refusal.Code != event.CodeUnknown {
			t.Fatalf("%q: only strict refuses: %+v", raw, refusal)
		}
		return
	}
	if lenientRefusal != nil || lenient.SessionID != e.SessionID || !bytes.Equal(lenient.Data, e.Data) {
		t.Fatalf("%q: lenient is %+v, %+v", raw, lenient, lenientRefusal)
	}
	var want map[string]json.RawMessage
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatalf("%q decodes: %v", raw, err)
	}
	for name, got := range map[string]string{"session_id": e.SessionID, "category": e.Category, "name": e.Name, "id": e.ID} {
		var text string
		if value, ok := want[name]; ok {
			if err := json.Unmarshal(value, &text); err != nil {
				t.Fatal(err)
			}
		}
		if got != text || name != "id" && text == "" {
			t.Fatalf("%q: %s is %q, want %q", raw, name, got, text)
		}
	}
	if !bytes.Equal(e.Data, want["data"]) {
		t.Fatalf("%q: data is %q, want %q", raw, e.Data, want["data"])
	}
	if _, sent := want["timestamp"]; sent == e.Timestamp.IsZero() {
		t.Fatalf("%q: timestamp is %v", raw, e.Timestamp)
	}
}

func validPointer(p string) bool {
	return p == "" || strings.HasPrefix(p, "/") && !strings.Contains(strings.NewReplacer("~0", "", "~1", "").Replace(p), "~")
}

// TestLargeBodiesRest: while a large body is read others have the processor, also when it is many small texts.
func TestLargeBodiesRest(t *testing.T) {
	t.Parallel()
	const pause = time.Millisecond
	bodies := map[string]string{
		"array": "[" + strings.Repeat(`{"a":[1,2,3,4,5,6,7]},`, 1000) + "1]",
		"one":   `{"a":[` + strings.Repeat(`1,2,3,4,5,6,7,8,9,10,`, 1000) + `1]}`,
		"lines": strings.Repeat(`{"a":[1,2,3,4,5,6,7]}`+"\n", 1000),
	}
	for name, body := range bodies {
		synctest.Test(t, func(t *testing.T) {
			s, began := event.Splitter{Rest: pause}, time.Now()
			read := s.Split
			if name == "lines" {
				read = func(body []byte, most int, yield func([]byte, *jsonb.Doc, *event.Refusal)) (bool, error) {
					return false, s.Lines(body, most, func(_ int, raw []byte, doc *jsonb.Doc, refusal *event.Refusal) { yield(raw, doc, refusal) })
				}
			}
			for range 10 { // some 210 KB
				if _, err := read([]byte(body), 1<<20, func([]byte, *jsonb.Doc, *event.Refusal) {}); err != nil {
					t.Fatal(err)
				}
			}
			if took := time.Since(began); took != 6*pause {
				t.Errorf("%s: rested for %s in %d bytes", name, took, 10*len(body))
			}
		})
	}
}
