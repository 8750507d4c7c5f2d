package jsonb

import (
	"fmt"
	"runtime"
	"strconv"
	"time"
)

// stretch is how many bytes are read at a time, some 0.3 ms of short values. Then whoever waits for the processor has it
// first: Go takes it from a goroutine only after 10 ms.
const stretch = 32 << 10

// Scanner scans JSON values. Its memory is reused from value to value; it is not safe for concurrent use.
type Scanner struct {
	MaxBytes int           // values longer than this get FaultSize and no nodes past it; 0 is no limit
	Rest     time.Duration // how long other processes have the processor after every 32 KiB; 0: goroutines that wait have it

	src    []byte
	pos    int
	begin  int
	rested int // where others had the processor last; negative: in a text before this one
	marked int // where to look up next: others want the processor, or the value is becoming too large
	doc    Doc
	nodes  []node
	kinds  []byte          // '[' or '{' of every open container: input may nest far beyond MaxDepth
	open   [MaxDepth]int32 // node of each open container within MaxDepth
	cursor [MaxDepth]int32 // per open container: node of the newest key, or count of begun elements
	fault  *Fault
	mute   bool // nodes are no longer recorded: the value is too deep or too large
	keys   keySet

	located place // the one asked for last; its line is 0 before there is one
}

// Reset points the scanner at new text, of less than 2 GiB: a node keeps its place in 32 bits.
func (s *Scanner) Reset(src []byte) {
	s.rested -= s.pos
	s.src, s.pos, s.marked, s.kinds, s.located, s.doc = src, 0, 0, s.kinds[:0], place{}, Doc{}
}

// More tells whether anything but white space is left.
func (s *Scanner) More() bool {
	s.space()
	return s.pos < len(s.src)
}

// Peek skips white space and returns the next byte, or 0 at the end.
func (s *Scanner) Peek() byte {
	if s.pos < len(s.src) && s.src[s.pos] > ' ' {
		return s.src[s.pos]
	}
	return s.next()
}

func (s *Scanner) next() byte {
	s.space()
	if s.pos == len(s.src) {
		return 0
	}
	return s.src[s.pos]
}

// Skip consumes the byte that Peek returned.
func (s *Scanner) Skip() { s.pos++ }

// Scan reads one value. The raw bytes are returned in any case but a syntax error; with a fault the Doc may be
// incomplete and is nil.
func (s *Scanner) Scan() (doc *Doc, raw []byte, fault *Fault, err error) {
	s.space()
	s.nodes, s.kinds, s.fault, s.mute, s.begin = s.nodes[:0], s.kinds[:0], nil, false, s.pos
	s.mark()
	if err := s.value(); err != nil {
		return nil, nil, nil, err
	}
	raw = s.src[s.begin:s.pos:s.pos]
	if s.MaxBytes > 0 && len(raw) > s.MaxBytes {
		return nil, raw, &Fault{Code: FaultSize, Detail: fmt.Sprintf("%d bytes are more than the %d allowed", len(raw), s.MaxBytes)}, nil
	}
	if s.fault != nil {
		return nil, raw, s.fault, nil
	}
	return s.sofar(), raw, nil, nil
}

// Skim reads one value and tells whether it is JSON, with no document and no regard to faults: it takes next to no memory.
func (s *Scanner) Skim() error {
	s.space()
	s.nodes, s.kinds, s.fault, s.mute, s.begin = s.nodes[:0], s.kinds[:0], nil, true, s.pos
	s.mark()
	return s.value()
}

// sofar is the document as far as it was read.
func (s *Scanner) sofar() *Doc {
	s.doc.src, s.doc.nodes = s.src, s.nodes
	return &s.doc
}

func (s *Scanner) space() {
	for s.pos < len(s.src) && s.src[s.pos] <= ' ' {
		switch s.src[s.pos] {
		case ' ', '\n', '\t', '\r':
			s.pos++
		default:
			return
		}
	}
}

// value reads one value of any depth without recursion: hostile text nests millions deep.
func (s *Scanner) value() error {
	for {
		opened, err := s.begun()
		if err != nil {
			return err
		}
		if opened {
			continue
		}
		for { // a value has ended: what may follow is up to the container around it
			if len(s.kinds) == 0 {
				return nil
			}
			again, err := s.ended()
			if err != nil {
				return err
			}
			if again {
				break
			}
		}
	}
}

// mark sets where to look up next.
func (s *Scanner) mark() {
	s.marked = s.rested + stretch
	if s.MaxBytes > 0 && !s.mute {
		s.marked = min(s.marked, s.begin+s.MaxBytes)
	}
}

