package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Export reads all events that a filter finds, the earliest first, with the parameters of GET /v1/export. It is one long
// answer, which goes on behind the last event where it breaks; each outage may last as long as Config.RetryFor. It travels
// compressed where the Transport does so by itself, as net/http's does. With the Cursor of the last event what has come
// since is read later.
func (r *Reader) Export(ctx context.Context, filter url.Values) iter.Seq2[Stored, error] {
	return func(yield func(Stored, error) bool) {
		left := false
		lines := maps.Clone(filter)
		lines.Del("format")
		_, err := r.export(ctx, lines, func(record []byte) (cursor string, more bool) {
			var e Stored
			if json.Unmarshal(record, &e) != nil || e.Cursor == "" {
				return "", true
			}
			left = !yield(e, nil)
			return e.Cursor, !left
		})
		if err != nil && !left {
			yield(Stored{}, err)
		}
	}
}

// ExportTo writes what Export reads, as the server writes it: in the filter's format, which is ndjson, csv or csv-raw. It
// returns the cursor of the last record that w has, after an error, too: with that in the filter the rest can be written
// behind it, for which a table's heads are left out.
func (r *Reader) ExportTo(ctx context.Context, w io.Writer, filter url.Values) (cursor string, err error) {
	var failed error
	cursor, err = r.export(ctx, filter, func(record []byte) (cursor string, more bool) {
		if cursor = cursorOf(record, isTable(filter)); cursor != "" {
			_, failed = w.Write(record)
		}
		return cursor, failed == nil
	})
	if failed != nil {
		err = fmt.Errorf("write export: %w", failed)
	}
	return cursor, err
}

func isTable(filter url.Values) bool { return strings.HasPrefix(filter.Get("format"), "csv") }

// export takes records, over all breaks. take tells the cursor of one, "" where it is none of TheEye's.
func (r *Reader) export(ctx context.Context, filter url.Values, take func(record []byte) (cursor string, more bool)) (cursor string, err error) {
	x := &exporting{query: url.Values{}, take: take, table: isTable(filter)}
	maps.Copy(x.query, filter)
	err = r.stay(ctx, new(time.Duration), func(key string) (bool, error) {
		f, err := r.client.open(ctx, r.address("export", x.query), key, x.media(), http.Header{}, r.client.config.Timeout)
		if err != nil {
			return false, err
		}
		defer f.Close()
		return x.read(f)
	})
	return x.query.Get("cursor"), err
}

// exporting is an export, over all connections; its place is in its query.
type exporting struct {
	query url.Values
	take  func([]byte) (string, bool)
	table bool
}

func (x *exporting) media() string {
	if x.table {
		return "text/csv"
	}
	return "application/x-ndjson"
}

// read takes the records of a connection, and tells whether there was any.
func (x *exporting) read(f *flow) (came bool, err error) {
	records := records{from: bufio.NewReader(f), quoted: x.table}
	for heads := x.table; ; heads = false {
		record, err := records.next()
		if errors.Is(err, io.EOF) && !heads {
			return came, nil
		}
		if err != nil {
			return came, cutOff(err)
		}
		if heads && cursorOf(record, true) != "cursor" {
			return came, notUnderstood(f.StatusCode)
		}
		if heads && x.query.Has("cursor") { // they are there already
			continue
		}
		cursor, more := x.take(record)
		switch {
		case cursor == "":
			return came, notUnderstood(f.StatusCode)
		case !more:
			return true, nil
		case !heads:
			x.query.Set("cursor", cursor)
			came = true
		}
	}
}

// cursorOf is a record's.
func cursorOf(record []byte, table bool) string {
	if table { // it is the last one, and never quoted
		return string(bytes.TrimSuffix(record[bytes.LastIndexByte(record, ',')+1:], []byte("\n")))
	}
	var e struct{ Cursor string }
	_ = json.Unmarshal(record, &e)
	return e.Cursor
}

// records cuts a text where a line ends, but not within quotes.
type records struct {
	from   *bufio.Reader
	quoted bool
	record []byte
}

// next returns a record, which holds until the next one; io.EOF where there is none.
func (r *records) next() ([]byte, error) {
	r.record = r.record[:0]
	for quotes := 0; ; {
		part, err := r.from.ReadSlice('\n')
		r.record = append(r.record, part...)
		quotes += bytes.Count(part, []byte(`"`))
		switch {
		case len(r.record) > maxPage:
			return nil, tooLong("record", maxPage)
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(r.record) > 0:
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, err
		case !r.quoted || quotes%2 == 0:
			return r.record, nil
		}
	}
}
