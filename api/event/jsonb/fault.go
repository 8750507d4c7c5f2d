package jsonb

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// place is where something stands in the text: for people, whose editors count lines and characters.
type place struct{ offset, line, column int }

// locate finds the line and column of an offset. It counts on from the place that was asked for before: a body may have
// thousands of faults, and counting from its beginning for each would cost more than all else.
func (s *Scanner) locate(offset int) place {
	p := s.located
	if p.line == 0 || offset < p.offset {
		p = place{line: 1, column: 1}
	}
	between := s.src[p.offset:offset]
	if last := bytes.LastIndexByte(between, '\n'); last >= 0 {
		p.line, p.column = p.line+bytes.Count(between, []byte{'\n'}), 1
		between = between[last+1:]
	}
	p.column += utf8.RuneCount(between)
	p.offset = offset
	s.located = p
	return p
}

// Fail returns a SyntaxError at the present position, of what is being read there.
func (s *Scanner) Fail(detail string) *SyntaxError { return s.failed(detail, len(s.kinds)) }

// failed returns a SyntaxError in one of the outermost depth containers' members or elements.
func (s *Scanner) failed(detail string, depth int) *SyntaxError {
	p := s.locate(s.pos)
	return &SyntaxError{Offset: p.offset, Line: p.line, Column: p.column, Detail: detail, Pointer: s.pointer(min(depth, MaxDepth))}
}

// fail records the first fault of a value, with the place it is at.
func (s *Scanner) fail(offset int, code FaultCode, detail string) {
	s.record(offset, code, detail, len(s.kinds))
}

func (s *Scanner) record(offset int, code FaultCode, detail string, depth int) {
	if s.fault == nil {
		p := s.locate(offset)
		s.fault = &Fault{Code: code, Detail: detail, Pointer: s.pointer(min(depth, MaxDepth)), Line: p.line, Column: p.column}
	}
}

// failText faults the string that is being read, which may be a member's name: the pointer then ends at its object, for
// a name that cannot be told leads nowhere.
func (s *Scanner) failText(offset int, code FaultCode, lacks string) {
	what := "a string "
	if d := len(s.kinds); d > 0 && d <= MaxDepth && s.kinds[d-1] == '{' && int(s.cursor[d-1]) >= len(s.nodes) {
		what = "a member name "
	}
	s.fail(offset, code, what+lacks)
}

// pointer names the member or element that is being read within the outermost depth containers.
func (s *Scanner) pointer(depth int) string {
	var b strings.Builder
	for d := range depth {
		if s.kinds[d] == '[' {
			b.WriteString("/" + strconv.Itoa(max(0, int(s.cursor[d])-1)))
			continue
		}
		at := s.cursor[d]
		if int(at) >= len(s.nodes) || at == 0 { // the fault is in the name itself, or the text is muted
			break
		}
		name := Value{s.sofar(), at}.Text()
		if len(name) > MaxKeyBytes { // which is a fault; a syntax error that comes later need not repeat megabytes
			break
		}
		b.WriteString("/" + PointerToken(name))
	}
	return b.String()
}

// uniqueKeys faults an object that has two members of one name, or too many.
func (s *Scanner) uniqueKeys(object int32) {
	if s.fault != nil {
		return
	}
	v, count := Value{s.sofar(), object}, 0
	for range v.Members {
		count++
	}
	if count > MaxKeys {
		s.failAt(s.open[len(s.kinds)-1], FaultKeys, fmt.Sprintf("an object has %d members, more than the %d allowed", count, MaxKeys))
		return
	}
	if repeated, ok := s.keys.repeated(v, count); ok {
		name := repeated.Text()
		s.failAt(repeated.at, FaultDuplicateKey, fmt.Sprintf("the member %q occurs twice", name))
		s.fault.Pointer += "/" + PointerToken(name)
	}
}

// failAt faults the innermost open container, not the member or element that was read last in it; node is what begins
// where the fault does.
func (s *Scanner) failAt(node int32, code FaultCode, detail string) {
	s.record(int(s.nodes[node].start), code, detail, len(s.kinds)-1)
}