// lookUp is called where it was marked, and between two values at the earliest.
func (s *Scanner) lookUp() {
	if s.pos-s.rested > stretch {
		s.rested = s.pos
		if s.Rest > 0 {
			time.Sleep(s.Rest) //nolint:forbidigo // it waits for nothing, and less than a context takes to end it
		} else {
			runtime.Gosched()
		}
	}
	if s.MaxBytes > 0 && s.pos-s.begin > s.MaxBytes {
		s.mute = true
	}
	s.mark()
}

// begun reads a scalar or the opening of a container; opened says that a value is expected next.
func (s *Scanner) begun() (opened bool, err error) {
	c := s.Peek()
	if s.pos > s.marked {
		s.lookUp()
	}
	if d := len(s.kinds); d > 0 && d <= MaxDepth && s.kinds[d-1] == '[' {
		s.cursor[d-1]++
	}
	switch {
	case c == '{':
		s.push(c, Object)
		if s.Peek() == '}' {
			s.pop()
			return false, nil
		}
		return true, s.key()
	case c == '[':
		s.push(c, Array)
		if s.Peek() == ']' {
			s.pop()
			return false, nil
		}
		return true, nil
	case c == '"':
		return false, s.str()
	case c == '-' || '0' <= c && c <= '9':
		return false, s.number()
	case c == 't':
		return false, s.literal("true", Bool)
	case c == 'f':
		return false, s.literal("false", Bool)
	case c == 'n':
		return false, s.literal("null", Null)
	case s.pos == len(s.src):
		return false, s.Fail("unexpected end of JSON")
	}
	return false, s.Fail("expected a JSON value, found " + quoteByte(c))
}

// ended reads what follows a value: a comma (again: a value is expected next) or the closing of its container.
func (s *Scanner) ended() (again bool, err error) {
	object := s.kinds[len(s.kinds)-1] == '{'
	within := len(s.kinds) - 1 // what is wrong here is the container's fault, not that of the member or element before
	switch c := s.Peek(); {
	case c == ',' && object:
		s.pos++
		return true, s.key()
	case c == ',':
		s.pos++
		return true, nil
	case c == '}' && object, c == ']' && !object:
		s.pop()
		return false, nil
	case s.pos == len(s.src):
		return false, s.failed("unexpected end of JSON", within)
	case object:
		return false, s.failed("expected ',' or '}' after a member, found "+quoteByte(c), within)
	default:
		return false, s.failed("expected ',' or ']' after an element, found "+quoteByte(c), within)
	}
}

func (s *Scanner) push(c byte, kind Kind) {
	d := len(s.kinds)
	if d == MaxDepth {
		s.fail(s.pos, FaultDepth, "nested deeper than "+strconv.Itoa(MaxDepth))
		s.mute = true
	}
	if d < MaxDepth {
		s.open[d], s.cursor[d] = int32(len(s.nodes)), 0
	}
	s.kinds = append(s.kinds, c)
	s.add(s.pos, kind, false)
	s.pos++
}

func (s *Scanner) pop() {
	s.pos++
	d := len(s.kinds) - 1
	object := s.kinds[d] == '{'
	if !s.mute {
		n := &s.nodes[s.open[d]]
		n.end, n.next = int32(s.pos), int32(len(s.nodes))
		if object {
			s.uniqueKeys(s.open[d])
		}
	}
	s.kinds = s.kinds[:d]
}

func (s *Scanner) add(start int, kind Kind, escaped bool) {
	if !s.mute {
		s.nodes = append(s.nodes, node{int32(start), int32(s.pos), int32(len(s.nodes) + 1), kind, escaped})
	}
}

// key reads a member's name and its colon.
func (s *Scanner) key() error {
	if d := len(s.kinds); d <= MaxDepth { // of a muted text no name is kept: a pointer then ends at the object
		s.cursor[d-1] = int32(len(s.nodes))
	}
	if c := s.Peek(); c != '"' {
		if s.pos == len(s.src) {
			return s.Fail("unexpected end of JSON")
		}
		return s.Fail("expected a member name in double quotes, found " + quoteByte(c))
	}
	start := s.pos
	if err := s.str(); err != nil {
		return err
	}
	if s.pos-start-2 > MaxKeyBytes && !s.mute { // escapes only make the decoded form shorter
		if name := (Value{s.sofar(), int32(len(s.nodes) - 1)}).Text(); len(name) > MaxKeyBytes {
			s.failAt(int32(len(s.nodes)-1), FaultKeys, fmt.Sprintf("a member name has %d bytes, more than the %d allowed", len(name), MaxKeyBytes))
		}
	}
	switch c := s.Peek(); {
	case c == ':':
		s.pos++
		return nil
	case s.pos == len(s.src):
		return s.Fail("unexpected end of JSON")
	default:
		return s.Fail("expected ':' after a member name, found " + quoteByte(c))
	}
}
