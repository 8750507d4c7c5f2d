package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"time"

	"github.com/theeye-dev/theeye/api/event"
)

// none stands where a payload has no action or no repository: TheEye wants a name and a session.
const none = "none"

// sent is an event as it is posted.
type sent struct {
	ID        string          `json:"id"`
	SessionID string          `json:"session_id"`
	Category  string          `json:"category"`
	Name      string          `json:"name"`
	Data      json.RawMessage `json:"data"`
	Timestamp string          `json:"timestamp"`
}

// newEvent makes a payload an event. The id is unique for a run and says where the payload is from.
func newEvent(run string, p payload, at time.Time) (sent, error) {
	var known struct {
		Action     string `json:"action"`
		Repository struct {
			FullName string `json:"full_name"`
		} `json:"repository"`
	}
	if err := json.Unmarshal(p.data, &known); err != nil {
		return sent{}, fmt.Errorf("read %s: %w", p.source, err)
	}
	return sent{
		ID: run + "/" + p.source, Category: p.event, Data: p.data, Timestamp: event.FormatTimestamp(at),
		Name: cmp.Or(known.Action, none), SessionID: cmp.Or(known.Repository.FullName, none),
	}, nil
}

// newEvents makes all payloads events, a millisecond apart from the given time on.
func newEvents(run string, payloads []payload, from time.Time) ([]sent, error) {
	events := make([]sent, len(payloads))
	for i, p := range payloads {
		var err error
		if events[i], err = newEvent(run, p, from.Add(time.Duration(i)*time.Millisecond)); err != nil {
			return nil, err
		}
	}
	return events, nil
}

// bodiesOf packs events into requests of at most size events and of no more bytes than TheEye takes. Data keeps its
// bytes as recorded, blanks included.
func bodiesOf(events []sent, size int) ([]body, error) {
	var bodies []body
	var b body
	for i := range events {
		text, err := encode(events[i])
		if err != nil {
			return nil, err
		}
		if b.events == size || b.events > 0 && len(b.text)+len(text)+len("[,]") > event.MaxRequestBytes {
			bodies = append(bodies, b.closed(size))
			b = body{}
		}
		b.text = append(append(b.text, separator(b.events)...), text...)
		b.events++
	}
	if b.events > 0 {
		bodies = append(bodies, b.closed(size))
	}
	return bodies, nil
}

// body is one request's.
type body struct {
	text   []byte
	events int
}

func separator(before int) string {
	if before == 0 {
		return ""
	}
	return ","
}

// closed makes an array of it, unless requests have one event each.
func (b body) closed(size int) body {
	if size > 1 {
		b.text = append(append([]byte("["), b.text...), ']')
	}
	return b
}

// encode writes an event with data as it is; json.Marshal would remove its blanks and escape < > &.
func encode(e sent) ([]byte, error) {
	const mark = `"data":null`
	data := e.Data
	e.Data = nil
	text, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encode event: %w", err)
	}
	return bytes.Replace(text, []byte(mark), append([]byte(`"data":`), data...), 1), nil
}
