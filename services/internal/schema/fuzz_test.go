package schema_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/theeye-dev/theeye/api/event/jsonb"
	"github.com/theeye-dev/theeye/services/internal/schema"
)

// FuzzCompile compiles whatever it is given, and checks a value by it. Neither may panic, take long, or tell two
// things about one schema.
func FuzzCompile(f *testing.F) {
	for _, tt := range faults {
		f.Add([]byte(tt.text), []byte(`{"a":1}`))
	}
	for _, tt := range meanings {
		for value := range tt.values {
			f.Add([]byte(tt.schema), []byte(value))
		}
	}
	f.Fuzz(func(t *testing.T, text, value []byte) {
		begin := time.Now()
		compiled, err := schema.Compile(text)
		if _, again := schema.Compile(bytes.Clone(text)); (err == nil) != (again == nil) || err != nil && err.Error() != again.Error() {
			t.Fatalf("first %v, then %v", err, again)
		}
		var fault *schema.Fault
		switch {
		case errors.As(err, &fault):
			checkText(t, fault.Detail)
		case err != nil:
			t.Fatalf("error is %#v", err)
		default:
			check(t, compiled, value)
		}
		if took := time.Since(begin); took > bound {
			t.Fatalf("took %s", took)
		}
	})
}

func check(t *testing.T, compiled *schema.Schema, value []byte) {
	t.Helper()
	var scanner jsonb.Scanner
	scanner.Reset(value)
	doc, _, fault, err := scanner.Scan()
	if err != nil || fault != nil {
		return
	}
	mismatches, err := validate(compiled, doc.Root())
	if err != nil && mismatches != nil {
		t.Fatalf("%v, and %v", mismatches, err)
	}
	if len(mismatches) > schema.MaxMismatches {
		t.Fatalf("%d mismatches", len(mismatches))
	}
	for _, m := range mismatches {
		checkText(t, m.Detail)
	}
}

// checkText holds a text against what every text promises.
func checkText(t *testing.T, text string) {
	t.Helper()
	if text == "" || len(text) > 300 || !utf8.ValidString(text) || strings.Contains(text, "urn:theeye") {
		t.Fatalf("text %q", text)
	}
}
