package event

import (
	"errors"
	"time"
)

var errTimestamp = errors.New("neither RFC 3339 (2006-01-02T15:04:05.999999Z) nor YYYY-MM-DD HH:MM:SS[.ffffff]")

// ParseTimestamp reads RFC 3339, or YYYY-MM-DD HH:MM:SS[.ffffff] as UTC. The answer is in UTC and cut to the
// microseconds that PostgreSQL keeps.
func ParseTimestamp(text string) (time.Time, error) {
	layout := time.RFC3339Nano
	if len(text) > 10 && text[10] == ' ' {
		layout = time.DateTime
	}
	t, err := time.Parse(layout, text)
	if err != nil {
		return time.Time{}, errTimestamp
	}
	t = t.UTC()
	if year := t.Year(); year < 1 || year > 9999 {
		return time.Time{}, errTimestamp
	}
	return t.Truncate(time.Microsecond), nil
}

// FormatTimestamp writes a time as every answer shows it: RFC 3339 in UTC with microseconds.
func FormatTimestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }
