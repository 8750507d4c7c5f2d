package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// exportRows are enough to tell how fast an export is, and soon read at any size.
const exportRows = 500_000

// measureExports reads the application that has most, in every form, and tells the memory that it took.
func (w *world) measureExports(ctx context.Context, l *loader, r *report) error {
	for _, x := range []struct{ name, format, coding string }{
		{"export as NDJSON, rows/s", "ndjson", "identity"},
		{"export as NDJSON with gzip, rows/s", "ndjson", "gzip"},
		{"export as CSV, rows/s", "csv", "identity"},
	} {
		path := "/v1/export?format=" + x.format + "&application=" + l.applications[0].String()
		rows, took, err := w.export(ctx, path, x.coding)
		if err != nil {
			return fmt.Errorf("%s: %w", x.name, err)
		}
		r.tell(x.name, fmt.Sprintf("%.0f", float64(rows)/took.Seconds()))
	}
	return w.peak(r, "persistence, peak of exports")
}

// export counts the lines of an answer, as far as they are enough.
func (w *world) export(ctx context.Context, path, coding string) (rows int, took time.Duration, err error) {
	ctx, cancel := context.WithCancel(ctx) // ends an export that has enough
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url+path, nil)
	if err != nil {
		return 0, 0, fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+w.token)
	if coding != "gzip" { // which net/http asks for, and expands
		request.Header.Set("Accept-Encoding", coding)
	}
	begin := time.Now()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, 0, err //nolint:wrapcheck // says method and URL itself
	}
	defer response.Body.Close() //nolint:errcheck // only read
	if response.StatusCode != http.StatusOK {
		return 0, 0, fmt.Errorf("answered %s", response.Status)
	}
	buffer := make([]byte, 64<<10)
	for err == nil && rows < exportRows {
		var n int
		n, err = response.Body.Read(buffer)
		rows += bytes.Count(buffer[:n], []byte("\n"))
	}
	if err == io.EOF { //nolint:errorlint // as io.Reader says
		err = nil
	}
	return rows, time.Since(begin), err
}
