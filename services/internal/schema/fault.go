package schema

import "strings"

// maxDetail is how many bytes a text has at most: it goes into conditions and verdicts beside others.
const maxDetail = 300

// Fault says what is wrong with a schema.
type Fault struct {
	Pointer string // RFC 6901, into the schema; "" is the whole of it
	Detail  string
}

// Error returns pointer and detail as one line.
func (f *Fault) Error() string {
	if f.Pointer == "" {
		return f.Detail
	}
	return f.Pointer + ": " + f.Detail
}

// Mismatch says in what a value does not conform to a schema.
type Mismatch struct {
	Pointer string // RFC 6901, into the value; "" is the whole of it
	Keyword string // the schema's keyword that it fails
	Detail  string // never shows the value's own texts or numbers, but may name its members
}

// clip shortens a text to at most size bytes, between two characters.
func clip(text string, size int) string {
	if len(text) <= size {
		return text
	}
	return strings.ToValidUTF8(text[:size-len("…")], "") + "…"
}
