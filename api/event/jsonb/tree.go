package jsonb

import (
	"bytes"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Kind is the JSON type of a node.
type Kind uint8

// The kinds of JSON value.
const (
	Null Kind = iota
	Bool
	Number
	String
	Array
	Object
)

// String returns the JSON name of the kind, as error texts use it.
func (k Kind) String() string {
	return [...]string{"null", "boolean", "number", "string", "array", "object"}[k]
}

// node is one value (or one key) of a Doc. The children of a container follow it directly; an object's children
// alternate key and value.
type node struct {
	start, end int32 // span in the source, quotes and brackets included
	next       int32 // index of the first node that is not below this one
	kind       Kind
	escaped    bool // a string that has a backslash
}

// Doc is one scanned JSON value. It refers to the scanned bytes and to memory of its Scanner: it is valid until
// either changes, and like its Scanner not safe for concurrent use.
type Doc struct {
	src     []byte
	nodes   []node
	members []member // scratch of AppendCanonical, used as a stack
}

// Value is a place in a Doc.
type Value struct {
	doc *Doc
	at  int32
}

// Root returns the whole value.
func (d *Doc) Root() Value { return Value{d, 0} }

func (v Value) node() *node { return &v.doc.nodes[v.at] }

// Kind returns the value's JSON type.
func (v Value) Kind() Kind { return v.node().kind }

// Raw returns the value's bytes as they were sent; they must not be changed.
func (v Value) Raw() []byte {
	n := v.node()
	return v.doc.src[n.start:n.end:n.end]
}

// Text returns a string value decoded; it copies. Of any other kind it is empty.
func (v Value) Text() string {
	n := v.node()
	if n.kind != String {
		return ""
	}
	inner := v.doc.src[n.start+1 : n.end-1]
	if !n.escaped {
		return string(inner)
	}
	return string(unescape(make([]byte, 0, len(inner)), inner))
}

// text is Text without the copy: the source's own bytes where no escape needs decoding, else scratch, grown.
func (v Value) text(scratch []byte) []byte {
	n := v.node()
	inner := v.doc.src[n.start+1 : n.end-1]
	if !n.escaped {
		return inner
	}
	if cap(scratch) < len(inner) {
		scratch = make([]byte, 0, len(inner))
	}
	return unescape(scratch[:0], inner)
}

// Is tells whether a string value equals s, without copying.
func (v Value) Is(s string) bool {
	n := v.node()
	if n.kind != String {
		return false
	}
	if !n.escaped {
		return string(v.doc.src[n.start+1:n.end-1]) == s
	}
	return v.Text() == s
}

// Members yields an object's keys and values in the order they were sent.
func (v Value) Members(yield func(key, value Value) bool) {
	for at, end := v.at+1, v.node().next; at < end; {
		key, value := Value{v.doc, at}, Value{v.doc, at + 1}
		if !yield(key, value) {
			return
		}
		at = value.node().next
	}
}

// Elements yields an array's values in order.
func (v Value) Elements(yield func(value Value) bool) {
	for at, end := v.at+1, v.node().next; at < end; {
		value := Value{v.doc, at}
		if !yield(value) {
			return
		}
		at = value.node().next
	}
}

// unescape appends the decoded form of a string's inside, whose grammar the Scanner has checked.
func unescape(dst, src []byte) []byte {
	for {
		i := bytes.IndexByte(src, '\\')
		if i < 0 {
			return append(dst, src...)
		}
		dst = append(dst, src[:i]...)
		c := src[i+1]
		src = src[i+2:]
		if c != 'u' {
			dst = append(dst, unescaped[c])
			continue
		}
		r := hex4(src)
		src = src[4:]
		if utf16.IsSurrogate(r) && len(src) >= 6 && src[0] == '\\' && src[1] == 'u' {
			if pair := utf16.DecodeRune(r, hex4(src[2:])); pair != utf8.RuneError {
				r, src = pair, src[6:]
			}
		}
		dst = utf8.AppendRune(dst, r)
	}
}

var unescaped = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// hex4 reads four hexadecimal digits; it answers -1 when there are not four.
func hex4(b []byte) rune {
	if len(b) < 4 {
		return -1
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case 'A' <= c && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return -1
		}
	}
	return r
}

// PointerToken escapes one reference token of a JSON pointer (RFC 6901).
func PointerToken(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "~", "~0"), "/", "~1")
}
