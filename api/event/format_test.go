package event_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/event/jsonb"
)

func TestFormats(t *testing.T) {
	t.Parallel()
	var s jsonb.Scanner
	s.Reset([]byte(whole))
	doc, _, _, err := s.Scan()
	if err != nil {
		t.Fatal(err)
	}
	e, refusal := event.Native.Decode(doc, true)
	if refusal != nil || e.ID != "e1" || e.Format != event.Native || e.TimePointer() != "/timestamp" {
		t.Errorf("%+v, %+v", e, refusal)
	}
	if e, refusal = event.CloudEvent.Decode(doc, true); refusal == nil || e.TimePointer() != "/time" {
		t.Errorf("%+v, %+v", e, refusal)
	}
	if _, refusal = event.Format(9).Decode(doc, false); refusal == nil || refusal.Code != event.CodeUndecodable || !strings.Contains(refusal.Detail, "format 9") {
		t.Errorf("%+v", refusal)
	}
	if names := fmt.Sprint(event.Native, event.CloudEvent); names != "native cloudevents" {
		t.Error(names)
	}
}

func FuzzDecodeCloudEvent(f *testing.F) {
	f.Add(cloud(""))
	f.Add(cloud(`"time":"2021-01-01T09:15:27Z","subject":"x","n":1,"b":false,"data":{"a":"\u00e9"},"datacontenttype":"a/b","dataschema":"x:y"`))
	f.Add(cloud(binary(`{"a":{"b":1,"b":2}}`)))
	f.Add(cloud(binary(` {"a":null} `)))
	f.Add(`{"type":"a.b.c","x":null,"specversion":"1.0"}`)
	f.Fuzz(func(t *testing.T, text string) {
		var s jsonb.Scanner
		s.Reset([]byte(text))
		doc, _, fault, err := s.Scan()
		if err != nil || fault != nil {
			return
		}
		e, refusal := event.CloudEvent.Decode(doc, true)
		if refusal != nil {
			if refusal.Code == "" || refusal.Detail == "" || len(refusal.Detail) > 1000 {
				t.Fatalf("refusal %+v", refusal)
			}
			return
		}
		f, _ := e.Fingerprint(nil)
		again, refusal := event.CloudEvent.Decode(doc, false)
		if g, _ := again.Fingerprint(nil); refusal != nil || f != g || !cmp.Equal(e, again, cmpopts.IgnoreUnexported(event.Event{})) {
			t.Fatalf("a reader sees %+v, %+v; the door saw %+v", again, refusal, e)
		}
		for _, stored := range [][]byte{e.Attributes, e.Data} {
			if stored == nil {
				continue
			}
			var s jsonb.Scanner
			s.Reset(stored)
			doc, raw, fault, err := s.Scan()
			if err != nil || fault != nil || doc.Root().Kind() != jsonb.Object || len(raw) != len(stored) {
				t.Fatalf("%s would not be stored: %v %v", stored, fault, err)
			}
		}
		if e.Attributes == nil || len(e.Attributes) > event.MaxAttributeBytes || e.ID == "" || e.SessionID == "" || e.Category == "" || e.Name == "" {
			t.Fatalf("accepted: %+v", e)
		}
	})
}
