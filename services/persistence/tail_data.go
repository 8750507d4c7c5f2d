package persistence

import (
	"bytes"
	"slices"

	"github.com/theeye-dev/theeye/api/event/jsonb"
)

// looker looks into the data of messages for one listener; its memory is reused.
type looker struct{ scanner jsonb.Scanner }

// wants tells whether a message's data is what is asked for. Of what was refused there is none; of what is too large for the
// tail nobody can say, and so it is told.
func (l *looker) wants(properties []Property, m *message) bool {
	if m.lost > 0 {
		return true
	}
	if m.Outcome != Stored && m.Outcome != Duplicate {
		return false
	}
	if bytes.HasSuffix(m.told, []byte(`,"omitted":true}`)) {
		return true
	}
	plain := bytes.IndexByte(m.told, '\\') < 0
	if plain && slices.ContainsFunc(properties, func(p Property) bool { return !p.possible(m.told) }) {
		return false
	}
	data, known := l.data(m.told)
	if !known {
		return true
	}
	for i := range properties {
		if !properties[i].holds(data) {
			return false
		}
	}
	return true
}

// data finds an event's data in what is told of it; nil: it has none. In what Told and Event make, these members come after
// nothing but strings, in which every quotation mark is escaped: no event can write them where they are looked for.
func (l *looker) data(told []byte) (data *jsonb.Value, known bool) {
	const name, next = `,"data":`, `,"timestamp":`
	at := bytes.Index(told, []byte(name))
	if end := bytes.Index(told, []byte(next)); at < 0 || end < at {
		return nil, true
	}
	l.scanner.Reset(told[at+len(name):])
	doc, _, fault, err := l.scanner.Scan()
	if err != nil || fault != nil {
		return nil, false // the door lets no such data in
	}
	root := doc.Root()
	return &root, true
}
