package persistence

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/theeye-dev/theeye/api/client"
	"github.com/theeye-dev/theeye/services/internal/admin"
)

// sparse stores more events than an export looks into at once, of which one in the middle and the last one have a mark.
func (l *library) sparse(count int) {
	l.Helper()
	base := time.Now().UTC().Truncate(day).Add(-12 * time.Hour)
	l.must(l.store.days.ensure(l.Context(), l.pool, []time.Time{base.Truncate(day), base.Truncate(day).Add(day)}))
	_, err := l.pool.Exec(l.Context(), `
		INSERT INTO persistence.events (application, id, session_id, category, name, data, occurred_at, received_at, sequence, credential)
		SELECT $1, n::text, 's', 'c', 'n', jsonb_build_object('mark', n = $3 / 2 OR n = $3), $2::timestamptz + n * interval '1 second', now(), gen_random_uuid(), '1'
		FROM generate_series(1, $3::int) AS n`, shop, base, count)
	l.must(err)
}

// reader is what serves an export, without a server.
func (l *library) reader(now func() time.Time) *Reader {
	l.Helper()
	token, err := admin.Static(adminToken)
	l.must(err)
	return &Reader{Store: l.store, Keys: l.ring, Admin: token, Operator: operator{}, Now: now}
}

// silent is an export whose clock has an hour between any two looks at it, so that it has always been silent for too long.
func (l *library) silent(query string) (body []byte) {
	l.Helper()
	now := time.Now()
	reader := l.reader(func() time.Time { now = now.Add(time.Hour); return now })
	request := httptest.NewRequestWithContext(l.Context(), http.MethodGet, "/v1/export?"+query, nil)
	request.Header.Set("Authorization", "Bearer "+l.keys[shop])
	q, err := reader.decodeExport(l.Context(), request)
	l.must(err)
	q.again = func(_ context.Context, s Scope) (Scope, error) { return s, nil }
	x, err := reader.exporter().begin(l.Context(), q)
	l.must(err)
	recorder := httptest.NewRecorder()
	l.must(x.write(l.Context(), recorder))
	return recorder.Body.Bytes()
}

// TestASparseExportIsNotSilent, and is the same to whoever reads it.
func TestASparseExportIsNotSilent(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	const count = 4*examined + 7
	l.sparse(count)
	const query = "data.mark=true"
	_, plain := l.export(shop, query, "identity")
	if got := strings.Join(idsOf(l.exported(plain)), " "); got != "10003 20007" {
		t.Fatalf("without silence: %s", plain)
	}
	lines := bytes.Split(l.silent(query), []byte("\n"))
	blank := 0
	decoder := json.NewDecoder(bytes.NewReader(bytes.Join(lines, []byte("\n"))))
	for _, line := range lines[:len(lines)-1] {
		if len(line) == 0 {
			blank++
		}
	}
	var events []Event
	for decoder.More() {
		var e Event
		l.must(decoder.Decode(&e))
		events = append(events, e)
	}
	if got := strings.Join(idsOf(events), " "); got != "10003 20007" || blank != 3 {
		t.Errorf("with %d blank lines: %s", blank, got)
	}
	rows, err := csv.NewReader(bytes.NewReader(l.silent(query + "&format=csv&select=id"))).ReadAll()
	l.must(err)
	l.same("rows of a table", 3, len(rows))
	l.flushes(query)
	l.tellsProgress(query)
}

// flushes looks that each page of a table that is compressed is some bytes on the wire, and that the whole of it is as ever.
func (l *library) flushes(query string) {
	l.Helper()
	_, plain := l.export(shop, query+"&format=csv", "identity")
	for _, coding := range []string{"gzip", "zstd"} {
		request, err := http.NewRequestWithContext(l.Context(), http.MethodGet, "/v1/export?format=csv&"+query, nil)
		l.must(err)
		request.Header.Set("Authorization", "Bearer "+l.keys[shop])
		request.Header.Set("Accept-Encoding", coding)
		reader := l.reader(time.Now)
		q, err := reader.decodeExport(l.Context(), request)
		l.must(err)
		x, err := reader.exporter().begin(l.Context(), q)
		l.must(err)
		wire := &flushed{ResponseRecorder: httptest.NewRecorder()}
		l.must(x.write(l.Context(), wire))
		for i := 1; i < len(wire.at); i++ {
			if wire.at[i] == wire.at[i-1] {
				l.Errorf("%s: page %d is nothing on the wire: %v", coding, i, wire.at)
			}
		}
		var text io.Reader
		if coding == "gzip" {
			text, err = gzip.NewReader(wire.Body)
		} else {
			text, err = zstd.NewReader(wire.Body)
		}
		l.must(err)
		whole, err := io.ReadAll(text)
		if err != nil || !bytes.Equal(whole, plain) || len(wire.at) < 3 {
			l.Errorf("%s: %d pages, %v: %q, want %q", coding, len(wire.at), err, whole, plain)
		}
	}
}

