package event_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/event/jsonb"
)

// cloud is a CloudEvent with what it must have; members stand behind it.
func cloud(members string) string {
	const least = `{"specversion":"1.0","id":"a-1","source":"/shop","type":"page.view","sessionid":"s1"`
	if members != "" {
		members = "," + members
	}
	return least + members + "}"
}

// cloudAttributes are those of cloud that are kept as they are.
const cloudAttributes = `"id":"a-1","source":"/shop"`

// binary is a member with data as bytes.
func binary(data string) string {
	return `"data_base64":"` + base64.StdEncoding.EncodeToString([]byte(data)) + `"`
}

func decodeCloud(t testing.TB, text string, strict bool) (event.Event, *event.Refusal) {
	t.Helper()
	var s jsonb.Scanner
	s.Reset([]byte(text))
	doc, _, fault, err := s.Scan()
	if err != nil || fault != nil {
		t.Fatalf("scan %s: %v %v", text, fault, err)
	}
	return event.CloudEvent.Decode(doc, strict)
}

func TestDecodeCloudEvent(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", event.MaxNameChars)
	id := event.CloudEventID("/shop", "a-1")
	for name, tt := range map[string]struct {
		text string
		want event.Event
	}{
		"least": {cloud(""), event.Event{ID: id, SessionID: "s1", Category: "page", Name: "view", Attributes: []byte(`{` + cloudAttributes + `}`)}},
		"whole": {
			cloud(`"time":"2021-01-01T09:15:27.243860+01:00","subject":"p/1","dataschema":"https://a.example/s","datacontenttype":"application/json; charset=utf-8",` +
				`"traceparent":"00-x","n":-2147483648,"m":2147483647,"b":true,"e":"","20":"é😀","data":{"a":[1.10,null]}`),
			event.Event{
				ID: id, SessionID: "s1", Category: "page", Name: "view", Data: []byte(`{"a":[1.10,null]}`),
				Timestamp: time.Date(2021, 1, 1, 8, 15, 27, 243_860_000, time.UTC),
				Attributes: []byte(`{` + cloudAttributes + `,"subject":"p/1","dataschema":"https://a.example/s","datacontenttype":"application/json; charset=utf-8",` +
					`"traceparent":"00-x","n":-2147483648,"m":2147483647,"b":true,"e":"","20":"é😀"}`),
			},
		},
		"type of many dots": {
			strings.Replace(cloud(""), "page.view", "com.example.page.view", 1),
			event.Event{ID: id, SessionID: "s1", Category: "com.example.page", Name: "view", Attributes: []byte(`{` + cloudAttributes + `}`)},
		},
		"as long as allowed": {
			strings.NewReplacer("page.view", long+"."+long, "s1", long).Replace(cloud("")),
			event.Event{ID: id, SessionID: long, Category: long, Name: long, Attributes: []byte(`{` + cloudAttributes + `}`)},
		},
		"null is not set": {
			cloud(`"subject":null,"time":null,"data":null,"data_base64":null,"x":null,"Y":null`),
			event.Event{ID: id, SessionID: "s1", Category: "page", Name: "view", Attributes: []byte(`{` + cloudAttributes + `}`)},
		},
		"JSON as bytes": {
			cloud(`"data":null,` + binary(" {\"a\":\"é\"}\n")),
			event.Event{ID: id, SessionID: "s1", Category: "page", Name: "view", Data: []byte(`{"a":"é"}`), Attributes: []byte(`{` + cloudAttributes + `}`)},
		},
		"escaped": {
			`{"spec\u0076ersion":"\u0031.0","\u0069d":"\u0061-1","source":"\/shop","type":"page\u002eview","sessionid":"\u00731"}`,
			event.Event{ID: id, SessionID: "s1", Category: "page", Name: "view", Attributes: []byte(`{"\u0069d":"\u0061-1","source":"\/shop"}`)},
		},
	} {
		tt.want.Format = event.CloudEvent
		for _, strict := range []bool{true, false} {
			got, refusal := decodeCloud(t, tt.text, strict)
			if refusal != nil {
				t.Errorf("%s, strict %t: %+v", name, strict, refusal)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreUnexported(event.Event{})); diff != "" {
				t.Errorf("%s, strict %t: %s", name, strict, diff)
			}
		}
	}
}

