package persistence

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// export reads an answer with a coding that is asked for as a header says.
func (l *library) export(who uuid.UUID, query, accept string) (http.Header, []byte) {
	l.Helper()
	request, err := http.NewRequestWithContext(l.Context(), http.MethodGet, l.url+"/v1/export?"+query, nil)
	l.must(err)
	request.Header.Set("Authorization", "Bearer "+l.token(who))
	request.Header.Set("Accept-Encoding", accept)
	response, err := testenv.HTTP(l).Do(request)
	l.must(err)
	defer response.Body.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(response.Body)
	l.must(err)
	if response.StatusCode != http.StatusOK {
		l.Fatalf("%s answered %d %s", query, response.StatusCode, body)
	}
	return response.Header, body
}

func (l *library) exported(body []byte) (events []Event) {
	l.Helper()
	lines := bufio.NewScanner(bytes.NewReader(body))
	lines.Buffer(nil, 2<<20)
	for lines.Scan() {
		var e Event
		l.must(json.Unmarshal(lines.Bytes(), &e))
		events = append(events, e)
	}
	return events
}

// TestExport reads more than a page in every form and coding, and goes on behind any line.
func TestExport(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	base := time.Now().UTC().Truncate(day).Add(-36 * time.Hour)
	const count = maxLimit + 150
	l.must(l.store.days.ensure(t.Context(), l.pool, []time.Time{base.Truncate(day), base.Truncate(day).Add(day), base.Truncate(day).Add(2 * day)}))
	_, err := l.pool.Exec(t.Context(), `
		INSERT INTO persistence.events (application, id, session_id, category, name, data, occurred_at, received_at, sequence, credential)
		SELECT $1, n::text, 's' || n % 2, 'c', 'n', jsonb_build_object('n', n, 'text', 'a "b", <c>'), $2::timestamptz + n * interval '1 minute', now(), gen_random_uuid(), '1'
		FROM generate_series(0, $3) AS n`, shop, base, count-1)
	l.must(err)
	_, err = l.pool.Exec(t.Context(), "INSERT INTO persistence.sessions SELECT session_id, application, min(occurred_at), max(occurred_at), count(*) FROM persistence.events GROUP BY 1, 2")
	l.must(err)
	header, plain := l.export(shop, "", "identity")
	events := l.exported(plain)
	if len(events) != count || events[0].ID != "0" || events[count-1].ID != fmt.Sprint(count-1) || events[3].Cursor == "" {
		t.Fatalf("%d events, the first %+v", len(events), events[0])
	}
	l.same("type", "application/x-ndjson ", header.Get("Content-Type")+" "+header.Get("Content-Encoding"))
	_, rest := l.export(shop, "cursor="+events[200].Cursor, "identity")
	l.same("behind a line", true, bytes.HasSuffix(plain, rest) && len(l.exported(rest)) == count-201)
	for accept, coding := range map[string]string{"gzip": "gzip", "zstd, gzip": "zstd", "gzip;q=0, zstd;q=0.5": "zstd", "zstd;q=0.2, x-gzip;q=0.3": "gzip", "br, *": "", "zstd;q=0": ""} {
		header, body := l.export(shop, "", accept)
		var reader io.Reader = bytes.NewReader(body)
		switch header.Get("Content-Encoding") {
		case "gzip":
			reader, err = gzip.NewReader(reader)
		case "zstd":
			reader, err = zstd.NewReader(reader)
		}
		l.must(err)
		expanded, err := io.ReadAll(reader)
		l.must(err)
		if header.Get("Content-Encoding") != coding || !bytes.Equal(expanded, plain) || coding != "" && len(body) > len(plain)/4 {
			t.Errorf("%s: coding %q, %d bytes of %d", accept, header.Get("Content-Encoding"), len(body), len(plain))
		}
	}
	header, body := l.export(uuid.Nil, "format=csv&session_id=s1&select=id,data,timestamp&data.n[lt]=6", "identity")
	l.same("type of a table", "text/csv; charset=utf-8", header.Get("Content-Type"))
	rows, err := csv.NewReader(bytes.NewReader(body)).ReadAll()
	l.must(err)
	if len(rows) != 4 || strings.Join(rows[0], " ") != "id data timestamp cursor" || rows[1][0] != "1" || rows[3][0] != "5" || rows[2][1] != `{"n": 3, "text": "a \"b\", <c>"}` && rows[2][1] != `{"n":3,"text":"a \"b\", <c>"}` {
		t.Errorf("table %q", rows)
	}
	_, body = l.export(shop, "order=newest&category=c&name=n&data.n[gte]=1148", "identity")
	l.same("newest", "1149 1148", strings.Join(idsOf(l.exported(body)), " "))
	if _, body := l.export(blog, "", "identity"); len(body) != 0 {
		t.Errorf("another application reads %s", body)
	}
	for _, asked := range []string{"format=xml", "limit=5", "cursor=x", "order=newest&cursor=" + events[1].Cursor} {
		if status, body := l.raw(l.url, l.token(shop), "/v1/export?"+asked); status != http.StatusBadRequest {
			t.Errorf("%s answered %d %s", asked, status, body)
		}
	}
	if status, _ := l.raw(l.url, "wrong", "/v1/export"); status != http.StatusUnauthorized {
		t.Errorf("with a wrong token: %d", status)
	}
}

// TestExportIsCutOff where PostgreSQL goes away amid it: the client must not take what it has for all.
func TestExportIsCutOff(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	store := l.replica("gone")
	base := time.Now().UTC().Truncate(day)
	l.must(store.days.ensure(t.Context(), l.pool, []time.Time{base}))
	_, err := l.pool.Exec(t.Context(), `
		INSERT INTO persistence.events (application, id, session_id, category, name, data, occurred_at, received_at, sequence, credential)
		SELECT $1, n::text, 's', 'c', 'n', jsonb_build_object('x', repeat(md5(n::text), 200)), $2::timestamptz + n * interval '1 second', now(), gen_random_uuid(), '1'
		FROM generate_series(1, 5000) AS n`, shop, base)
	l.must(err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, l.serve(store, l.ring)+"/v1/export", nil)
	l.must(err)
	request.Header.Set("Authorization", "Bearer "+l.token(shop))
	response, err := http.DefaultClient.Do(request)
	l.must(err)
	defer response.Body.Close() //nolint:errcheck // only read
	read := bufio.NewReader(response.Body)
	line, err := read.ReadBytes('\n')
	l.must(err)
	store.pool.Close()
	more, err := io.ReadAll(read)
	if err == nil {
		t.Fatalf("%d bytes end as if they were all", len(more))
	}
	var first Event
	l.must(json.Unmarshal(line, &first))
	_, rest := l.export(shop, "cursor="+first.Cursor, "identity")
	l.same("behind the first line", 4999, len(l.exported(rest)))
}

// TestExportsTakeTurns: beyond some an export waits, and ends with its client.
func TestExportsTakeTurns(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	x := (&Reader{Store: l.store, Now: time.Now}).exporter()
	for range exportTurns {
		x.turns <- struct{}{}
	}
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, err := x.begin(ctx, exportQuestion{Query: Query{Limit: 10}})
		done <- err
	}()
	cancel()
	if err := <-done; err == nil || !strings.Contains(err.Error(), "too many exports") {
		t.Errorf("got %v", err)
	}
	<-x.turns
	_, err := x.begin(t.Context(), exportQuestion{Query: Query{Limit: 10}})
	l.must(err)
}
