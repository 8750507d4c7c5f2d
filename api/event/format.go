package event

import (
	"fmt"

	"github.com/theeye-dev/theeye/api/event/jsonb"
)

// Format is how an event is written. It travels as a number.
type Format uint8

// The formats.
const (
	Native     Format = iota // the fields of Event
	CloudEvent               // CloudEvents 1.0 in their JSON format
)

// String is the format's name, as Failures show it.
func (f Format) String() string {
	switch f {
	case Native:
		return "native"
	case CloudEvent:
		return "cloudevents"
	}
	return fmt.Sprintf("format %d", uint8(f))
}

// Decode reads an event of the format as the function Decode does a native one.
func (f Format) Decode(doc *jsonb.Doc, strict bool) (Event, *Refusal) {
	switch f {
	case Native:
		return Decode(doc, strict)
	case CloudEvent:
		return decodeCloudEvent(doc, strict)
	}
	return Event{}, &Refusal{Code: CodeUndecodable, Detail: "the event has a format that this release does not know: " + f.String()}
}

// TimePointer leads to the field with the event's timestamp.
func (e *Event) TimePointer() string {
	if e.Format == CloudEvent {
		return "/time"
	}
	return "/timestamp"
}
