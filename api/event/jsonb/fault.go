package jsonb

import (
	"fmt"
	"strconv"
	"strings"
)

// fail records the first fault of a value, with the place it is at.
func (s *Scanner) fail(code FaultCode, detail string) {
	if s.fault == nil {
		s.fault = &Fault{Code: code, Detail: detail, Pointer: s.pointer(min(len(s.kinds), MaxDepth))}
	}
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
		b.WriteString("/" + PointerToken(Value{s.sofar(), at}.Text()))
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
		s.failAt(FaultKeys, fmt.Sprintf("an object has %d members, more than the %d allowed", count, MaxKeys))
		return
	}
	if repeated, ok := s.keys.repeated(v, count); ok {
		name := repeated.Text()
		s.failAt(FaultDuplicateKey, fmt.Sprintf("the member %q occurs twice", name))
		s.fault.Pointer += "/" + PointerToken(name)
	}
}

// failAt faults the innermost open container, not the member or element that was read last in it.
func (s *Scanner) failAt(code FaultCode, detail string) {
	if s.fault == nil {
		s.fault = &Fault{Code: code, Detail: detail, Pointer: s.pointer(len(s.kinds) - 1)}
	}
}
