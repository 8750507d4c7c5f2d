package persistence

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

const (
	// exportTurns is how many exports read at the same moment: the other connections answer people.
	exportTurns = 2
	// maxExports of one replica, and maxOwnExports of one application or person: while a client takes its time each has a page
	// of exportPageBytes, two or three times, and up to 3 MiB to compress with.
	maxExports, maxOwnExports = 16, 4
	// exportWait is how long a client may take for a page before it is given up.
	exportWait = time.Minute
	// exportSilence is how long an export that finds nothing says nothing: proxies take a connection for dead after a minute, and
	// some after half of one. What finds nothing for less has no word of it in its lines.
	exportSilence = 15 * time.Second
	// exportEnd stands where a progress has its cursor, when all was read.
	exportEnd = "end"
)

// export is an export whose first page is read: what goes wrong until then is still answered by a status.
type export struct {
	exportQuestion
	first exportPage
	said  time.Time // when there was a line last
	*exporter
}

// exportQuestion is what a request for an export asks for.
type exportQuestion struct {
	Query
	coding string // of the answer: gzip, zstd or none
	again  func(context.Context, Scope) (Scope, error)
	head   bool      // only the header is asked for
	by     uuid.UUID // whose exports are counted together
}

// begin takes a seat until the request ends.
func (e *exporter) begin(ctx context.Context, q exportQuestion) (*export, error) {
	leave, err := e.seats.enter(q.by)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, leave)
	first, err := e.page(ctx, q.Query)
	if err != nil {
		leave()
		return nil, err
	}
	return &export{exportQuestion: q, first: first, exporter: e, said: e.now()}, nil
}

// write streams the answer. An error after its beginning cuts it off: every line has the cursor behind which to go on.
func (x *export) write(ctx context.Context, w http.ResponseWriter) error {
	header := w.Header()
	header.Set("Content-Type", "application/x-ndjson")
	if x.table() {
		header.Set("Content-Type", "text/csv; charset=utf-8")
	}
	header.Set("Vary", "Accept-Encoding")
	tellPartial(w, x.partial())
	if x.coding != "" {
		header.Set("Content-Encoding", x.coding)
	}
	page := x.first
	x.first = exportPage{} // nothing of it is kept while the others are read
	if x.head {
		page.done()
		return nil
	}
	return x.stream(ctx, w, page)
}

func (x *export) stream(ctx context.Context, w http.ResponseWriter, page exportPage) error {
	coded, err := x.encoder(w)
	if err != nil {
		page.done()
		return err
	}
	lines := x.lines(coded)
	for {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(exportWait)) // a recorder in tests has none
		err := x.put(lines, &page.EventPage)
		page.done()
		cursor, rows := page.NextCursor, len(page.Events)
		page = exportPage{} // there is never more than one
		if err != nil || cursor == "" {
			return err
		}
		_ = http.NewResponseController(w).Flush() // likewise
		if page, err = x.next(ctx, cursor, rows); err != nil {
			return err
		}
	}
}

// put writes a page, and if it is the last one what stands at the end.
func (x *export) put(lines lines, page *EventPage) error {
	for i := range page.Events {
		if err := lines.event(&page.Events[i]); err != nil {
			return err
		}
	}
	last := page.NextCursor == ""
	switch {
	case x.Progress && last:
		if err := lines.progress(exportEnd); err != nil {
			return err
		}
	case x.Progress && len(page.Events) == 0:
		if err := lines.progress(page.NextCursor); err != nil {
			return err
		}
	case len(page.Events) > 0:
		x.said = x.now()
	case x.now().Sub(x.said) >= exportSilence:
		if err := lines.blank(); err != nil {
			return err
		}
		x.said = x.now()
	}
	if last {
		return lines.close()
	}
	return lines.flush()
}

// encoder compresses within some megabytes, whatever is exported.
func (x *export) encoder(w io.Writer) (io.Writer, error) {
	switch x.coding {
	case "gzip":
		return gzip.NewWriter(w), nil
	case "zstd":
		encoder, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(1<<20))
		return &zstdWriter{Encoder: encoder, to: w}, err
	}
	return w, nil
}

