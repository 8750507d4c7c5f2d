package event

import (
	"errors"
	"strings"
	"time"
)

var errTimestamp = errors.New("neither RFC 3339 (2006-01-02T15:04:05.999999Z) nor YYYY-MM-DD HH:MM:SS[.ffffff]")

// maxTimestamp bounds what is worth parsing: RFC 3339 sets no end to the digits of a fraction.
const maxTimestamp = 64

// ParseTimestamp reads RFC 3339, or YYYY-MM-DD HH:MM:SS[.ffffff] as UTC. The answer is in UTC and cut to the
// microseconds that PostgreSQL keeps. It is never the zero time, which stands for an absent timestamp, and its year is
// within 1 and 9999. A leap second (:60) is refused: neither Go nor PostgreSQL can keep it.
func ParseTimestamp(text string) (time.Time, error) {
	const separator = len("2006-01-02") // its index
	if len(text) <= separator || len(text) > maxTimestamp {
		return time.Time{}, errTimestamp
	}
	b := append(make([]byte, 0, maxTimestamp+1), text...)
	if b[separator] == ' ' {
		b[separator] = 'T'
		b = append(b, 'Z')
	}
	for _, i := range [...]int{separator, len(b) - 1} { // RFC 3339 lets T and Z be lower case
		if b[i] == 't' || b[i] == 'z' {
			b[i] -= 'a' - 'A'
		}
	}
	if !rfc3339(string(b)) {
		return time.Time{}, errTimestamp
	}
	t, err := time.Parse(time.RFC3339Nano, string(b))
	t = t.UTC().Truncate(time.Microsecond)
	if year := t.Year(); err != nil || year < 1 || year > 9999 || t.IsZero() {
		return time.Time{}, errTimestamp
	}
	return t, nil
}

// rfc3339 tells whether text has the form of RFC 3339, section 5.6. time.Parse alone takes 9:15:27, a decimal comma
// and offsets such as +24:60 as well.
func rfc3339(text string) bool {
	const dateTime, offset = "0000-00-00T00:00:00", "+00:00"
	if len(text) <= len(dateTime) || !digitsLike(dateTime, text[:len(dateTime)]) {
		return false
	}
	rest := text[len(dateTime):]
	if rest[0] == '.' {
		whole := len(rest)
		rest = strings.TrimLeft(rest[1:], "0123456789")
		if whole-len(rest) < len(".0") {
			return false
		}
	}
	if rest == "Z" {
		return true
	}
	return len(rest) == len(offset) && (rest[0] == '+' || rest[0] == '-') && digitsLike(offset[1:], rest[1:]) &&
		rest[1:3] <= "23" && rest[4:] <= "59"
}

// digitsLike tells whether text has a digit wherever form has 0, and else the same bytes.
func digitsLike(form, text string) bool {
	for i := range len(form) {
		if form[i] == '0' && (text[i] < '0' || text[i] > '9') || form[i] != '0' && form[i] != text[i] {
			return false
		}
	}
	return true
}

// FormatTimestamp writes a time as every answer shows it: RFC 3339 in UTC with microseconds.
func FormatTimestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }
