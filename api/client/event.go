package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// MaxRequestEvents and MaxRequestBytes are TheEye's limits of one request.
const (
	MaxRequestEvents = 5000
	MaxRequestBytes  = 4 << 20
)

// Errors of events that cannot be sent at all; others are TheEye's to judge, and so become Failures that can be seen.
var (
	// ErrTooLarge says that the event alone is larger than a request may be.
	ErrTooLarge = errors.New("the event is larger than a request may be (4 MiB)")
	// ErrData says that Data does not encode to a JSON object.
	ErrData = errors.New("data must be a JSON object: a struct, a map, or a json.RawMessage of one")
	// ErrUTF8 says that a text would not arrive as it is.
	ErrUTF8 = errors.New("not valid UTF-8")
)

// Event is something that happened in an application. It can be kept as JSON, in the form in which TheEye takes it.
type Event struct {
	// ID tells the event from all others of its application. Empty: the client gives it a new UUIDv7. An own ID makes an
	// event the same over restarts, too; then Timestamp has to be an own one as well, because both are its content, and
	// the same id with other content is a conflict.
	ID string `json:"id,omitempty"`
	// SessionID ties events together: 1–128 characters.
	SessionID string `json:"session_id"`
	// Category and Name are the event's type, 1–128 characters each.
	Category string `json:"category"`
	Name     string `json:"name"`
	// Data is anything that encoding/json makes an object of; nil: none. A json.RawMessage is sent as it is.
	Data any `json:"data,omitempty"`
	// Timestamp is when it happened, kept to the microsecond. Zero: the client sets it to now, and for events of one
	// client in the order in which they were handed over.
	Timestamp time.Time `json:"timestamp,omitzero"`
}

// UnmarshalJSON reads an event back. Data is a json.RawMessage: nothing of its numbers is lost, so that the event has
// the same content when it is sent again.
func (e *Event) UnmarshalJSON(b []byte) error {
	type plain Event
	kept := struct {
		*plain
		Data json.RawMessage `json:"data"`
	}{plain: (*plain)(e)}
	err := json.Unmarshal(b, &kept)
	if e.Data = nil; kept.Data != nil {
		e.Data = kept.Data
	}
	return err
}

// item is an event ready to be sent.
type item struct {
	event Event  // Data is what is sent
	open  []byte // its JSON without the closing brace: every try adds the time at which it is sent
}

const (
	timeForm = "2006-01-02T15:04:05.000000Z"
	sentAt   = `,"sent_at":"` + timeForm + `"}`
	// around is what an item takes in a request beside its open JSON: sent_at, and a comma or a bracket.
	around = len(sentAt) + 1
)

// size is what the item takes in a request.
func (it *item) size() int { return len(it.open) + around }

// wire is an event without data, which is added as it is.
type wire struct {
	ID        string `json:"id"`
	SessionID string `json:"session_id"`
	Category  string `json:"category"`
	Name      string `json:"name"`
	Timestamp string `json:"timestamp"`
}

// encode makes an item of a complete event.
func encode(e Event) (item, error) {
	for _, field := range [...]struct{ name, text string }{
		{"id", e.ID}, {"session_id", e.SessionID}, {"category", e.Category}, {"name", e.Name},
	} {
		if !utf8.ValidString(field.text) { // encoding/json would replace what is not, without a word
			return item{}, fmt.Errorf("%s: %w", field.name, ErrUTF8)
		}
	}
	data, err := object(e.Data)
	if err != nil {
		return item{}, err
	}
	head, err := json.Marshal(wire{e.ID, e.SessionID, e.Category, e.Name, e.Timestamp.Format(timeForm)})
	if err != nil {
		return item{}, fmt.Errorf("encode event: %w", err)
	}
	open := head[:len(head)-1]
	if e.Data = nil; data != nil {
		const field = `,"data":`
		open = append(append(append(make([]byte, 0, len(open)+len(field)+len(data)), open...), field...), data...)
		e.Data = json.RawMessage(open[len(open)-len(data) : len(open) : len(open)])
	}
	if len(open)+around+1 > MaxRequestBytes {
		return item{}, ErrTooLarge
	}
	return item{event: e, open: open}, nil
}

// object encodes data; what encodes to null is no data.
func object(data any) ([]byte, error) {
	if data == nil {
		return nil, nil
	}
	encoded, err := json.Marshal(data)
	switch {
	case err != nil:
		return nil, fmt.Errorf("encode data: %w", err)
	case string(encoded) == "null":
		return nil, nil
	case encoded[0] != '{':
		return nil, ErrData
	}
	return encoded, nil
}

// body is the request that carries items, sent now. Each try has memory of its own: a transport may still read that of
// the try before.
func body(items []item, now time.Time) []byte {
	size := 1
	for i := range items {
		size += items[i].size()
	}
	stamp := now.UTC().AppendFormat([]byte(`,"sent_at":"`), timeForm)
	stamp = append(stamp, `"}`...)
	b := make([]byte, 0, size)
	for i := range items {
		separator := byte(',')
		if i == 0 {
			separator = '['
		}
		b = append(append(append(b, separator), items[i].open...), stamp...)
	}
	return append(b, ']')
}

// fit is how many items, at least one, go into a request with these limits.
func fit(items []item, maxEvents, maxBytes int) int {
	size := 1
	for i := range items {
		size += items[i].size()
		if i > 0 && (i == maxEvents || size > maxBytes) {
			return i
		}
	}
	return len(items)
}

// stamper gives events the time, no two the same: reads order a session by it.
type stamper struct {
	mu   sync.Mutex
	last int64 // in Unix microseconds
}

// next is now, or just after the last one when the clock has not moved since. A clock that was set back by a second or
// more is believed.
func (s *stamper) next(now time.Time) time.Time {
	micros := now.UnixMicro()
	s.mu.Lock()
	defer s.mu.Unlock()
	if ahead := s.last - micros; ahead >= 0 && ahead < time.Second.Microseconds() {
		micros = s.last + 1
	}
	s.last = micros
	return time.UnixMicro(micros).UTC()
}

// complete gives an event the id and the timestamp that every try sends.
func (s *stamper) complete(e *Event) error {
	if e.ID == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("make id: %w", err)
		}
		e.ID = id.String()
	}
	if e.Timestamp.IsZero() {
		e.Timestamp = s.next(time.Now())
	}
	e.Timestamp = e.Timestamp.UTC().Truncate(time.Microsecond)
	return nil
}
