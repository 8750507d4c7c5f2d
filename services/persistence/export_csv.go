package persistence

import (
	"encoding/csv"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

// The forms of an export. That of a table is for people, who open it with a spreadsheet, unless it says otherwise.
const (
	formatNDJSON = "ndjson"
	formatCSV    = "csv"
	formatCSVRaw = "csv-raw"
)

// checkFormat refuses what is no form of an export; none is NDJSON.
func (x *exportQuestion) checkFormat() error {
	switch x.Format {
	case "", formatNDJSON, formatCSV, formatCSVRaw:
		return nil
	}
	return fault.OfParameter("format", fault.New(fault.CodeParameter, fmt.Sprintf("format %q is none of ndjson, csv and csv-raw", x.Format)))
}

// table tells whether the form is one of RFC 4180.
func (x *exportQuestion) table() bool { return x.Format == formatCSV || x.Format == formatCSVRaw }

// rows are lines of a table, the first of which has its heads. flush and end are those of what is written to.
func (x *export) rows(w io.Writer, flush, end func() error) lines {
	table := csv.NewWriter(w)
	var shown []field
	var heads []string
	for _, f := range fields() {
		if x.shows(f.name) {
			shown, heads = append(shown, f), append(heads, f.name)
		}
	}
	_ = table.Write(append(heads, "cursor")) // kept until Flush, as every error
	row := make([]string, len(heads)+1)
	flushed := func(then func() error) func() error {
		return func() error {
			table.Flush()
			if err := table.Error(); err != nil {
				return err
			}
			return then()
		}
	}
	return lines{
		event: func(e *Event) error {
			for i := range shown {
				row[i] = x.cell(&shown[i], e)
			}
			row[len(shown)] = e.Cursor
			return table.Write(row)
		},
		progress: func(cursor string) error { return table.Write([]string{cursor}) }, // an event has two cells at least
		blank:    func() error { return nil },                                        // it would be a row for many
		flush:    flushed(flush), close: flushed(end),
	}
}

func (x *export) cell(f *field, e *Event) string {
	text := f.text(e)
	switch {
	case x.Format == formatCSVRaw:
		return text
	case f.json: // begins with a brace; a semicolon is always within a string, and means the same when it is escaped
		return strings.ReplaceAll(text, ";", `\u003b`)
	}
	return inert(text)
}

// inert writes a text so that no spreadsheet takes it, or a part of it, for a formula: with an apostrophe where one may
// begin, as OWASP advises (https://owasp.org/www-community/attacks/CSV_Injection). That is at its beginning, and behind
// what some take for the end of a cell whatever quotes say: a semicolon where the decimal sign is a comma, a tab, the
// end of a line. An apostrophe that stands there already gets another one, so that leaving out one in each such place
// gives the text back.
func inert(text string) string {
	var b strings.Builder
	written, begins := 0, true
	for i, r := range text {
		blank := strings.ContainsRune("\t\r\n", r)
		if begins && (r == '\'' || i == 0 && blank || active(text[i:])) {
			b.WriteString(text[written:i] + "'")
			written = i
		}
		begins = blank || r == ';'
	}
	if b.Len() == 0 {
		return text
	}
	return b.String() + text[written:]
}

// active tells whether a spreadsheet may take a text for a formula. Some look behind spaces and what is not seen, such as a
// byte order mark; a quote that is cut from its cell begins one of its own; East Asian ones know the signs in full width.
func active(text string) bool {
	text = strings.TrimLeftFunc(text, func(r rune) bool {
		return r == '"' || unicode.IsSpace(r) || unicode.In(r, unicode.Cc, unicode.Cf)
	})
	first, _ := utf8.DecodeRuneInString(text)
	return strings.ContainsRune("=+-@＝＋－＠", first)
}
