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
// since is read later. A filter that finds little is no silence: the server tells how far it has looked, and an outage goes on
// from there.
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
// returns the cursor behind all that w has, after an error, too: with that in the filter the rest can be written behind it, for
// which a table's heads are left out. It is "" where w has no record, and at most the heads.
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
	x := &exporting{query: url.Values{}, take: take, table: isTable(filter), headed: filter.Get("cursor") != ""}
	maps.Copy(x.query, filter)
	x.query.Set("progress", "true")
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
	query  url.Values
	take   func([]byte) (string, bool)
	table  bool
	headed bool // the heads of the table were taken
}

func (x *exporting) media() string {
	if x.table {
		return "text/csv"
	}
	return "application/x-ndjson"
}

// exportEnd is the progress behind the last record. Without it an export was cut off, whatever the transfer says: a proxy
// between that speaks HTTP/1.0 takes every end for the right one.
const exportEnd = "end"

// read takes the records of a connection, and tells whether there was any.
func (x *exporting) read(f *flow) (came bool, err error) {
	records := records{from: bufio.NewReader(f), quoted: x.table}
	if more, err := x.heads(&records, f); err != nil || !more {
		return false, err
	}
	for {
		record, err := records.next()
		if err != nil {
			return came, cutOff(err)
		}
		cursor := progressOf(record, x.table)
		if cursor == exportEnd {
			return true, nil
		}
		if cursor == "" {
			var more bool
			if cursor, more = x.take(record); !more {
				return true, nil
			}
		}
		if cursor == "" {
			return came, notUnderstood(f.StatusCode)
		}
		x.query.Set("cursor", cursor)
		came = true
	}
}

// heads takes the first record of a table, once for all connections, and tells whether there is to be more.
func (x *exporting) heads(records *records, f *flow) (more bool, err error) {
	if !x.table {
		return true, nil
	}
	record, err := records.next()
	if err != nil {
		return false, cutOff(err)
	}
	if cursorOf(record, true) != "cursor" {
		return false, notUnderstood(f.StatusCode)
	}
	if x.headed {
		return true, nil
	}
	_, more = x.take(record)
	x.headed = true
	return more, nil
}

// progressOf is the cursor of a record that is no event's, and tells how far the server has looked; "" for any other. In a table
// it is the only cell.
func progressOf(record []byte, table bool) string {
	if table {
		if bytes.IndexByte(record, ',') >= 0 {
			return ""
		}
		return string(bytes.TrimSuffix(record, []byte("\n")))
	}
	if !bytes.HasPrefix(record, []byte(`{"progress":`)) {
		return ""
	}
	var p struct{ Progress string }
	_ = json.Unmarshal(record, &p)
	return p.Progress
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

// next returns a record, which holds until the next one; io.EOF where there is none. A blank line is no record.
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
		case string(r.record) == "\n":
			r.record = r.record[:0]
		case !r.quoted || quotes%2 == 0:
			return r.record, nil
		}
	}
}
