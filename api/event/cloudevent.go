package event

import (
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/event/jsonb"
)

// MaxAttributeBytes bounds what a CloudEvent's attributes take as JSON, but for those that become fields of the event.
// In binary mode they are headers, of which servers take about as much.
const MaxAttributeBytes = 16 << 10

// cloudEventNamespace makes ids of CloudEvents. It cannot change: what is sent again must get its id again.
var cloudEventNamespace = uuid.MustParse("1d9f4ccb-5f0f-5d3a-9a55-0c5b3c8b9d41")

// CloudEventID is the id of a CloudEvent: source and id together tell one from another, and an id of TheEye has at
// most 128 characters. It is the UUIDv5 of both, joined by a space, which no source has, in the namespace
// 1d9f4ccb-5f0f-5d3a-9a55-0c5b3c8b9d41.
func CloudEventID(source, id string) string {
	return uuid.NewSHA1(cloudEventNamespace, []byte(source+" "+id)).String()
}

// cloudEvent is a CloudEvent while it is read.
type cloudEvent struct {
	Event
	source, id string
	version    bool // specversion was told
}

// decodeCloudEvent reads the JSON format of CloudEvents 1.0. When strict is not set, attributes may have names and
// values that this release would not take.
func decodeCloudEvent(doc *jsonb.Doc, strict bool) (Event, *Refusal) {
	c := cloudEvent{Event: Event{Format: CloudEvent}}
	root := doc.Root()
	if root.Kind() != jsonb.Object {
		return c.Event, &Refusal{Code: CodeNotObject, Detail: "a CloudEvent is a JSON object, not a JSON " + root.Kind().String()}
	}
	var first *Refusal
	for key, value := range root.Members { // to the end, so that a refused event still tells its id
		if refusal := c.set(key, value, strict); refusal != nil && first == nil {
			first = refusal
		}
	}
	if c.Attributes != nil {
		c.Attributes = append(c.Attributes, '}')
	}
	if c.source != "" && c.id != "" {
		c.ID = CloudEventID(c.source, c.id)
	}
	if first == nil {
		first = c.incomplete()
	}
	if first == nil && strict && len(c.Attributes) > MaxAttributeBytes {
		first = &Refusal{
			Code:   CodeCloudEvent,
			Detail: fmt.Sprintf("the attributes have more than the %d bytes allowed", MaxAttributeBytes),
		}
	}
	return c.Event, first
}

func (c *cloudEvent) set(key, value jsonb.Value, strict bool) *Refusal {
	if value.Kind() == jsonb.Null {
		return nil // an attribute that is not set (JSON format, 2.2); data that says nothing
	}
	switch {
	case key.Is("specversion"):
		c.version = true
		if !value.Is("1.0") {
			return invalidCloudEvent("specversion", `must be "1.0"; other versions are not read`)
		}
	case key.Is("type"):
		return c.setType(value)
	case key.Is("time"):
		return setTime(&c.Timestamp, &c.timestamp, "time", value)
	case key.Is("sessionid"):
		return setName(&c.SessionID, "sessionid", value)
	case key.Is("data"):
		return c.setData("data", value)
	case key.Is("data_base64"):
		return c.setBinary(value)
	default:
		return c.keep(key, value, strict)
	}
	return nil
}

// setType splits a type at its last dot: page.view is the category page and the name view.
func (c *cloudEvent) setType(value jsonb.Value) *Refusal {
	if value.Kind() != jsonb.String {
		return typeRefusal("type", jsonb.String, value)
	}
	text := value.Text()
	dot := strings.LastIndexByte(text, '.')
	if dot < 0 {
		return invalidCloudEvent("type", "has no dot: the category stands before its last dot, and the name after it")
	}
	c.Category, c.Name = text[:dot], text[dot+1:]
	for _, part := range [...]struct{ text, place string }{{c.Category, "before"}, {c.Name, "after"}} {
		if n := utf8.RuneCountInString(part.text); n < 1 || n > MaxNameChars {
			return &Refusal{
				Code:    CodeLength,
				Detail:  fmt.Sprintf("type has %d characters %s its last dot; 1 to %d are allowed", n, part.place, MaxNameChars),
				Pointer: "/type",
			}
		}
	}
	return nil
}

// setData takes the data that a member has.
func (c *cloudEvent) setData(member string, value jsonb.Value) *Refusal {
	switch {
	case c.Data != nil:
		return invalidCloudEvent(member, "stands beside other data: data and data_base64 exclude each other")
	case value.Kind() != jsonb.Object:
		refusal := typeRefusal("data", jsonb.Object, value)
		refusal.Pointer = "/" + member
		return refusal
	}
	c.Data, c.data = value.Raw(), value
	return nil
}

// setBinary takes data that came as bytes: some SDKs send any data so that they were given as bytes, JSON as well.
func (c *cloudEvent) setBinary(value jsonb.Value) *Refusal {
	const member = "data_base64"
	if value.Kind() != jsonb.String {
		return typeRefusal(member, jsonb.String, value)
	}
	text, err := base64.StdEncoding.DecodeString(value.Text())
	if err != nil {
		return invalidCloudEvent(member, "is not Base64 with padding (RFC 4648, section 4)")
	}
	var s jsonb.Scanner
	s.Reset(text)
	doc, _, fault, err := s.Scan()
	if err == nil && s.More() {
		err = s.Fail("text after the end of the JSON value")
	}
	switch {
	case err != nil:
		return &Refusal{
			Code: CodeType, Pointer: "/" + member,
			Detail: fmt.Sprintf("data must be a JSON object; its %d bytes are no JSON: %v", len(text), err),
		}
	case fault != nil:
		return &Refusal{
			Code: Code(fault.Code), Pointer: "/" + member + fault.Pointer,
			Detail: fmt.Sprintf("%s at line %d, column %d of the decoded data", fault.Detail, fault.Line, fault.Column),
		}
	}
	return c.setData(member, doc.Root())
}

// incomplete refuses a CloudEvent that lacks an attribute.
func (c *cloudEvent) incomplete() *Refusal {
	for _, f := range [...]struct {
		name  string
		there bool
	}{
		{"specversion", c.version},
		{"id", c.id != ""},
		{"source", c.source != ""},
		{"type", c.Name != ""},
		{"sessionid, the extension that tells an event's session,", c.SessionID != ""},
	} {
		if !f.there {
			name, _, _ := strings.Cut(f.name, ",")
			return &Refusal{Code: CodeMissing, Detail: f.name + " is required", Pointer: "/" + name}
		}
	}
	return nil
}

func invalidCloudEvent(attribute, fault string) *Refusal {
	return &Refusal{Code: CodeCloudEvent, Detail: attribute + " " + fault, Pointer: "/" + jsonb.PointerToken(attribute)}
}
