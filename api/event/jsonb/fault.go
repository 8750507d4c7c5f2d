package jsonb

import (
	"bytes"
	"fmt"
	"slices"
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
		name := Value{&Doc{s.src, s.nodes}, at}.Text()
		b.WriteString("/" + PointerToken(strings.ToValidUTF8(name, "\uFFFD")))
	}
	return b.String()
}

// pairwise is up to how many members comparing every pair beats sorting.
const pairwise = 12

// uniqueKeys faults an object that has two members of one name, or too many.
func (s *Scanner) uniqueKeys(object int32) {
	if s.fault != nil {
		return
	}
	doc := &Doc{s.src, s.nodes}
	v := Value{doc, object}
	count := 0
	for range v.Members {
		count++
	}
	if count > MaxKeys {
		s.failAt(FaultKeys, fmt.Sprintf("an object has %d members, more than the %d allowed", count, MaxKeys))
		return
	}
	if count < 2 {
		return
	}
	if count > pairwise {
		keys := sortedMembers(v)
		for i := range keys[1:] {
			if bytes.Equal(keys[i].key, keys[i+1].key) {
				s.duplicate(string(keys[i].key))
				return
			}
		}
		return
	}
	for at := object + 1; at < doc.nodes[object].next; at = doc.nodes[at+1].next {
		s.keyA = append(s.keyA[:0], Value{doc, at}.text(s.keyA)...)
		for other := object + 1; other < at; other = doc.nodes[other+1].next {
			o := Value{doc, other}
			if n := o.node(); !n.escaped && int(n.end-n.start)-2 != len(s.keyA) {
				continue
			}
			if bytes.Equal(s.keyA, o.text(s.keyB)) {
				s.duplicate(string(s.keyA))
				return
			}
		}
	}
}

func (s *Scanner) duplicate(name string) {
	s.failAt(FaultDuplicateKey, fmt.Sprintf("the member %q occurs twice", name))
	s.fault.Pointer += "/" + PointerToken(name)
}

// failAt faults the container that is being closed, not the member read last in it.
func (s *Scanner) failAt(code FaultCode, detail string) {
	s.fault = &Fault{Code: code, Detail: detail, Pointer: s.pointer(len(s.kinds) - 1)}
}

type member struct {
	key   []byte
	value Value
}

// sortedMembers lists an object's members by the bytes of their decoded names.
func sortedMembers(v Value) []member {
	var members []member
	for key, value := range v.Members {
		members = append(members, member{key.text(nil), value})
	}
	slices.SortFunc(members, func(a, b member) int { return bytes.Compare(a.key, b.key) })
	return members
}