func TestDecodeCloudEventRefusals(t *testing.T) {
	t.Parallel()
	without := func(member string) string {
		var all map[string]any
		if err := json.Unmarshal([]byte(cloud("")), &all); err != nil || all[member] == nil {
			t.Fatal(member, err)
		}
		delete(all, member)
		text, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	with := func(member, value string) string { return `{"` + member + `":` + value + `,` + without(member)[1:] }
	long := strings.Repeat("x", event.MaxNameChars+1)
	for name, tt := range map[string]struct{ text, want, says string }{
		"array":                     {`[]`, "event.not_object", "not a JSON array"},
		"nothing":                   {`{}`, "field.missing/specversion", ""},
		"no specversion":            {without("specversion"), "field.missing/specversion", ""},
		"no id":                     {without("id"), "field.missing/id", "id is required"},
		"no source":                 {without("source"), "field.missing/source", ""},
		"no type":                   {without("type"), "field.missing/type", ""},
		"no sessionid":              {without("sessionid"), "field.missing/sessionid", "the extension"},
		"id null":                   {with("id", `null`), "field.missing/id", ""},
		"earlier version":           {with("specversion", `"0.3"`), "cloudevent.invalid/specversion", `"1.0"`},
		"version as a number":       {with("specversion", `1.0`), "cloudevent.invalid/specversion", ""},
		"id a number":               {with("id", `1`), "field.type/id", ""},
		"id empty":                  {with("id", `""`), "cloudevent.invalid/id", "empty"},
		"source empty":              {with("source", `""`), "cloudevent.invalid/source", "empty"},
		"source with a space":       {with("source", `"my shop"`), "cloudevent.invalid/source", "RFC 3986"},
		"source with a colon":       {with("source", `"1:2"`), "cloudevent.invalid/source", "RFC 3986"},
		"source half escaped":       {with("source", `"/%zz"`), "cloudevent.invalid/source", "RFC 3986"},
		"source an object":          {with("source", `{}`), "field.type/source", ""},
		"type without a dot":        {with("type", `"pageview"`), "cloudevent.invalid/type", "no dot"},
		"type a number":             {with("type", `1.5`), "field.type/type", ""},
		"type that ends in a dot":   {with("type", `"page."`), "field.length/type", "0 characters after"},
		"type that begins with one": {with("type", `".view"`), "field.length/type", "0 characters before"},
		"category too long":         {with("type", `"`+long+`.view"`), "field.length/type", "129 characters before"},
		"name too long":             {with("type", `"page.`+long+`"`), "field.length/type", "129 characters after"},
		"sessionid a number":        {with("sessionid", `7`), "field.type/sessionid", ""},
		"sessionid empty":           {with("sessionid", `""`), "field.length/sessionid", ""},
		"sessionid too long":        {with("sessionid", `"`+long+`"`), "field.length/sessionid", ""},
		"time of no form":           {cloud(`"time":"noon"`), "timestamp.format/time", "time:"},
		"time a number":             {cloud(`"time":1700000000`), "field.type/time", ""},
		"subject empty":             {cloud(`"subject":""`), "cloudevent.invalid/subject", "empty"},
		"subject a boolean":         {cloud(`"subject":true`), "field.type/subject", ""},
		"dataschema relative":       {cloud(`"dataschema":"/s"`), "cloudevent.invalid/dataschema", "absolute"},
		"datacontenttype of none":   {cloud(`"datacontenttype":"json;;"`), "cloudevent.invalid/datacontenttype", "RFC 2046"},
		"upper case":                {cloud(`"userId":"1"`), "cloudevent.invalid/userId", "lower-case"},
		"underscore":                {cloud(`"user_id":"1"`), "cloudevent.invalid/user_id", "lower-case"},
		"odd name":                  {cloud(`"a/b~c":1`), "cloudevent.invalid/a~1b~0c", "lower-case"},
		"no name":                   {cloud(`"":1`), "cloudevent.invalid/", "lower-case"},
		"extension an object":       {cloud(`"x":{"a":1}`), "cloudevent.invalid/x", "not object"},
		"extension an array":        {cloud(`"x":[]`), "cloudevent.invalid/x", "not array"},
		"fraction":                  {cloud(`"x":1.5`), "cloudevent.invalid/x", "32 bits"},
		"number too large":          {cloud(`"x":2147483648`), "cloudevent.invalid/x", "or a string"},
		"exponent":                  {cloud(`"x":1e3`), "cloudevent.invalid/x", "32 bits"},
		"control character":         {cloud(`"x":"a\u0007"`), "cloudevent.invalid/x", "byte 1"},
		"noncharacter":              {cloud(`"subject":"\ufdd0"`), "cloudevent.invalid/subject", "byte 0"},
		"attributes too large":      {cloud(`"x":"` + strings.Repeat("x", event.MaxAttributeBytes) + `"`), "cloudevent.invalid", "16384"},
		"data an array":             {cloud(`"data":[]`), "field.type/data", "data must be a JSON object"},
		"data a string":             {cloud(`"datacontenttype":"text/xml","data":"<a/>"`), "field.type/data", "not string"},
		"data twice":                {cloud(`"data":{},` + binary(`{}`)), "cloudevent.invalid/data_base64", "exclude"},
		"data twice, bytes first":   {cloud(binary(`{}`) + `,"data":{}`), "cloudevent.invalid/data", "exclude"},
		"bytes that are no Base64":  {cloud(`"data_base64":"a b"`), "cloudevent.invalid/data_base64", "RFC 4648"},
		"bytes that are a number":   {cloud(`"data_base64":1`), "field.type/data_base64", ""},
		"bytes that are no JSON":    {cloud(binary("\x00\xff")), "field.type/data_base64", "2 bytes are no JSON"},
		"bytes of two values":       {cloud(binary("{} {}")), "field.type/data_base64", "column 4"},
		"no bytes":                  {cloud(`"data_base64":""`), "field.type/data_base64", "0 bytes"},
		"bytes of an array":         {cloud(binary("[]")), "field.type/data_base64", "data must be a JSON object, not array"},
		"bytes with a fault":        {cloud(binary(`{"a":{"b":1,"b":2}}`)), "json.duplicate_key/data_base64/a/b", ""},
	} {
		got, refusal := decodeCloud(t, tt.text, true)
		if refusal == nil || string(refusal.Code)+refusal.Pointer != tt.want || !strings.Contains(refusal.Detail, tt.says) {
			t.Errorf("%s: %s: %+v, want %s %q", name, tt.text, refusal, tt.want, tt.says)
		} else if len(refusal.Detail) > 200 {
			t.Errorf("%s: a detail of %d bytes", name, len(refusal.Detail))
		}
		if got.Format != event.CloudEvent {
			t.Errorf("%s: format %s", name, got.Format)
		}
	}
}

// A reader of a stream takes attributes that a newer release may let in, and a refused event tells its id.
func TestDecodeCloudEventLeniently(t *testing.T) {
	t.Parallel()
	for _, member := range []string{`"A_b":1.5`, `"x":{"y":[1]}`, `"subject":""`, `"x":"` + strings.Repeat("x", event.MaxAttributeBytes) + `"`} {
		text := cloud(member)
		got, refusal := decodeCloud(t, text, false)
		if refusal != nil || string(got.Attributes) != `{`+cloudAttributes+`,`+member+`}` {
			t.Errorf("%.80s: %+v, attributes %.80s", text, refusal, got.Attributes)
		}
		refused, refusal := decodeCloud(t, text, true)
		if refusal == nil || refused.ID != event.CloudEventID("/shop", "a-1") {
			t.Errorf("%.80s: refusal %+v, id %q", text, refusal, refused.ID)
		}
	}
}

// Ids must stay what they are: an event that was stored by an earlier release is known again by its id.
func TestCloudEventID(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, tt := range [][3]string{
		{"/shop", "a-1", "baa239b5-9bba-5782-a018-ab567c818b84"},
		{"https://shop.example.com/", "é😀", "007fcaf1-0ae4-5e6f-aa96-085b43c6c0ac"},
		{"/shop", "a-2", ""},
		{"/shop/a-1", "", ""},
		{"a", "b c", ""},
		{"/shop", strings.Repeat("x", 10_000), ""},
	} {
		got := event.CloudEventID(tt[0], tt[1])
		if id, err := uuid.Parse(got); err != nil || id.Version() != 5 {
			t.Errorf("%q: %s, %v", tt, got, err)
		}
		if tt[2] != "" && got != tt[2] {
			t.Errorf("%q: %s", tt, got)
		}
		if other, ok := seen[got]; ok {
			t.Errorf("%q and %s have the same id", tt, other)
		}
		seen[got] = fmt.Sprint(tt)
	}
}

// What is sent again has the same fingerprint, in whichever way its data is written; attributes are no content.
func TestCloudEventFingerprint(t *testing.T) {
	t.Parallel()
	fingerprint := func(text string) event.Fingerprint {
		e, refusal := decodeCloud(t, text, true)
		if refusal != nil {
			t.Fatalf("%s: %+v", text, refusal)
		}
		f, _ := e.Fingerprint(nil)
		return f
	}
	first := fingerprint(cloud(`"data":{"a":1,"b":[2]}`))
	for _, same := range []string{`"data":{"b":[2.0],"a":1e0}`, binary(`{"b":[2],"a":1}`), `"subject":"x","data":{"a":1,"b":[2]}`} {
		if fingerprint(cloud(same)) != first {
			t.Errorf("%s has another fingerprint", same)
		}
	}
	for _, other := range []string{``, `"data":{}`, `"data":{"a":1,"b":[3]}`, `"time":"2021-01-01T09:15:27Z","data":{"a":1,"b":[2]}`} {
		if fingerprint(cloud(other)) == first {
			t.Errorf("%s has the same fingerprint", other)
		}
	}
	native := mustDecode(t, `{"session_id":"s1","category":"page","name":"view","data":{"a":1,"b":[2]}}`)
	if f, _ := native.Fingerprint(nil); f != first {
		t.Error("the same content as a native event has another fingerprint")
	}
}
