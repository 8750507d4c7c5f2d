package event_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/event/jsonb"
)

// whole is an event with every field.
const whole = `{"id":"e1","session_id":"s1","category":"page interaction","name":"pageview","data":{"host":"h","path":"/"},` +
	`"timestamp":"2021-01-01T09:15:27.243860Z","sent_at":"2021-01-01T09:15:28Z"}`

func decode(t testing.TB, text string, strict bool) (event.Event, *event.Refusal) {
	t.Helper()
	var s jsonb.Scanner
	s.Reset([]byte(text))
	doc, _, fault, err := s.Scan()
	if err != nil || fault != nil {
		t.Fatalf("scan %s: %v %v", text, fault, err)
	}
	return event.Decode(doc, strict)
}

func mustDecode(t testing.TB, text string) event.Event {
	t.Helper()
	e, refusal := decode(t, text, true)
	if refusal != nil {
		t.Fatalf("%s: %+v", text, refusal)
	}
	return e
}

func TestDecode(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", event.MaxNameChars)
	for _, tt := range []struct {
		name, text string
		want       event.Event
	}{
		{"whole", whole, event.Event{
			ID: "e1", SessionID: "s1", Category: "page interaction", Name: "pageview", Data: []byte(`{"host":"h","path":"/"}`),
			Timestamp: time.Date(2021, 1, 1, 9, 15, 27, 243_860_000, time.UTC), SentAt: time.Date(2021, 1, 1, 9, 15, 28, 0, time.UTC),
		}},
		{"least", `{"session_id":"s","category":"c","name":"n"}`, event.Event{SessionID: "s", Category: "c", Name: "n"}},
		{
			"escaped names and values", `{"session\u005fid":"\u0073","\u0063ategory":"\ud83d\ude00","name":"\n","d\u0061ta":{"\u0061":"\u0062"}}`,
			event.Event{SessionID: "s", Category: "😀", Name: "\n", Data: []byte(`{"\u0061":"\u0062"}`)},
		},
		{
			"as long as allowed", `{"session_id":"` + long + `","category":"` + long + `","name":"` + long + `","id":"` + long + `"}`,
			event.Event{SessionID: long, Category: long, Name: long, ID: long},
		},
		{"empty data", `{"session_id":"s","category":"c","name":"n","data":{}}`, event.Event{SessionID: "s", Category: "c", Name: "n", Data: []byte(`{}`)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, strict := range []bool{true, false} {
				got, refusal := decode(t, tt.text, strict)
				if refusal != nil {
					t.Fatalf("strict %t: %+v", strict, refusal)
				}
				if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreUnexported(event.Event{})); diff != "" {
					t.Errorf("strict %t: %s", strict, diff)
				}
			}
		})
	}
}

