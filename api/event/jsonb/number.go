package jsonb

import (
	"bytes"
	"cmp"
	"strconv"
)

// number is the value of a number: digits, of which the first and the last are not 0, times ten to the exponent. Zero has
// no digits.
type number struct {
	negative bool
	digits   []byte
	exponent int
}

// parseNumber reads what the Scanner has let pass; the digits are appended to buf.
func parseNumber(raw, buf []byte) (n number) {
	if n.negative = raw[0] == '-'; n.negative {
		raw = raw[1:]
	}
	if i := bytes.IndexAny(raw, "eE"); i >= 0 {
		n.exponent, _ = strconv.Atoi(string(raw[i+1:])) // within MaxExponent: the scanner has seen it
		raw = raw[:i]
	}
	whole, fraction, _ := bytes.Cut(raw, []byte{'.'})
	n.exponent -= len(fraction)
	digits := bytes.TrimLeft(append(append(buf, whole...), fraction...), "0")
	n.digits = bytes.TrimRight(digits, "0")
	n.exponent += len(digits) - len(n.digits)
	return n
}

// CompareNumbers orders two numbers that a Scanner has let pass by their exact values, as PostgreSQL's numeric does: -1, 0
// or +1.
func CompareNumbers(a, b []byte) int {
	var bufA, bufB [MaxDigits]byte
	x, y := parseNumber(a, bufA[:0]), parseNumber(b, bufB[:0])
	if order := cmp.Compare(x.sign(), y.sign()); order != 0 || x.sign() == 0 {
		return order
	}
	// The place of the first digit decides, and then the digits as they follow it.
	order := cmp.Or(cmp.Compare(len(x.digits)+x.exponent, len(y.digits)+y.exponent), bytes.Compare(x.digits, y.digits))
	return x.sign() * order
}

func (n number) sign() int {
	switch {
	case len(n.digits) == 0:
		return 0
	case n.negative:
		return -1
	}
	return 1
}
