package client_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// rowsOf are what an export has behind its heads, each with the cursor behind it; what is none of an event's is progress.
func rowsOf(format string) (heads string, rows []string, cursors []string) {
	if format == "ndjson" {
		return "", []string{
			`{"progress":"p"}`, `{"id":"a","cursor":"1"}`, `{"id":"b\n,\"","cursor":"2"}`, `{"progress":"q"}`, `{"id":"c","cursor":"3"}`, `{"progress":"end"}`,
		}, []string{"p", "1", "2", "q", "3", "end"}
	}
	return "id,cursor\n", []string{"p", "a,1", "\"b\n\"\",\",2", "q", "c,3", "end"}, []string{"p", "1", "2", "q", "3", "end"}
}

// wire is an answer as it goes over it, a chunk for each row behind a cursor.
func wire(format, coding, cursor string) string {
	heads, rows, cursors := rowsOf(format)
	chunks := []string{heads}
	for _, row := range rows[slices.Index(cursors, cursor)+1:] {
		chunks = append(chunks, row+"\n")
	}
	media := map[bool]string{true: "application/x-ndjson", false: "text/csv; charset=utf-8"}[format == "ndjson"]
	text := "HTTP/1.1 200 OK\r\nContent-Type: " + media + "\r\nTransfer-Encoding: chunked\r\n"
	if coding == "gzip" {
		text += "Content-Encoding: gzip\r\n"
		var packed bytes.Buffer
		coder, at := gzip.NewWriter(&packed), 0
		for i := range chunks {
			_, _ = coder.Write([]byte(chunks[i]))
			_ = coder.Flush()
			if i == len(chunks)-1 {
				_ = coder.Close()
			}
			chunks[i], at = packed.String()[at:], packed.Len()
		}
	}
	text += "\r\n"
	for _, chunk := range chunks {
		if chunk != "" {
			text += fmt.Sprintf("%x\r\n%s\r\n", len(chunk), chunk)
		}
	}
	return text + "0\r\n\r\n"
}

// TestExportBreaksAnywhere at each byte of an answer, and again at each of what follows: the whole of it is written once.
func TestExportBreaksAnywhere(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"ndjson", "csv", "csv-raw"} {
		for _, coding := range []string{"identity", "gzip"} {
			t.Run(format+" "+coding, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { breaksAnywhere(t, format, coding) })
			})
		}
	}
}

func breaksAnywhere(t *testing.T, format, coding string) {
	t.Helper()
	heads, rows, _ := rowsOf(format)
	want := heads + rows[1] + "\n" + rows[2] + "\n" + rows[4] + "\n"
	var cuts []int // of the next answers
	r := reader(t, answers{func(w http.ResponseWriter, r *http.Request) {
		text := wire(format, coding, r.URL.Query().Get("cursor"))
		if len(cuts) > 0 {
			text, cuts = text[:min(cuts[0], len(text))], cuts[1:]
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_, _ = conn.Write([]byte(text))
			_ = conn.Close()
		}
	}})
	for cut := range len(wire(format, coding, "")) + 1 {
		cuts = []int{cut, cut}
		var file bytes.Buffer
		cursor, err := r.ExportTo(t.Context(), &file, url.Values{"format": {format}})
		if err != nil || file.String() != want || cursor != "3" {
			t.Fatalf("cut at byte %d: behind %q: %v: %q, want %q", cut, cursor, err, file.String(), want)
		}
		if format != "ndjson" {
			continue
		}
		cuts = []int{cut, cut}
		var ids []string
		for e, err := range r.Export(t.Context(), nil) {
			if err != nil {
				t.Fatalf("cut at byte %d: %v", cut, err)
			}
			ids = append(ids, e.ID)
		}
		if got := strings.Join(ids, " "); got != "a b\n,\" c" {
			t.Fatalf("cut at byte %d: %q", cut, got)
		}
	}
}