// zstdWriter writes to the connection with every Flush, as gzip does: what is compressed is not silent while nothing is found,
// and means the same.
type zstdWriter struct {
	*zstd.Encoder
	to           io.Writer
	begun, fresh bool // the frame; and what comes with the next Flush by itself
}

func (z *zstdWriter) Write(p []byte) (int, error) {
	z.begun, z.fresh = true, z.fresh || len(p) > 0
	return z.Encoder.Write(p) //nolint:wrapcheck // an io.Writer's own
}

// Flush ends a block. Where there is none it writes an empty one: raw, and not the last (RFC 8878, section 3.1.1.2).
func (z *zstdWriter) Flush() error {
	err := z.Encoder.Flush()
	if err == nil && z.begun && !z.fresh {
		_, err = z.to.Write([]byte{0, 0, 0})
	}
	z.fresh = false
	return err //nolint:wrapcheck // as above
}

// lines are the form of an export.
type lines struct {
	event    func(*Event) error
	progress func(cursor string) error
	blank    func() error // a line that means nothing, where the form has such
	flush    func() error
	close    func() error
}

func (x *export) lines(w io.Writer) lines {
	flush, end := func() error { return nil }, func() error { return nil }
	if c, ok := w.(interface {
		Flush() error
		Close() error
	}); ok {
		flush, end = c.Flush, c.Close
	}
	if x.table() {
		return x.rows(w, flush, end)
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return lines{
		event:    func(e *Event) error { return encoder.Encode(e) },
		progress: func(cursor string) error { return encoder.Encode(exportProgress{cursor}) },
		blank:    func() error { _, err := io.WriteString(w, "\n"); return err },
		flush:    flush, close: end,
	}
}

// exportProgress is a line that is no event's.
type exportProgress struct {
	Cursor string `json:"progress"` // behind what was looked into, or exportEnd
}

// acceptedCoding chooses among what a client accepts, by weight, and prefers the better of equals; "" is none.
func acceptedCoding(header string) (best string) {
	weight := 0.0
	for offer := range strings.SplitSeq(header, ",") {
		coding, parameter, _ := strings.Cut(offer, ";")
		coding = strings.ToLower(strings.TrimSpace(coding))
		if coding == "x-gzip" {
			coding = "gzip"
		}
		if coding != "gzip" && coding != "zstd" {
			continue
		}
		q := 1.0
		if name, value, ok := strings.Cut(strings.TrimSpace(parameter), "="); ok && strings.EqualFold(strings.TrimSpace(name), "q") {
			q, _ = strconv.ParseFloat(strings.TrimSpace(value), 64) // 0 where it is none: not wanted
		}
		if q > weight || q == weight && q > 0 && coding == "zstd" {
			best, weight = coding, q
		}
	}
	return best
}

// exporter reads pages as everybody does, each within its own time.
func (r *Reader) exporter() *exporter {
	return &exporter{
		read: retried(r.Store.Events), turns: make(chan struct{}, exportTurns), now: r.Now,
		seats: &seats{
			most: maxExports, own: maxOwnExports,
			full: fault.New(fault.CodeOverloaded, "this replica has as many exports as it takes; try again"),
			mine: fault.New(fault.CodeManyExports, "you have "+strconv.Itoa(maxOwnExports)+" exports here; wait for one of them to end"),
		},
	}
}

// decodeExport asks for large pages, the earliest first: so an export can go on with what has come since.
func (r *Reader) decodeExport(ctx context.Context, req *http.Request) (exportQuestion, error) {
	q, err := r.decode(ctx, req, VerbList, eventFilters("session_id", "format", "progress")...)
	if err != nil {
		return exportQuestion{}, err
	}
	if q.Order == "" {
		q.Order = Oldest
	}
	q.Limit, q.each = maxLimit, true
	if err := q.resume(listExport); err != nil {
		return exportQuestion{}, err
	}
	who, err := r.sender(ctx, req)
	if err != nil {
		return exportQuestion{}, err
	}
	x := exportQuestion{Query: q, head: req.Method == http.MethodHead, again: r.again(req, VerbList, &q), coding: acceptedCoding(strings.Join(req.Header.Values("Accept-Encoding"), ","))}
	x.by = seatOf(who)
	err = x.checkFormat()
	return x, err
}
