package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
)

// maxLines of one value are shown: a browser with more is slow, and nobody reads them.
const maxLines = 2000

// line is one of a value that is written over several.
type line struct {
	Indent string
	Key    string // with its quotes; "" in arrays
	Value  string
	Kind   string // class of the value: string, number, literal, mark
	Comma  bool
	Marked bool
	Notes  []string
}

// prettied is a value as people read it.
type prettied struct {
	Lines []line
	Raw   string // instead, where it is no JSON
	More  bool   // there are more lines
}

// pretty writes JSON over lines, and marks those at the places that pointers lead to.
func pretty(raw json.RawMessage, pointers ...string) prettied { return marked(raw, notes(pointers)) }

func notes(pointers []string) map[string][]string {
	m := map[string][]string{}
	for _, p := range pointers {
		m[p] = nil
	}
	return m
}

// marked is pretty with what is to be said at the places.
func marked(raw []byte, at map[string][]string) prettied {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	p := &printer{decoder: d, at: at}
	err := p.value("", "", "")
	if _, trailing := d.Token(); err != nil || !errors.Is(trailing, io.EOF) {
		return prettied{Raw: clip(strings.ToValidUTF8(string(raw), "\uFFFD"), 64<<10)}
	}
	shown := prettied{Lines: p.lines}
	if len(p.lines) > maxLines {
		shown.Lines, shown.More = p.lines[:maxLines], true
	}
	return shown
}

// maxDepth is more than any event may have; what is deeper is no event, and would be wider than it is long.
const maxDepth = 100

var errDeep = errors.New("too deep")

// printer reads tokens and writes lines.
type printer struct {
	decoder *json.Decoder
	at      map[string][]string
	lines   []line
}

func (p *printer) add(indent, key, value, kind, pointer string) {
	notes, marked := p.at[pointer]
	p.lines = append(p.lines, line{Indent: indent, Key: key, Value: value, Kind: kind, Marked: marked, Notes: notes})
}

func (p *printer) value(indent, key, pointer string) error {
	token, err := p.decoder.Token()
	if err != nil {
		return err //nolint:wrapcheck // it only tells that this is no JSON
	}
	switch token := token.(type) {
	case json.Delim:
		return p.container(indent, key, pointer, token)
	case string:
		p.add(indent, key, quoted(token), "string", pointer)
	case json.Number:
		p.add(indent, key, token.String(), "number", pointer)
	case bool:
		p.add(indent, key, strconv.FormatBool(token), "literal", pointer)
	default:
		p.add(indent, key, "null", "literal", pointer)
	}
	return nil
}

func (p *printer) container(indent, key, pointer string, open json.Delim) error {
	if len(indent) > 2*maxDepth {
		return errDeep
	}
	begin := len(p.lines)
	p.add(indent, key, open.String(), "bracket", pointer)
	for i := 0; p.decoder.More(); i++ {
		if i > 0 {
			p.lines[len(p.lines)-1].Comma = true
		}
		name, step := "", strconv.Itoa(i)
		if open == '{' {
			token, err := p.decoder.Token()
			if err != nil {
				return err //nolint:wrapcheck // as above
			}
			step, _ = token.(string)
			name = quoted(step)
		}
		if err := p.value(indent+"  ", name, pointer+"/"+escape(step)); err != nil {
			return err
		}
	}
	end, err := p.decoder.Token()
	if err != nil {
		return err //nolint:wrapcheck // as above
	}
	closing, _ := end.(json.Delim)
	if len(p.lines) == begin+1 {
		p.lines[begin].Value += closing.String()
		return nil
	}
	p.lines = append(p.lines, line{Indent: indent, Value: closing.String(), Kind: "bracket"})
	return nil
}

// quoted writes a text as JSON does, and leaves <, > and & as they are.
func quoted(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a text
	return strings.TrimSuffix(b.String(), "\n")
}

// escape writes a step of a JSON pointer (RFC 6901).
func escape(step string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(step) }

// unescape reads one.
func unescape(step string) string { return strings.NewReplacer("~1", "/", "~0", "~").Replace(step) }
