package client_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/theeye-dev/theeye/api/client"
)

// exports answers an export that was asked for behind a cursor, compressed; if it is whole with its end, else cut off.
func exports(cursor, text string, whole bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("cursor") != cursor || q.Get("name") != "n" || q.Get("progress") != "true" || r.URL.Path != "/v1/export" || r.Header.Get("Accept-Encoding") != "gzip" {
			http.Error(w, "asked for "+r.URL.RequestURI(), http.StatusTeapot)
			return
		}
		end := `{"progress":"end"}`
		w.Header().Set("Content-Type", "application/x-ndjson")
		if strings.HasPrefix(q.Get("format"), "csv") {
			w.Header().Set("Content-Type", "text/csv; charset=utf-8")
			end = "end"
		}
		w.Header().Set("Content-Encoding", "gzip")
		coded := gzip.NewWriter(w)
		_, _ = io.WriteString(coded, text)
		_ = coded.Flush()
		_ = http.NewResponseController(w).Flush()
		if !whole {
			panic(http.ErrAbortHandler) //nolint:forbidigo // as net/http asks for
		}
		_, _ = io.WriteString(coded, end+"\n")
		_ = coded.Close()
	}
}

// ended is an export that ends as if it were whole, without its end.
func ended(cursor string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("cursor") != cursor {
			http.Error(w, "asked for "+r.URL.RequestURI(), http.StatusTeapot)
			return
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
	}
}

// TestExportGoesOn behind the last whole line, wherever it was cut off.
func TestExportGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := reader(t, answers{
			problem(503, "service.unavailable"),
			exports("", `{"id":"a","cursor":"1"}`+"\n"+`{"id":"b","cursor":"2"}`+"\n"+`{"id":"c","cur`, false),
			exports("2", "\n\n", false),
			exports("2", `{"progress":"2a"}`+"\n"+`{"progress":"2b"}`+"\n"+`{"prog`, false),
			ended("2b"), // as a proxy that speaks HTTP/1.0 passes a break on
			exports("2b", `{"id":"c","data":{"n":1.10},"cursor":"3"}`+"\n", true),
		})
		var got []string
		for e, err := range r.Export(t.Context(), url.Values{"name": {"n"}, "format": {"csv"}}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, e.ID+e.Cursor+string(e.Data))
		}
		if text := strings.Join(got, " "); text != `a1 b2 c3{"n":1.10}` {
			t.Errorf("read %s", text)
		}
		for _, err := range r.Export(t.Context(), url.Values{"name": {"n"}, "cursor": {"2"}}) {
			_ = err // whoever has enough may leave at any time
			break
		}
	})
}

// TestExportTo writes every record once, and heads where a table begins.
func TestExportTo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := url.Values{"name": {"n"}, "format": {"csv"}}
		r := reader(t, answers{
			exports("", "id,cursor\na,1\n\"b\n\"\"b,x\",2\n\"c\n", false),
			exports("2", "id,cursor\n", false),
			exports("2", "id,cursor\n2a\n", false),
			exports("2a", "id,cursor\n\"c\nc\",3\n", true),
			exports("3", "id,cursor\nd,4\n", true),
			exports("", `{"id":"a","cursor":"1"}`+"\n", true),
			exports("", "id,cursor\na,1\nb,2\nc,3\n", true),
		})
		var file bytes.Buffer
		cursor, err := r.ExportTo(t.Context(), &file, table)
		if err != nil || cursor != "3" {
			t.Errorf("behind %q: %v", cursor, err)
		}
		cursor, err = r.ExportTo(t.Context(), &file, url.Values{"name": {"n"}, "format": {"csv"}, "cursor": {cursor}})
		if want := "id,cursor\na,1\n\"b\n\"\"b,x\",2\n\"c\nc\",3\nd,4\n"; err != nil || cursor != "4" || file.String() != want {
			t.Errorf("behind %q: %v: %q, want %q", cursor, err, file.String(), want)
		}
		file.Reset()
		if cursor, err = r.ExportTo(t.Context(), &file, url.Values{"name": {"n"}}); err != nil || cursor != "1" || file.String() != `{"id":"a","cursor":"1"}`+"\n" {
			t.Errorf("lines behind %q: %v: %q", cursor, err, file.String())
		}
		full := &disk{left: len("id,cursor\na,1\nb,2\n")}
		if cursor, err = r.ExportTo(t.Context(), full, table); !errors.Is(err, errFull) || cursor != "2" {
			t.Errorf("onto a full disk, behind %q: %v", cursor, err)
		}
	})
}

var errFull = errors.New("no space")

// disk is full after some bytes.
type disk struct{ left int }

func (d *disk) Write(p []byte) (int, error) {
	if d.left -= len(p); d.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

// TestExportTellsWhatIsWrong, and ends.
func TestExportTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	csv := url.Values{"name": {"n"}, "format": {"csv"}}
	for name, c := range map[string]struct {
		filter url.Values
		answer http.HandlerFunc
		code   string
		text   string
	}{
		"a parameter":            {csv, problem(400, "request.parameter"), "request.parameter", "some detail"},
		"a page of a proxy":      {csv, page(200), "", "not understood"},
		"another table":          {csv, exports("", "a,b\n1,2\n", true), "", "not understood"},
		"no heads":               {csv, exports("", "", true), "", "not understood"},
		"a redirect":             {csv, redirect, "", "redirects are not followed"},
		"lines without a cursor": {url.Values{"name": {"n"}}, exports("", "{}\n", true), "", "not understood"},
		"a line that never ends": {url.Values{"name": {"n"}}, exports("", strings.Repeat("x", 65<<20), true), "", "a record is larger"},
		"a long outage":          {csv, broken, "", "gave up"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var file bytes.Buffer
				_, err := reader(t, answers{c.answer}).ExportTo(t.Context(), &file, c.filter)
				var answer *client.AnswerError
				if err == nil || errors.As(err, &answer) && answer.Code != c.code || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), key) || file.Len() > 0 {
					t.Errorf("wrote %q, got %v", file.String(), err)
				}
			})
		})
	}
}
