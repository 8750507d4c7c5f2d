package event_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/event/jsonb"
)

// lineVerdicts splits NDJSON and tells of each event "line bytes" or "line bytes: code pointer".
func lineVerdicts(body string, limit int) (got []string, err error) {
	var s event.Splitter
	err = s.Lines([]byte(body), limit, func(line int, raw []byte, doc *jsonb.Doc, refusal *event.Refusal) {
		verdict := fmt.Sprintf("%d %s", line, raw)
		switch {
		case refusal != nil && doc == nil:
			verdict += strings.TrimRight(fmt.Sprintf(": %s %s", refusal.Code, refusal.Pointer), " ")
		case refusal != nil || doc == nil || !bytes.Equal(doc.Root().Raw(), raw):
			verdict += ": document and refusal contradict each other"
		}
		got = append(got, verdict)
	})
	return got, err
}

func TestLines(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, body string
		want       []string
		err        error
	}{
		{"one", `{}`, []string{"1 {}"}, nil},
		{"ended", "{}\n", []string{"1 {}"}, nil},
		{"CRLF", "{}\r\n[1]\r\n", []string{"1 {}", "2 [1]"}, nil},
		{"blank lines", "\n \t\n{}\n\n\r\n7\n\n", []string{"3 {}", "6 7"}, nil},
		{"white space around", " {} \t\r\n\t1 ", []string{"1 {}", "2 1"}, nil},
		{"faulty among others", "{}\n{\"a\"\n}\n{}", []string{"1 {}", `2 {"a": json.syntax /a`, "3 }: json.syntax", "4 {}"}, nil},
		{"unfit among others", "{}\n{\"a\":1,\"a\":2}\n{}", []string{"1 {}", `2 {"a":1,"a":2}: json.duplicate_key /a`, "3 {}"}, nil},
		{"two values", "{} {}\n{}", []string{"1 {} {}: json.syntax", "2 {}"}, nil},
		{"carriage return inside", "{}\r{}\n{}", []string{"1 {}\r{}: json.syntax", "2 {}"}, nil},
		{"comma at the end", "{},\n{}", []string{"1 {},: json.syntax", "2 {}"}, nil},
		{"byte order mark", "\uFEFF{}\n{}", []string{"1 \uFEFF{}: json.syntax", "2 {}"}, nil},
		{"no JSON at all", "a\xffb", []string{"1 a\xffb: json.syntax"}, nil},
		{"as large as allowed", "[1,2,3,4]", []string{"1 [1,2,3,4]"}, nil},
		{"too large", "{}\n[1,2,3,4] \n[1,2,3,45]\n{}", []string{"1 {}", "2 [1,2,3,4]", "3 [1,2,3,45]: event.too_large", "4 {}"}, nil},
		{"too large and no JSON", "xxxxxxxxxx", []string{"1 xxxxxxxxxx: event.too_large"}, nil},
		{"nothing", "", nil, event.ErrNoEvents},
		{"only blank", "\n \r\n\t", nil, event.ErrNoEvents},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			limit := 0
			if strings.Contains(tt.name, "large") {
				limit = 9
			}
			got, err := lineVerdicts(tt.body, limit)
			if diff := cmp.Diff(tt.want, got); diff != "" || !errors.Is(err, tt.err) {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// TestLinesTellColumns counts them from where the line begins in the body.
func TestLinesTellColumns(t *testing.T) {
	t.Parallel()
	var got []string
	body := "{}\n\t {\"é\":\"\\u0000\"}\r\n  {\"é\":\"ü\" 1}\n {} {}\n{\"a\":[1,x]}"
	_ = new(event.Splitter).Lines([]byte(body), 0, func(line int, _ []byte, _ *jsonb.Doc, refusal *event.Refusal) {
		if refusal != nil {
			got = append(got, fmt.Sprintf("%d %q %s", line, refusal.Pointer, refusal.Detail))
		}
	})
	want := []string{
		`2 "/é" a string has U+0000, which cannot be stored at column 9`,
		`3 "" expected ',' or '}' after a member, found '1' at column 12`,
		`4 "" text after the end of the JSON value at column 5`,
		`5 "/a/1" expected a JSON value, found 'x' at column 9`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLinesCounts(t *testing.T) {
	t.Parallel()
	if got, err := lineVerdicts(strings.Repeat("1\n\n", event.MaxEvents), 0); err != nil || len(got) != event.MaxEvents {
		t.Errorf("as many as allowed: %d, %v", len(got), err)
	}
	if _, err := lineVerdicts(strings.Repeat("1\n", event.MaxEvents+1), 0); !errors.Is(err, event.ErrTooManyEvents) {
		t.Errorf("one more: %v", err)
	}
}

// FuzzLines: every line is judged as it would be alone in a request.
func FuzzLines(f *testing.F) {
	for _, seed := range []string{"{}\n[1]", "{\"a\":1,\"a\":2}\r\n \n{", "1 2\n\uFEFF3\n\"\\ud800\"", "{\"a\":1},0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		got := map[int]bool{}
		err := new(event.Splitter).Lines([]byte(body), 100, func(line int, _ []byte, _ *jsonb.Doc, refusal *event.Refusal) {
			got[line] = refusal == nil
		})
		if errors.Is(err, event.ErrTooManyEvents) {
			return
		}
		lines := strings.Split(body, "\n")
		for i, line := range lines {
			good, judged := got[i+1]
			if blank := strings.Trim(line, " \t\r") == ""; blank == judged {
				t.Fatalf("line %d %q: blank %t, judged %t", i+1, line, blank, judged)
			}
			if judged {
				alone, err := goodAlone(line)
				if alone != good && err == nil {
					t.Fatalf("line %d %q: good %t, alone %t", i+1, line, good, alone)
				}
			}
		}
	})
}

// goodAlone tells whether a text is fit as an array's only event: one, not two with a comma.
func goodAlone(text string) (good bool, err error) {
	events := 0
	_, err = new(event.Splitter).Split([]byte("["+text+"]"), 100, func(_ []byte, doc *jsonb.Doc, _ *event.Refusal) {
		events++
		good = doc != nil && events == 1
	})
	return good, err
}