func TestDecodeRefusals(t *testing.T) {
	t.Parallel()
	const rest = `"session_id":"s","category":"c","name":"n"`
	long := strings.Repeat("x", event.MaxNameChars+1)
	for _, tt := range []struct {
		text string
		want event.Refusal
	}{
		{`[]`, event.Refusal{Code: event.CodeNotObject, Detail: "an event is a JSON object, not a JSON array"}},
		{`"x"`, event.Refusal{Code: event.CodeNotObject, Detail: "an event is a JSON object, not a JSON string"}},
		{`null`, event.Refusal{Code: event.CodeNotObject, Detail: "an event is a JSON object, not a JSON null"}},
		{`{}`, event.Refusal{Code: event.CodeMissing, Detail: "session_id is required", Pointer: "/session_id"}},
		{`{"session_id":"s","name":"n"}`, event.Refusal{Code: event.CodeMissing, Detail: "category is required", Pointer: "/category"}},
		{`{"session_id":"s","category":"c"}`, event.Refusal{Code: event.CodeMissing, Detail: "name is required", Pointer: "/name"}},
		{`{"session_id":1,"category":"c","name":"n"}`, event.Refusal{Code: event.CodeType, Detail: "session_id must be a JSON string, not number", Pointer: "/session_id"}},
		{`{"session_id":"s","category":null,"name":"n"}`, event.Refusal{Code: event.CodeType, Detail: "category must be a JSON string, not null", Pointer: "/category"}},
		{`{"session_id":"s","category":"c","name":["n"]}`, event.Refusal{Code: event.CodeType, Detail: "name must be a JSON string, not array", Pointer: "/name"}},
		{`{"id":true,` + rest + `}`, event.Refusal{Code: event.CodeType, Detail: "id must be a JSON string, not boolean", Pointer: "/id"}},
		{`{"data":null,` + rest + `}`, event.Refusal{Code: event.CodeType, Detail: "data must be a JSON object, not null", Pointer: "/data"}},
		{`{"data":[{}],` + rest + `}`, event.Refusal{Code: event.CodeType, Detail: "data must be a JSON object, not array", Pointer: "/data"}},
		{`{"data":"{}",` + rest + `}`, event.Refusal{Code: event.CodeType, Detail: "data must be a JSON object, not string", Pointer: "/data"}},
		{`{"timestamp":1609492527,` + rest + `}`, event.Refusal{Code: event.CodeType, Detail: "timestamp must be a JSON string, not number", Pointer: "/timestamp"}},
		{`{"sent_at":{},` + rest + `}`, event.Refusal{Code: event.CodeType, Detail: "sent_at must be a JSON string, not object", Pointer: "/sent_at"}},
		{`{"session_id":"","category":"c","name":"n"}`, event.Refusal{Code: event.CodeLength, Detail: "session_id has 0 characters; 1 to 128 are allowed", Pointer: "/session_id"}},
		{`{"session_id":"s","category":"` + long + `","name":"n"}`, event.Refusal{Code: event.CodeLength, Detail: "category has 129 characters; 1 to 128 are allowed", Pointer: "/category"}},
		{`{"id":"` + strings.Repeat(`\u00e9`, 129) + `",` + rest + `}`, event.Refusal{Code: event.CodeLength, Detail: "id has 129 characters; 1 to 128 are allowed", Pointer: "/id"}},
		{`{"timestamp":"yesterday",` + rest + `}`, event.Refusal{
			Code: event.CodeTimestamp, Pointer: "/timestamp",
			Detail: "timestamp: neither RFC 3339 (2006-01-02T15:04:05.999999Z) nor YYYY-MM-DD HH:MM:SS[.ffffff]",
		}},
		{`{"timestamp":"0001-01-01T00:00:00Z",` + rest + `}`, event.Refusal{ // the zero time would read as absent
			Code: event.CodeTimestamp, Pointer: "/timestamp",
			Detail: "timestamp: there is no such day or time after 0001-01-01T00:00:00Z and before the year 10000",
		}},
		{`{"sent_at":"",` + rest + `}`, event.Refusal{
			Code: event.CodeTimestamp, Pointer: "/sent_at",
			Detail: "sent_at: neither RFC 3339 (2006-01-02T15:04:05.999999Z) nor YYYY-MM-DD HH:MM:SS[.ffffff]",
		}},
	} {
		for _, strict := range []bool{true, false} {
			_, got := decode(t, tt.text, strict)
			if diff := cmp.Diff(&tt.want, got); diff != "" {
				t.Errorf("%.60s, strict %t: %s", tt.text, strict, diff)
			}
		}
	}
}

func TestDecodeUnknownFields(t *testing.T) {
	t.Parallel()
	const rest = `"session_id":"s","category":"c","name":"n"`
	for _, tt := range []struct{ text, pointer, named string }{
		{`{"userId":1,` + rest + `}`, "/userId", `"userId"`},
		{`{"Name":"x",` + rest + `}`, "/Name", `"Name"`}, // encoding/json would take it for name
		{`{"":1,` + rest + `}`, "/", `""`},
		{`{"a\/b~\u0063":1,` + rest + `}`, "/a~1b~0c", `"a/b~c"`},
		{`{"\n":1,` + rest + `}`, "/\n", `"\n"`},
	} {
		_, got := decode(t, tt.text, true)
		if got == nil || got.Code != event.CodeUnknown || got.Pointer != tt.pointer || !strings.Contains(got.Detail, tt.named) {
			t.Errorf("%s: strict says %+v", tt.text, got)
		}
		if e, got := decode(t, tt.text, false); got != nil || e.Name != "n" {
			t.Errorf("%s: lenient says %+v of %+v", tt.text, got, e)
		}
	}
}

