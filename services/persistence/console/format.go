package console

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"html/template"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/event"
)

// functions of templates.
func (c *Console) functions() template.FuncMap {
	return template.FuncMap{
		"static": c.assets.url, "href": href, "count": count, "int64": func(n int) int64 { return int64(n) }, "plural": plural, "compact": compact, "clip": clip, "ago": c.ago, "clock": clock,
		"day": day, "duration": duration, "hue": hue, "outcomes": outcomes, "meaning": meaning, "whereabouts": whereabouts, "address": address, "text": text, "pretty": pretty, "add": func(a, b int) int { return a + b },
		"named": func(who *access, uid any) string { return who.title(text(uid)) },
		"dict":  dict, "split": strings.Fields,
		"clockable": clockable, "deref": func(b *bool) bool { return b != nil && *b }, "applications": applicationsText,
	}
}

// dict makes what a template is given of names and values.
func dict(pairs ...any) (map[string]any, error) {
	d := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("%v is no name", pairs[i])
		}
		d[name] = pairs[i+1]
	}
	return d, nil
}

// text of whatever names something.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case *uuid.UUID:
		if v == nil {
			return ""
		}
		return v.String()
	default:
		return fmt.Sprint(v)
	}
}

// title is how people call an application, or its UID where somebody may not know more.
func (a *access) title(uid string) string {
	if a != nil {
		for _, m := range a.Applications {
			if m.UID == uid {
				return m.Title()
			}
		}
	}
	return uid
}

// count writes a number with thin spaces between its thousands.
func count(n int64) string {
	digits, sign := strconv.FormatInt(n, 10), ""
	if n < 0 {
		sign, digits = "−", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "\u202f" + digits[i:]
	}
	return sign + digits
}

func plural(n int64, one, many string) string {
	if n == 1 {
		return count(n) + " " + one
	}
	return count(n) + " " + many
}

// compact writes JSON in one line.
func compact(raw json.RawMessage) string {
	return clip(strings.Join(strings.Fields(string(raw)), " "), 200)
}

// clip keeps the beginning of a text.
func clip(s string, n int) string {
	runes := []rune(s)
	if len(runes) <= n {
		return s
	}
	return string(runes[:n]) + "…"
}

// parsed reads a time as the API writes it.
func parsed(at any) (time.Time, bool) {
	switch at := at.(type) {
	case time.Time:
		return at, !at.IsZero()
	case *time.Time:
		if at == nil {
			return time.Time{}, false
		}
		return *at, true
	case string:
		t, err := time.Parse(time.RFC3339, at)
		return t, err == nil
	}
	return time.Time{}, false
}

// clock writes a time to the millisecond, in UTC.
func clock(at any) string {
	if t, ok := parsed(at); ok {
		return t.UTC().Format("2006-01-02 15:04:05.000")
	}
	return "–"
}

// day writes a time as a column of buckets has it.
func day(at any, bucket string) string {
	t, ok := parsed(at)
	switch {
	case !ok:
		return "–"
	case bucket == "day":
		return t.UTC().Format("Mon 2 Jan 2006")
	}
	return t.UTC().Format("Mon 2 Jan 15:04")
}

// ago says how long ago a time is.
func (c *Console) ago(at any) string {
	t, ok := parsed(at)
	if !ok {
		return ""
	}
	if d := c.Now().Sub(t); d >= 0 {
		return duration(d) + " ago"
	}
	return "in " + duration(t.Sub(c.Now()))
}

// duration in the two largest units at most.
func duration(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return strconv.FormatFloat(d.Truncate(100*time.Millisecond).Seconds(), 'f', -1, 64) + " s"
	case d < time.Hour:
		return parts(int64(d/time.Minute), "min", int64(d%time.Minute/time.Second), "s")
	case d < 48*time.Hour:
		return parts(int64(d/time.Hour), "h", int64(d%time.Hour/time.Minute), "min")
	}
	return parts(int64(d/(24*time.Hour)), "d", int64(d%(24*time.Hour)/time.Hour), "h")
}

func parts(large int64, unit string, small int64, smaller string) string {
	if small == 0 {
		return count(large) + " " + unit
	}
	return fmt.Sprintf("%s %s %d %s", count(large), unit, small, smaller)
}

// hues are the colours of applications in app.css.
const hues = 8

// hue is the same for an application everywhere.
func hue(uid any) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(text(uid))) // it never fails
	return "hue-" + strconv.Itoa(int(h.Sum32()%hues))
}

// outcomes in the order of columns.
func outcomes() []string { return []string{"stored", "duplicate", "conflict", "failed", "refused"} }

// address of a page with parameters, leaving out those without a value. It is written as a whole: of a part, a template
// would escape what parts it.
func address(path string, pairs ...string) string {
	if given := query(pairs...); given != "" {
		return path + "?" + given
	}
	return path
}

// query writes parameters, leaving out those without a value.
func query(pairs ...string) string {
	values := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			values.Set(pairs[i], pairs[i+1])
		}
	}
	return values.Encode()
}

// inputTime is a time as <input type="datetime-local"> has it.
func inputTime(at string) string {
	t, err := event.ParseTimestamp(at)
	if err != nil {
		return "" // the field takes nothing else; what is wrong is told beside the form
	}
	return t.UTC().Format("2006-01-02T15:04:05")
}

// apiTime reads what such an input sends, or people write, which means UTC here, and leaves alone what is none.
func apiTime(given string) string {
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02T15:04:05.999", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, given); err == nil {
			return event.FormatTimestamp(t)
		}
	}
	return given
}

// clockable writes a time as the API does.
func clockable(at any) string {
	if t, ok := parsed(at); ok {
		return event.FormatTimestamp(t)
	}
	return ""
}

// applicationsText tells the page's script what applications are called, and their colours.
func applicationsText(who *access) (string, error) {
	type named struct {
		Title string `json:"title"`
		Hue   string `json:"hue"`
	}
	all := map[string]named{}
	if who != nil {
		for _, m := range who.Applications {
			all[m.UID] = named{m.Title(), hue(m.UID)}
		}
	}
	written, err := json.Marshal(all)
	return string(written), err
}
