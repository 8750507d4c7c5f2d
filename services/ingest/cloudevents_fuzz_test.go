package ingest

import (
	"net/http"
	"testing"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/event/jsonb"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/keyring"
)

// FuzzBinary: whatever comes in binary mode and is not too large becomes one JSON object, of which nothing but its own faults is refused.
func FuzzBinary(f *testing.F) {
	f.Add("1", "order 17", "application/json", []byte(`{"a":1}`))
	f.Add("%22", "\\", "text/plain", []byte("\xff\x00"))
	f.Add(`"`, `"a\"b"`, "", []byte(`{}`))
	f.Add("", "100%", "", []byte(`{"a":1}{`))
	f.Fuzz(func(t *testing.T, id, subject, media string, data []byte) {
		h := http.Header{"Ce-Specversion": {"1.0"}, "Ce-Id": {id}, "Ce-Subject": {subject}, "Content-Type": {media}}
		form, err := formOf(h)
		if err != nil || !form.binary || notText(h) != "" {
			return
		}
		text := new(worker).structured(&Submission{Principal: keyring.Principal{Application: &registry.Application{}}, form: form, header: h, Body: data})
		var s jsonb.Scanner
		s.Reset(text)
		doc, _, fault, err := s.Scan()
		if err != nil || s.More() {
			t.Fatalf("%q is no JSON value: %v", text, err)
		}
		if fault == nil {
			_, _ = event.CloudEvent.Decode(doc, true) // refused or not
		}
	})
}
