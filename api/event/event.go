package event

import (
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/theeye-dev/theeye/api/event/jsonb"
)

// Limits of one request and of its events, in any encoding and after decompression.
const (
	MaxRequestBytes = 4 << 20 // 4 MiB
	MaxEvents       = 5000    // events of one request
	MaxEventBytes   = 1 << 20 // one event's JSON: an application's own limit is below it
	MaxNameChars    = 128     // characters of id, session_id, category and name: four of them fit an index row
)

// Event is one event as its client sent it.
type Event struct {
	ID        string    // the client's; empty when it sent none
	SessionID string    // 1–128 characters
	Category  string    // 1–128 characters
	Name      string    // 1–128 characters
	Data      []byte    // a JSON object's bytes as sent; nil when absent
	Timestamp time.Time // UTC, microseconds; zero when absent
	SentAt    time.Time // the client's clock when it sent; zero when absent

	Format     Format // in which it was written
	Attributes []byte // a JSON object of what else a CloudEvent says of itself; nil when there is nothing

	timestamp string // as sent: part of the content
	data      jsonb.Value
}

// Forget gives up the document that the event was decoded from, which only Fingerprint needs: of a CloudEvent whose data
// came as Base64 that is one of its own, of many times the data's size.
func (e *Event) Forget() { e.data = jsonb.Value{} }

// Type is category and name together, joined by a space.
func (e *Event) Type() string { return Type(e.Category, e.Name) }

// Type joins a category and a name as an event's type is shown.
func Type(category, name string) string { return category + " " + name }

// Decode reads an event from its scanned JSON. The event refers to the document's bytes. Unknown members are refused
// when strict is set, as at the door; a reader of a stream ignores them, for they may come from a newer release.
func Decode(doc *jsonb.Doc, strict bool) (Event, *Refusal) {
	var e Event
	root := doc.Root()
	if root.Kind() != jsonb.Object {
		return e, &Refusal{Code: CodeNotObject, Detail: "an event is a JSON object, not a JSON " + root.Kind().String()}
	}
	var first *Refusal
	for key, value := range root.Members { // to the end, so that a refused event still tells its id
		if refusal := e.set(key, value, strict); refusal != nil && first == nil {
			first = refusal
		}
	}
	if first != nil {
		return e, first
	}
	for _, f := range [...]struct{ name, value string }{
		{"session_id", e.SessionID}, {"category", e.Category}, {"name", e.Name},
	} {
		if f.value == "" {
			return e, &Refusal{Code: CodeMissing, Detail: f.name + " is required", Pointer: "/" + f.name}
		}
	}
	return e, nil
}

func (e *Event) set(key, value jsonb.Value, strict bool) *Refusal {
	switch {
	case key.Is("session_id"):
		return setName(&e.SessionID, "session_id", value)
	case key.Is("category"):
		return setName(&e.Category, "category", value)
	case key.Is("name"):
		return setName(&e.Name, "name", value)
	case key.Is("id"):
		return setName(&e.ID, "id", value)
	case key.Is("data"):
		if value.Kind() != jsonb.Object {
			return typeRefusal("data", jsonb.Object, value)
		}
		e.Data, e.data = value.Raw(), value
	case key.Is("timestamp"):
		return setTime(&e.Timestamp, &e.timestamp, "timestamp", value)
	case key.Is("sent_at"):
		return setTime(&e.SentAt, new(string), "sent_at", value)
	case strict:
		name := key.Text()
		return &Refusal{
			Code:    CodeUnknown,
			Detail:  fmt.Sprintf("unknown field %q; known are id, session_id, category, name, data, timestamp, sent_at", name),
			Pointer: "/" + jsonb.PointerToken(name),
		}
	}
	return nil
}

func typeRefusal(field string, want jsonb.Kind, value jsonb.Value) *Refusal {
	return &Refusal{
		Code:    CodeType,
		Detail:  fmt.Sprintf("%s must be a JSON %s, not %s", field, want, value.Kind()),
		Pointer: "/" + field,
	}
}

func setName(dst *string, field string, value jsonb.Value) *Refusal {
	if value.Kind() != jsonb.String {
		return typeRefusal(field, jsonb.String, value)
	}
	text := value.Text()
	if n := utf8.RuneCountInString(text); n < 1 || n > MaxNameChars {
		return &Refusal{
			Code:    CodeLength,
			Detail:  fmt.Sprintf("%s has %d characters; 1 to %d are allowed", field, n, MaxNameChars),
			Pointer: "/" + field,
		}
	}
	*dst = text
	return nil
}

// setTime reads a time and keeps the text that told it.
func setTime(dst *time.Time, text *string, field string, value jsonb.Value) *Refusal {
	if value.Kind() != jsonb.String {
		return typeRefusal(field, jsonb.String, value)
	}
	*text = value.Text()
	t, err := ParseTimestamp(*text)
	if err != nil {
		return &Refusal{Code: CodeTimestamp, Detail: field + ": " + err.Error(), Pointer: "/" + field}
	}
	*dst = t
	return nil
}
