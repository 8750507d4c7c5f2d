package event_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/event/jsonb"
)

// TestOne reads texts that were cut out of a body: what is wrong is told as Split and Lines tell it, with its place.
func TestOne(t *testing.T) {
	t.Parallel()
	var s event.Splitter
	for text, want := range map[string]string{
		`{"a":1}`:                  `{"a":1}`,
		"{\n\"a\":1\n}":            "{\n\"a\":1\n}",
		`[1]`:                      `[1]`,
		"{\n\"a\":1,\n\"a\":2}":    "json.duplicate_key /a at line 3, column 1",
		"{\n\"a\":}":               "json.syntax /a at line 2, column 5",
		`{} {}`:                    "json.syntax  at line 1, column 4",
		"\uFEFF{}":                 "json.syntax  at line 1, column 1",
		``:                         "json.syntax  at line 1, column 1",
		strings.Repeat("[1,2]", 5): "event.too_large  the 20 allowed",
	} {
		calls := 0
		s.One([]byte(text), 20, func(doc *jsonb.Doc, refusal *event.Refusal) {
			calls++
			var got string
			if refusal != nil {
				got = fmt.Sprintf("%s %s", refusal.Code, refusal.Pointer)
				if head, tail, _ := strings.Cut(want, " "); !strings.HasSuffix(refusal.Detail, strings.TrimPrefix(tail[strings.IndexByte(tail, ' ')+1:], " ")) || !strings.HasPrefix(got, head) {
					t.Errorf("%q: %s: %s, want %s", text, got, refusal.Detail, want)
				}
				return
			}
			if got = string(doc.Root().Raw()); got != want {
				t.Errorf("%q: %s, want %s", text, got, want)
			}
		})
		if calls != 1 {
			t.Errorf("%q is told %d times", text, calls)
		}
	}
}
