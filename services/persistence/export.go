package persistence

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

const (
	// exportTurns is how many exports read at the same moment: the other connections answer people.
	exportTurns = 2
	// exportWait is how long a client may take for a page of at most some megabytes before it is given up.
	exportWait = time.Minute
)

// exporter streams events, page by page: between two pages nothing is held in PostgreSQL, and in memory one page at most.
type exporter struct {
	read  func(context.Context, Query) (EventPage, error)
	turns chan struct{}
}

// export is an export whose first page is read: what goes wrong until then is still answered by a status.
type export struct {
	exportQuestion
	first EventPage
	*exporter
}

// exportQuestion is what a request for an export asks for.
type exportQuestion struct {
	Query
	coding string // of the answer: gzip, zstd or none
	again  func(context.Context, Scope) (Scope, error)
	head   bool // only the header is asked for
}

func (e *exporter) begin(ctx context.Context, q exportQuestion) (*export, error) {
	first, err := e.page(ctx, q.Query)
	return &export{q, first, e}, err
}

// page waits for its turn. A page may be short, or have nothing at all.
func (e *exporter) page(ctx context.Context, q Query) (EventPage, error) {
	select {
	case e.turns <- struct{}{}:
	case <-ctx.Done():
		return EventPage{}, fault.Wrap(fault.CodeUnavailable, "too many exports are running", ctx.Err())
	}
	defer func() { <-e.turns }()
	return e.read(ctx, q)
}

// write streams the answer. After its beginning an error can only be told by cutting it off: every line has the cursor
// behind which to go on.
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
	if x.head {
		return nil
	}
	if err := x.stream(ctx, w); err != nil {
		panic(http.ErrAbortHandler) //nolint:forbidigo // as net/http asks for: a client must not take it for whole
	}
	return nil
}

func (x *export) stream(ctx context.Context, w http.ResponseWriter) error {
	coded, err := x.encoder(w)
	if err != nil {
		return err
	}
	lines := x.lines(coded)
	for page := x.first; ; {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(exportWait)) // a recorder in tests has none
		for i := range page.Events {
			if err := lines.event(&page.Events[i]); err != nil {
				return err
			}
		}
		if page.NextCursor == "" {
			return lines.close()
		}
		if err := lines.flush(); err != nil {
			return err
		}
		_ = http.NewResponseController(w).Flush() // likewise
		q := x.Query
		if err := q.goOn(page.NextCursor); err != nil {
			return err
		}
		if _, err = x.again(ctx, q.scope()); err != nil { // a right that was taken away meanwhile
			return err
		}
		if page, err = x.page(ctx, q); err != nil {
			return err
		}
	}
}

// encoder compresses within some megabytes, whatever is exported.
func (x *export) encoder(w io.Writer) (io.Writer, error) {
	switch x.coding {
	case "gzip":
		return gzip.NewWriter(w), nil
	case "zstd":
		return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(1<<20))
	}
	return w, nil
}

// lines are the form of an export.
type lines struct {
	event func(*Event) error
	flush func() error
	close func() error
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
	return lines{func(e *Event) error { return encoder.Encode(e) }, flush, end}
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
	return &exporter{read: retried(r.Store.Events), turns: make(chan struct{}, exportTurns)}
}

// decodeExport asks for large pages, the earliest first: so an export can go on with what has come since.
func (r *Reader) decodeExport(ctx context.Context, req *http.Request) (exportQuestion, error) {
	q, err := r.decode(ctx, req, VerbList, eventFilters("session_id", "format")...)
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
	x := exportQuestion{Query: q, head: req.Method == http.MethodHead, again: r.again(req, VerbList, &q), coding: acceptedCoding(strings.Join(req.Header.Values("Accept-Encoding"), ","))}
	err = x.checkFormat()
	return x, err
}
