package event

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/theeye-dev/theeye/api/event/jsonb"
)

// Lines calls yield for each line of NDJSON that is not blank, as Split does for each event, with the line's number
// from 1. A line that is no JSON value is refused alone, for where the next one begins is known.
func (s *Splitter) Lines(body []byte, maxEventBytes int, yield func(line int, raw []byte, doc *jsonb.Doc, refusal *Refusal)) error {
	s.scanner.MaxBytes, s.scanner.Rest = maxEventBytes, s.Rest
	events, line := 0, 0
	for rest := body; len(rest) > 0; {
		var text []byte
		text, rest, _ = bytes.Cut(rest, []byte{'\n'})
		line++
		indented := len(text)
		text = bytes.TrimLeft(text, " \t\r")
		indented -= len(text)
		if text = bytes.TrimRight(text, " \t\r"); len(text) == 0 {
			continue
		}
		if events++; events > MaxEvents {
			return ErrTooManyEvents
		}
		s.single(text, func(raw []byte, doc *jsonb.Doc, refusal *Refusal) { yield(line, raw, doc, refusal) },
			func(_, column int) string { return fmt.Sprintf(" at column %d", indented+column) })
	}
	if events == 0 {
		return ErrNoEvents
	}
	return nil
}

// One calls yield for a text that was cut out of a body before and is to be one event, with its document or the fault that
// makes it unfit: what Lines says of a line of this text, but for the places, which are told with lines.
func (s *Splitter) One(text []byte, maxEventBytes int, yield func(doc *jsonb.Doc, refusal *Refusal)) {
	s.scanner.MaxBytes, s.scanner.Rest = maxEventBytes, s.Rest
	s.single(text, func(_ []byte, doc *jsonb.Doc, refusal *Refusal) { yield(doc, refusal) },
		func(line, column int) string { return fmt.Sprintf(" at line %d, column %d", line, column) })
}

// single reads a text without white space around it that is to be one event.
func (s *Splitter) single(text []byte, yield func([]byte, *jsonb.Doc, *Refusal), place func(line, column int) string) {
	sc := &s.scanner
	sc.Reset(text)
	if limit := sc.MaxBytes; limit > 0 && len(text) > limit { // before its syntax: what is kept of it is cut by this reason
		yield(text, nil, &Refusal{Code: CodeTooLarge, Detail: fmt.Sprintf("%d bytes are more than the %d allowed", len(text), limit)})
		return
	}
	var err error
	if bytes.HasPrefix(text, []byte("\uFEFF")) {
		err = sc.Fail("the text begins with a byte order mark")
	} else if err = s.one(func(raw []byte, doc *jsonb.Doc, refusal *Refusal) {
		if !sc.More() {
			yield(raw, doc, refusal)
		}
	}, func(f *jsonb.Fault) string { return place(f.Line, f.Column) }); err == nil && sc.More() {
		err = sc.Fail("text after the end of the JSON value")
	}
	if syntax, ok := errors.AsType[*jsonb.SyntaxError](err); ok {
		yield(text, nil, &Refusal{Code: CodeSyntax, Pointer: syntax.Pointer, Detail: syntax.Detail + place(syntax.Line, syntax.Column)})
	}
}
