package jsonb

import (
	"bytes"
	"slices"
	"strconv"
)

// AppendCanonical appends a form of the value that is the same for two texts exactly when jsonb holds them equal:
// members sorted by name, strings decoded and length-prefixed, numbers as digits and exponent without padding.
// It is meant for hashing, not for reading.
func (v Value) AppendCanonical(dst []byte) []byte {
	switch v.Kind() {
	case Number:
		return appendNumber(append(dst, '#'), v.Raw())
	case String:
		return appendString(dst, v.text(nil))
	case Array:
		dst = append(dst, '[')
		for e := range v.Elements {
			dst = e.AppendCanonical(dst)
		}
		return append(dst, ']')
	case Object:
		return v.appendObject(dst)
	default:
		return append(dst, v.Raw()[0]) // n, t or f
	}
}

type member struct {
	name []byte
	at   int32 // the value's node
}

// appendObject writes the members sorted by the bytes of their decoded names. The scratch may move while a member's
// own members are written: it is reached by index.
func (v Value) appendObject(dst []byte) []byte {
	d := v.doc
	base := len(d.members)
	for key, value := range v.Members {
		d.members = append(d.members, member{key.text(nil), value.at})
	}
	end := len(d.members)
	slices.SortFunc(d.members[base:], func(a, b member) int { return bytes.Compare(a.name, b.name) })
	dst = append(dst, '{')
	for i := base; i < end; i++ {
		m := d.members[i]
		dst = Value{d, m.at}.AppendCanonical(appendString(dst, m.name))
	}
	d.members = d.members[:base]
	return append(dst, '}')
}

func appendString(dst, text []byte) []byte {
	dst = append(dst, '"')
	dst = strconv.AppendInt(dst, int64(len(text)), 10)
	dst = append(dst, ':')
	return append(dst, text...)
}

// appendNumber writes a number as sign, significant digits and decimal exponent: 1, 1.0, 10e-1 are alike, and so are
// 0 and -0, which PostgreSQL's numeric does not tell apart.
func appendNumber(dst, raw []byte) []byte {
	var buf [MaxDigits]byte
	n := parseNumber(raw, buf[:0])
	if len(n.digits) == 0 {
		return append(dst, '0', ';')
	}
	if n.negative {
		dst = append(dst, '-')
	}
	dst = append(append(dst, n.digits...), 'e')
	return append(strconv.AppendInt(dst, int64(n.exponent), 10), ';')
}