// A refused event still tells its id, wherever the fault is, so that a Failure can be found by it.
func TestDecodeRefusedKeepsID(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{"name":1,"id":"e1"}`, `{"id":"e1"}`, `{"what":1,"id":"e1","data":[]}`,
	} {
		if e, refusal := decode(t, text, true); refusal == nil || e.ID != "e1" {
			t.Errorf("%s: id %q, refusal %+v", text, e.ID, refusal)
		}
	}
	_, refusal := decode(t, `{"what":1,"id":2}`, true)
	if refusal == nil || refusal.Pointer != "/what" {
		t.Errorf("the first fault is at %+v", refusal)
	}
}

func TestType(t *testing.T) {
	t.Parallel()
	e := mustDecode(t, whole)
	if got, want := e.Type(), "page interaction pageview"; got != want || event.Type(e.Category, e.Name) != want {
		t.Errorf("type is %q, want %q", got, want)
	}
}

func fingerprint(t testing.TB, text string) event.Fingerprint {
	t.Helper()
	e := mustDecode(t, text)
	sum, _ := e.Fingerprint(nil)
	return sum
}

// What is content and what is not: design 4.
func TestFingerprint(t *testing.T) {
	t.Parallel()
	const base = `{"session_id":"s","category":"c","name":"n","timestamp":"2021-01-01T00:00:00Z","data":{"a":1,"b":[2,"x"]}}`
	want := fingerprint(t, base)
	for _, same := range []string{
		` { "data" : {"b":[2.0,"\u0078"],"a":10e-1} , "timestamp":"2021-01-01T00:00:00\u005a","name":"\u006e","session_id":"s","category":"c"}`,
		`{"id":"x","sent_at":"2021-01-01T00:00:01Z","session_id":"s","category":"c","name":"n","timestamp":"2021-01-01T00:00:00Z","data":{"a":1,"b":[2,"x"]}}`,
	} {
		if got := fingerprint(t, same); got != want {
			t.Errorf("%s has another fingerprint", same)
		}
	}
	seen := map[event.Fingerprint]string{want: base}
	for _, other := range []string{
		`{"session_id":"s2","category":"c","name":"n","timestamp":"2021-01-01T00:00:00Z","data":{"a":1,"b":[2,"x"]}}`,
		`{"session_id":"s","category":"c2","name":"n","timestamp":"2021-01-01T00:00:00Z","data":{"a":1,"b":[2,"x"]}}`,
		`{"session_id":"s","category":"c","name":"n2","timestamp":"2021-01-01T00:00:00Z","data":{"a":1,"b":[2,"x"]}}`,
		`{"session_id":"s","category":"c","name":"n","timestamp":"2021-01-01T00:00:00.0Z","data":{"a":1,"b":[2,"x"]}}`, // the text counts
		`{"session_id":"s","category":"c","name":"n","timestamp":"2021-01-01 00:00:00","data":{"a":1,"b":[2,"x"]}}`,
		`{"session_id":"s","category":"c","name":"n","data":{"a":1,"b":[2,"x"]}}`,
		`{"session_id":"s","category":"c","name":"n","timestamp":"2021-01-01T00:00:00Z","data":{"a":1,"b":["x",2]}}`,
		`{"session_id":"s","category":"c","name":"n","timestamp":"2021-01-01T00:00:00Z","data":{"a":"1","b":[2,"x"]}}`,
		`{"session_id":"s","category":"c","name":"n","timestamp":"2021-01-01T00:00:00Z","data":{}}`,
		`{"session_id":"s","category":"c","name":"n","timestamp":"2021-01-01T00:00:00Z"}`,
		`{"session_id":"sc","category":"c","name":"n"}`, // no field runs into the next
		`{"session_id":"s","category":"cc","name":"n"}`,
		`{"session_id":"s","category":"c","name":"cn"}`,
	} {
		got := fingerprint(t, other)
		if twin, ok := seen[got]; ok {
			t.Errorf("one fingerprint:\n%s\n%s", twin, other)
		}
		seen[got] = other
	}
}

// The ledger keeps fingerprints for as long as events: a change of the definition must not pass unseen.
func TestFingerprintIsStable(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		whole: "whole",
		`{"session_id":"s","category":"c","name":"n"}`: "least",
	} {
		golden(t, "fingerprint_"+want+".golden", fingerprint(t, text).String()+"\n")
	}
}

func TestFingerprintReusesScratch(t *testing.T) {
	e, same := mustDecode(t, whole), fingerprint(t, whole)
	_, scratch := e.Fingerprint(nil)
	if allocated := testing.AllocsPerRun(100, func() {
		var got event.Fingerprint
		if got, scratch = e.Fingerprint(scratch); got != same {
			t.Fatal("another fingerprint")
		}
	}); allocated != 0 {
		t.Errorf("%v allocations", allocated)
	}
}
