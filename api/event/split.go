package event

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/theeye-dev/theeye/api/event/jsonb"
)

// Errors of a request that cannot be split into events, beside jsonb.SyntaxError.
var (
	ErrNoEvents      = errors.New("the body holds no event")
	ErrTooManyEvents = fmt.Errorf("more than %d events in one request", MaxEvents)
)

// Splitter splits a request's body into events. Its memory is reused; it is not safe for concurrent use.
type Splitter struct {
	// Rewritten says that bodies are not as their sender wrote them: no fault is told with line and column.
	Rewritten bool
	// Rest is a jsonb.Scanner's.
	Rest time.Duration

	scanner jsonb.Scanner
}

// Split calls yield for each event of a body that is one JSON value or a JSON array of them: with its bytes and either
// its document or the fault that makes it unfit to store. Both are valid only during the call, the bytes for as long
// as the body. A body that stops being JSON somewhere yields what stands before and returns a *jsonb.SyntaxError, whose
// pointer leads into the body.
func (s *Splitter) Split(body []byte, maxEventBytes int, yield func(raw []byte, doc *jsonb.Doc, refusal *Refusal)) (array bool, err error) {
	sc := &s.scanner
	sc.MaxBytes, sc.Rest = maxEventBytes, s.Rest
	sc.Reset(body)
	if bytes.HasPrefix(body, []byte("\uFEFF")) {
		return false, sc.Fail("the body begins with a byte order mark")
	}
	if !sc.More() {
		return false, ErrNoEvents
	}
	if sc.Peek() == '[' {
		return true, s.array(yield)
	}
	if err := s.one(yield, s.place); err != nil {
		return false, err
	}
	return false, s.end()
}

// Forget lets go of the body, and keeps the memory.
func (s *Splitter) Forget() { s.scanner.Reset(nil) }

func (s *Splitter) array(yield func([]byte, *jsonb.Doc, *Refusal)) error {
	sc := &s.scanner
	sc.Skip()
	if sc.Peek() == ']' {
		return ErrNoEvents
	}
	for n := 1; ; n++ {
		if n > MaxEvents {
			return ErrTooManyEvents
		}
		if err := s.one(yield, s.place); err != nil {
			return within(n-1, err)
		}
		switch sc.Peek() {
		case ',':
			sc.Skip()
		case ']':
			sc.Skip()
			return s.end()
		default:
			return sc.Fail("expected ',' or ']' after an event")
		}
	}
}

// within makes the pointer of an event's syntax error one into the array of events.
func within(index int, err error) error {
	if syntax, ok := errors.AsType[*jsonb.SyntaxError](err); ok {
		syntax.Pointer = "/" + strconv.Itoa(index) + syntax.Pointer
	}
	return err
}

// place tells where in the body a fault is.
func (s *Splitter) place(f *jsonb.Fault) string {
	if s.Rewritten {
		return ""
	}
	return fmt.Sprintf(" at line %d, column %d", f.Line, f.Column)
}

// one reads an event; place tells of a fault where it is.
func (s *Splitter) one(yield func([]byte, *jsonb.Doc, *Refusal), place func(*jsonb.Fault) string) error {
	doc, raw, fault, err := s.scanner.Scan()
	if err != nil {
		return err
	}
	var refusal *Refusal
	if fault != nil {
		refusal = &Refusal{Code: Code(fault.Code), Detail: fault.Detail, Pointer: fault.Pointer}
		if fault.Code == jsonb.FaultSize { // which is of the whole event
			refusal.Code = CodeTooLarge
		} else {
			refusal.Detail += place(fault)
		}
	}
	yield(raw, doc, refusal)
	return nil
}

func (s *Splitter) end() error {
	if s.scanner.More() {
		return s.scanner.Fail("text after the end of the JSON value")
	}
	return nil
}
