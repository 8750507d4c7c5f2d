package ingest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/keyring"
	"github.com/theeye-dev/theeye/services/internal/kit"
	"github.com/theeye-dev/theeye/services/internal/stream"
)

// maxIdempotencyKey is how long an Idempotency-Key may be, in bytes.
const maxIdempotencyKey = 255

// Handler serves ingest's public port.
func Handler(s *Service, keys *keyring.Keyring, observer *kit.Observer) *http.ServeMux {
	d := &decoder{keys: keys, expander: newExpander()}
	mux := http.NewServeMux()
	accept := func(ctx context.Context, sub Submission) (*Receipt, error) {
		defer d.release(sub.buffer)
		return s.Accept(ctx, sub)
	}
	mux.Handle("POST /v1/events", observer.Route("/v1/events", drained(kit.Handler(accept, d.decode, encode))))
	mux.Handle("/v1/events", kit.MethodNotAllowed(http.MethodPost))
	mux.Handle("GET /openapi.yaml", kit.OpenAPI())
	mux.Handle("/", kit.NotFound())
	return mux
}

const (
	// drainBytes and drainTime bound what is read of a body that was refused unread.
	drainBytes = 16 << 20
	drainTime  = 3 * time.Second
)

// drained reads on after a refusal, within bounds: a client that sends all before it reads would otherwise see a
// broken connection instead of the 401 or 413, and try for ever.
func drained(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := &endingBody{ReadCloser: r.Body}
		r.Body = body
		next.ServeHTTP(w, r)
		if body.ended {
			return
		}
		control := http.NewResponseController(w)
		if control.SetReadDeadline(time.Now().Add(drainTime)) == nil && control.Flush() == nil {
			_, _ = io.CopyN(io.Discard, body, drainBytes) // what went wrong is answered already
		}
	})
}

// endingBody knows whether it was read to its end, or to an error.
type endingBody struct {
	io.ReadCloser
	ended bool
}

func (b *endingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.ended = b.ended || err != nil
	return n, err
}

// decoder turns a request into a Submission. It checks the credential before it reads the body.
type decoder struct {
	keys     *keyring.Keyring
	expander *expander
	buffers  sync.Pool
}

// keptBuffer bounds the buffers that are kept: a few large bodies must not make every buffer large.
const keptBuffer = 256 << 10

func (d *decoder) release(buffer *bytes.Buffer) {
	if buffer.Cap() <= keptBuffer {
		d.buffers.Put(buffer)
	}
}

func (d *decoder) decode(ctx context.Context, r *http.Request) (Submission, error) {
	principal, err := kit.Authenticate(d.keys, r)
	if err != nil {
		return Submission{}, err
	}
	lines, err := linesOf(r.Header)
	if err != nil {
		return Submission{}, err
	}
	coding, err := codingOf(r.Header)
	if err != nil {
		return Submission{}, err
	}
	sub := Submission{
		Principal:      principal,
		Lines:          lines,
		Strict:         prefersStrict(r.Header),
		IdempotencyKey: r.Header.Get("Idempotency-Key"),
		TraceParent:    stream.TraceParent(ctx),
		TraceID:        trace.SpanContextFromContext(ctx).TraceID(),
	}
	if len(sub.IdempotencyKey) > maxIdempotencyKey {
		return Submission{}, fault.New(fault.CodeParameter, "Idempotency-Key is longer than 255 bytes")
	}
	if sub.buffer, err = d.body(r, coding); err != nil {
		return Submission{}, err
	}
	sub.Body = sub.buffer.Bytes()
	return sub, nil
}

// body reads a request's body and undoes its compression. The buffer is to be released.
func (d *decoder) body(r *http.Request, c coding) (*bytes.Buffer, error) {
	buffer := d.buffer()
	err := readBody(buffer, r)
	if err == nil && c != identity && buffer.Len() > 0 {
		packed := buffer
		buffer = d.buffer()
		err = d.expander.expand(buffer, packed.Bytes(), c)
		d.release(packed)
	}
	if err != nil {
		d.release(buffer)
		return nil, err
	}
	return buffer, nil
}

func (d *decoder) buffer() *bytes.Buffer {
	if buffer, ok := d.buffers.Get().(*bytes.Buffer); ok {
		return buffer
	}
	return new(bytes.Buffer)
}

// trusted is how much of an announced length is made room for before it has come.
const trusted = 64 << 10

// readBody reads a body of at most event.MaxRequestBytes.
func readBody(buffer *bytes.Buffer, r *http.Request) error {
	buffer.Reset()
	if r.ContentLength > event.MaxRequestBytes {
		return errBodyTooLarge
	}
	if r.ContentLength > 0 {
		buffer.Grow(int(min(r.ContentLength, trusted)) + bytes.MinRead)
	}
	_, err := buffer.ReadFrom(io.LimitReader(r.Body, event.MaxRequestBytes+1))
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fault.New(fault.CodeTimeout, "the body did not arrive within 30 s")
	case err != nil:
		return fault.New(fault.CodeMalformed, "the body was cut off")
	case buffer.Len() > event.MaxRequestBytes:
		return errBodyTooLarge
	}
	return nil
}

var errBodyTooLarge = fault.New(fault.CodeBodyTooLarge, "the body is larger than 4 MiB (4194304 bytes)")

// prefersStrict reads Prefer: handling=strict (RFC 7240). Of several handlings the first counts; parameters mean nothing.
func prefersStrict(h http.Header) bool {
	for _, line := range h["Prefer"] {
		for preference := range strings.SplitSeq(line, ",") {
			preference, _, _ = strings.Cut(preference, ";")
			name, value, _ := strings.Cut(preference, "=")
			if strings.EqualFold(strings.TrimSpace(name), "handling") {
				return strings.Trim(strings.TrimSpace(value), `"`) == "strict"
			}
		}
	}
	return false
}
