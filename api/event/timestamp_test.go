package event_test

import (
	"strings"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/api/event"
)

func TestParseTimestamp(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"2021-01-01T09:15:27Z":             "2021-01-01T09:15:27.000000Z",
		"2021-01-01T09:15:27.243860Z":      "2021-01-01T09:15:27.243860Z",
		"2021-01-01T09:15:27.5Z":           "2021-01-01T09:15:27.500000Z",
		"2021-01-01T09:15:27.123456789Z":   "2021-01-01T09:15:27.123456Z", // cut, not rounded
		"2021-01-01T09:15:27.999999999Z":   "2021-01-01T09:15:27.999999Z",
		"2021-01-01T09:15:27.9999999999Z":  "2021-01-01T09:15:27.999999Z",
		"2021-01-01T09:15:27+02:00":        "2021-01-01T07:15:27.000000Z",
		"2021-01-01T00:15:27.5-23:59":      "2021-01-02T00:14:27.500000Z",
		"2021-01-01T09:15:27-00:00":        "2021-01-01T09:15:27.000000Z",
		"2021-01-01t09:15:27z":             "2021-01-01T09:15:27.000000Z", // RFC 3339, section 5.6: case does not matter
		"2021-01-01 09:15:27":              "2021-01-01T09:15:27.000000Z",
		"2021-01-01 09:15:27.24386":        "2021-01-01T09:15:27.243860Z",
		"2021-01-01 09:15:27.243860":       "2021-01-01T09:15:27.243860Z",
		"2024-02-29T23:59:59Z":             "2024-02-29T23:59:59.000000Z",
		"1969-12-31T23:59:59.999999Z":      "1969-12-31T23:59:59.999999Z",
		"1969-12-31T23:59:59.9999999Z":     "1969-12-31T23:59:59.999999Z", // cut towards the past there, too
		"0001-01-01T00:00:00.000001Z":      "0001-01-01T00:00:00.000001Z",
		"9999-12-31T23:59:59.999999Z":      "9999-12-31T23:59:59.999999Z",
		"9999-12-31T23:59:59.999999+00:01": "9999-12-31T23:58:59.999999Z",
		"2016-12-31T23:59:60Z":             "2016-12-31T23:59:59.999999Z", // a leap second is the last moment of its day
		"2016-12-31T23:59:60.25Z":          "2016-12-31T23:59:59.999999Z",
		"2016-12-31 23:59:60":              "2016-12-31T23:59:59.999999Z",
		"1990-12-31T15:59:60-08:00":        "1990-12-31T23:59:59.999999Z", // RFC 3339, section 5.8
		"2017-01-01T05:29:60+05:30":        "2016-12-31T23:59:59.999999Z",
		"2026-06-30T23:59:60Z":             "2026-06-30T23:59:59.999999Z", // whether there is one is not known here
		"9999-12-31T23:59:60Z":             "9999-12-31T23:59:59.999999Z",
	} {
		got, err := event.ParseTimestamp(text)
		if err != nil || event.FormatTimestamp(got) != want || got.Location() != time.UTC {
			t.Errorf("%s is %v (%v), want %s", text, got, err, want)
		}
	}
}

func TestParseTimestampRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "now", "2021", "2021-01-01", "2021-01-01T", "2021-01-01 ", "1609492527", "Fri, 01 Jan 2021 09:15:27 GMT",
		"2021-01-01T09:15Z", "2021-01-01T09:15:27", "2021-01-01T09:15:27.Z", "2021-01-01T09:15:27,5Z", "2021-01-01 09:15:27,5",
		"2021-01-01T9:15:27Z", "2021-01-01 9:15:27", "2021-1-1T09:15:27Z", "21-01-01T09:15:27Z", "12021-01-01T09:15:27Z",
		"2021-13-01T09:15:27Z", "2021-00-01T09:15:27Z", "2021-02-29T09:15:27Z", "2021-01-32T09:15:27Z", "2021-01-00T09:15:27Z",
		"2021-01-01T24:00:00Z", "2021-01-01T09:60:27Z", "2021-01-01T23:59:60Z", "2016-12-31T23:59:61Z", "2016-12-31T23:58:60Z",
		"2016-12-31T22:59:60Z", "2016-12-31T23:59:60+01:00", "2016-12-30T23:59:60Z", "2017-03-31T23:59:60Z", "1971-12-31T23:59:60Z",
		"2021-01-01T09:15:27+0200", "2021-01-01T09:15:27+02", "2021-01-01T09:15:27+24:00", "2021-01-01T09:15:27+00:60", "2021-01-01T09:15:27 +02:00",
		"2021-01-01 09:15:27Z", "2021-01-01 09:15:27+02:00", "2021-01-01  09:15:27", " 2021-01-01T09:15:27Z", "2021-01-01T09:15:27Z ",
		"2021-01-01T09:15:27Zz", "2021-01-01T09:15:27UTC", "2021-01-01x09:15:27Z", "2021-01-01\x0009:15:27",
		"+2021-01-01T09:15:27Z", "-2021-01-01T09:15:27Z", "٢٠٢١-01-01T09:15:27Z",
		"0000-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00.0000009Z", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01",
		"2021-01-01T09:15:27." + strings.Repeat("0", 100) + "Z", "2021-01-01 " + strings.Repeat("0", 1<<20),
	} {
		if got, err := event.ParseTimestamp(text); err == nil {
			t.Errorf("%.60q is taken for %v", text, got)
		}
	}
}

// TestParseTimestampTells has one example for each thing that can be wrong.
func TestParseTimestampTells(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		"yesterday":                  "neither RFC 3339",
		"1609492527":                 "neither RFC 3339",
		"2021-01-01T09:15:27+0200":   "with hours, colon and minutes",
		"2021-01-01T09:15:27.5-02":   "with hours, colon and minutes",
		"2021-01-01 09:15:27+02:00":  "T parts from its date",
		"2021-01-01":                 "without a time of day",
		"2021-W01-5":                 "a week date",
		"2021W015T09:15:27Z":         "a week date",
		"2021-01-01T09:15:27+":       "an offset",
		"2021-01-01T09:15:27 UTC":    "neither RFC 3339",
		"2021-01-01T09:15:27":        "without a time zone",
		"2021-01-01T09:15:27.243860": "without a time zone",
		"2021-02-29T09:15:27Z":       "no such day or time",
		"2021-01-01 24:00:00":        "no such day or time",
		"0000-12-31T23:59:59Z":       "before the year 10000",
		"9999-12-31T23:59:59-00:01":  "before the year 10000",
		"2021-01-01T23:59:60Z":       "23:59:60 UTC on the last day of June or December",
		"2016-12-31T23:59:60+01:00":  "23:59:60 UTC on the last day of June or December",
	} {
		if _, err := event.ParseTimestamp(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v does not say %q", text, err, says)
		}
	}
}

func FuzzParseTimestamp(f *testing.F) {
	for _, text := range []string{
		"2021-01-01T09:15:27Z", "2021-01-01 09:15:27.5", "2021-01-01T09:15:27.123456789+02:00", "9999-12-31T23:59:59-00:01",
		"0001-01-01T00:00:00Z", "2021-01-01t09:15:27z", "", "T", "2021-01-01T09:15:60Z", "2016-12-31T23:59:60.5Z", "1990-12-31T15:59:60-08:00",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := event.ParseTimestamp(text)
		if err != nil {
			return
		}
		if got.IsZero() || got.Nanosecond()%1000 != 0 || got.Location() != time.UTC || got.Year() < 1 || got.Year() > 9999 {
			t.Fatalf("%q is %v", text, got)
		}
		if again, err := event.ParseTimestamp(event.FormatTimestamp(got)); err != nil || !again.Equal(got) {
			t.Fatalf("%q is %v, written and read again %v (%v)", text, got, again, err)
		}
		lax := strings.ToUpper(text)
		if text[10] == ' ' {
			lax = lax[:10] + "T" + lax[11:] + "Z"
		}
		if lax[17:19] == "60" { // a leap second, which Go does not read, is within the second before
			lax = lax[:17] + "59.999999" + strings.TrimLeft(lax[19:], ".0123456789")
		}
		if want, err := time.Parse(time.RFC3339Nano, lax); err != nil || got.Sub(want).Abs() >= time.Microsecond {
			t.Fatalf("%q is %v, time.Parse says %v (%v)", text, got, want, err)
		}
	})
}