// flushed notes how much was written at each flush.
type flushed struct {
	*httptest.ResponseRecorder
	at []int
}

func (f *flushed) Flush() { f.at = append(f.at, f.Body.Len()) }

// tellsProgress asks for it: from each progress all that is behind it is read, and nothing else.
func (l *library) tellsProgress(query string) {
	l.Helper()
	_, body := l.export(shop, query+"&progress=true", "identity")
	lines := strings.Split(strings.TrimSpace(string(body)), "\n")
	if len(lines) != 6 || lines[5] != `{"progress":"end"}` {
		l.Fatalf("lines %q", lines)
	}
	left := "10003 20007"
	for _, line := range lines[:5] {
		var told struct{ ID, Cursor, Progress string }
		l.must(json.Unmarshal([]byte(line), &told))
		left = strings.TrimSpace(strings.TrimPrefix(left, told.ID))
		_, rest := l.export(shop, query+"&cursor="+told.Cursor+told.Progress, "gzip")
		unpacked, err := gzip.NewReader(bytes.NewReader(rest))
		l.must(err)
		text, err := io.ReadAll(unpacked)
		l.must(err)
		l.same("behind "+line, left, strings.Join(idsOf(l.exported(text)), " "))
	}
	_, body = l.export(shop, query+"&progress=true&format=csv&select=id", "identity")
	table := strings.Split(strings.TrimSpace(string(body)), "\n")
	if len(table) != 7 || table[0] != "id,cursor" || strings.Contains(table[1], ",") || table[6] != "end" {
		l.Errorf("table %q", table)
	}
	if status, body := l.raw(l.url, l.keys[shop], "/v1/export?progress=yes"); status != http.StatusBadRequest {
		l.Errorf("progress=yes answered %d %s", status, body)
	}
	reader, err := client.NewReader(client.Config{URL: l.url, Key: client.StaticKey(l.keys[shop])})
	l.must(err)
	defer reader.CloseIdleConnections()
	for format, want := range map[string]int{"ndjson": 2, "csv": 3} {
		var file bytes.Buffer
		cursor, err := reader.ExportTo(l.Context(), &file, url.Values{"data.mark": {"true"}, "format": {format}})
		if err != nil || cursor == "" || strings.Count(file.String(), "\n") != want || strings.Contains(file.String(), "progress") {
			l.Errorf("the client wrote %q: %v", file.String(), err)
		}
	}
}

// TestAnExportOfLargeEvents goes on in pages that fit, and gives its memory back.
func TestAnExportOfLargeEvents(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	base := time.Now().UTC().Truncate(day)
	l.must(l.store.days.ensure(t.Context(), l.pool, []time.Time{base}))
	_, err := l.pool.Exec(t.Context(), `
		INSERT INTO persistence.events (application, id, session_id, category, name, data, occurred_at, received_at, sequence, credential)
		SELECT $1, n::text, 's', 'c', 'n', jsonb_build_object('x', repeat(md5(n::text), CASE n % 10 WHEN 0 THEN 30000 ELSE 1000 END)), $2::timestamptz + n * interval '1 second', now(), gen_random_uuid(), '1'
		FROM generate_series(1, 100) AS n`, shop, base)
	l.must(err)
	_, body := l.export(shop, "", "identity")
	l.same("events", 100, len(l.exported(body)))
	l.eventually("all memory is given back", func() bool { return l.given(heldBytes) })
}
