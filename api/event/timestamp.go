package event

import (
	"errors"
	"strings"
	"time"
)

// What is wrong with a timestamp, as its sender is told.
var (
	errTimestamp  = errors.New("neither RFC 3339 (2006-01-02T15:04:05.999999Z) nor YYYY-MM-DD HH:MM:SS[.ffffff]")
	errNoZone     = errors.New("without a time zone: end it with Z or an offset such as +02:00, or write YYYY-MM-DD HH:MM:SS, which is read as UTC")
	errDateAlone  = errors.New("a date without a time of day: write 2006-01-02T15:04:05Z, or YYYY-MM-DD HH:MM:SS")
	errWeekDate   = errors.New("a week date, which RFC 3339 does not have: write year, month and day, as in 2006-01-02T15:04:05Z")
	errOffset     = errors.New("with an offset that is not Z or like +02:00, with hours, colon and minutes, after a time that T parts from its date")
	errNoSuchTime = errors.New("there is no such day or time after 0001-01-01T00:00:00Z and before the year 10000")
	errLeapSecond = errors.New("second 60 is only where UTC inserts leap seconds: 23:59:60 UTC on the last day of June or December")
)

// maxTimestamp bounds what is worth parsing: RFC 3339 sets no end to the digits of a fraction.
const maxTimestamp = 64

// Where parts of a timestamp begin, in either form.
const (
	separatorAt = len("2006-01-02")
	secondsAt   = len("2006-01-02T15:04:")
	dateTimeEnd = len("2006-01-02T15:04:05")
)

// ParseTimestamp reads RFC 3339, or YYYY-MM-DD HH:MM:SS[.ffffff] as UTC. The answer is in UTC and cut to the
// microseconds that PostgreSQL keeps. It is never the zero time, which stands for an absent timestamp, and its year is
// within 1 and 9999. A leap second, which neither Go nor PostgreSQL can keep, is the last microsecond before it: so it
// stays on its day, after what was before it and before what comes after. Which of the ends of June and December have
// one is decided half a year ahead, and so not known here: each may.
func ParseTimestamp(text string) (time.Time, error) {
	if len(text) <= separatorAt || len(text) > maxTimestamp {
		return time.Time{}, formless(text)
	}
	b := append(make([]byte, 0, maxTimestamp+1), text...)
	if b[separatorAt] == ' ' {
		b[separatorAt] = 'T'
		b = append(b, 'Z')
	}
	for _, i := range [...]int{separatorAt, len(b) - 1} { // RFC 3339 lets T and Z be lower case
		if b[i] == 't' || b[i] == 'z' {
			b[i] -= 'a' - 'A'
		}
	}
	if !rfc3339(string(b)) {
		if rfc3339(string(b) + "Z") {
			return time.Time{}, errNoZone
		}
		return time.Time{}, formless(text)
	}
	leap := string(b[secondsAt:dateTimeEnd]) == "60"
	if leap {
		copy(b[secondsAt:], "59")
	}
	t, err := time.Parse(time.RFC3339Nano, string(b))
	t = t.UTC().Truncate(time.Microsecond)
	switch year := t.Year(); {
	case err != nil || year < 1 || year > 9999 || t.IsZero():
		return time.Time{}, errNoSuchTime
	case leap && !beforeLeapSecond(t):
		return time.Time{}, errLeapSecond
	case leap:
		t = t.Truncate(time.Second).Add(time.Second - time.Microsecond)
	}
	return t, nil
}

// beforeLeapSecond tells whether a leap second may follow a time's second. There were 27 from 1972 to 2016, all of
// them at the end of June or December (RFC 3339, section 5.7 and appendix D).
func beforeLeapSecond(t time.Time) bool {
	end := t.Month() == time.June && t.Day() == 30 || t.Month() == time.December && t.Day() == 31
	return end && t.Year() >= 1972 && t.Hour() == 23 && t.Minute() == 59 && t.Second() == 59
}

// rfc3339 tells whether text has the form of RFC 3339, section 5.6. time.Parse alone takes 9:15:27, a decimal comma
// and offsets such as +24:60 as well.
func rfc3339(text string) bool {
	const dateTime, offset = "0000-00-00T00:00:00", "+00:00"
	if len(text) <= dateTimeEnd || !digitsLike(dateTime, text[:dateTimeEnd]) {
		return false
	}
	rest := text[dateTimeEnd:]
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

// formless says what keeps a text from being a timestamp: the mistakes that are seen most have words of their own.
func formless(text string) error {
	begins := func(form string) bool { return len(text) >= len(form) && digitsLike(form, text[:len(form)]) }
	switch {
	case begins("0000-W00"), begins("0000W00"):
		return errWeekDate
	case len(text) == separatorAt && begins("0000-00-00"):
		return errDateAlone
	case begins("0000-00-00T00:00:00"), begins("0000-00-00 00:00:00"):
		if rest := strings.TrimLeft(text[dateTimeEnd:], ".0123456789"); strings.HasPrefix(rest, "+") || strings.HasPrefix(rest, "-") {
			return errOffset
		}
	}
	return errTimestamp
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
