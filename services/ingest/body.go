package ingest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/kit"
)

// keptBuffer bounds the buffers that are kept: a few large bodies must not make every buffer large.
const keptBuffer = 256 << 10

// buffers keeps memory for what comes next.
type buffers struct{ pool sync.Pool }

func (b *buffers) get() *[]byte {
	if text, ok := b.pool.Get().(*[]byte); ok {
		return text
	}
	return new([]byte)
}

func (b *buffers) put(text *[]byte) {
	if cap(*text) <= keptBuffer {
		*text = (*text)[:0]
		b.pool.Put(text)
	}
}

// body reads a request's body and undoes its compression, as far as hold has memory for it. The buffer is to be put
// back; that of a refused request is.
func (d *decoder) body(ctx context.Context, r *http.Request, c coding, h *hold) (*[]byte, error) {
	text := d.buffers.get()
	err := d.read(text, r, h)
	h.handled(*text)
	if err == nil && c != identity && len(*text) > 0 {
		packed := text
		text = d.buffers.get()
		if err = h.take(cap(*text)); err == nil {
			*text, err = d.expander.expand(ctx, h, *text, *packed, c)
			h.handled(*text)
		}
		h.give(cap(*packed))
		d.buffers.put(packed)
	}
	if err != nil {
		d.buffers.put(text)
		return nil, err
	}
	return text, nil
}

// handled notes what was read of a body, or made of it.
func (h *hold) handled(text []byte) {
	if h != nil {
		h.read += len(text)
	}
}

// read reads a body of at most event.MaxRequestBytes.
func (d *decoder) read(text *[]byte, r *http.Request, h *hold) (err error) {
	if r.ContentLength > event.MaxRequestBytes {
		return errBodyTooLarge
	}
	if err := h.take(cap(*text)); err != nil {
		return err
	}
	first, limit := unannounced, event.MaxRequestBytes
	if r.ContentLength > 0 {
		limit = int(r.ContentLength)
		first = max(first, min(limit+1, trusted))
	}
	began := time.Now()
	h.beginBody()
	*text, err = fill(*text, r.Body, first, limit, func(from, to int) error {
		if from > 0 {
			h.hurry(began, to)
		}
		return h.take(to - from)
	})
	h.endBody(err)
	var refused *fault.Error
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return h.late()
	case errors.As(err, &refused):
		return err
	case err != nil:
		return kit.Unread(r, err)
	case len(*text) > event.MaxRequestBytes:
		return errBodyTooLarge
	}
	return nil
}

var errSlow = fault.New(fault.CodeTimeout, "the body came too slowly: it has 30 s at most; one of more than 64 KiB, "+
	"or of more than 4 KiB that does not tell its length, 10 s and a second more for every 192 KiB of it")

var errBodyTooLarge = fault.New(fault.CodeBodyTooLarge, "the body is larger than 4 MiB (4194304 bytes)")

const (
	// unannounced and trusted are the memory that a body gets before anything of it has come: of unknown length, and at
	// most of an announced one. stepFactor is how many times as much it gets when that is full: who sends slowly holds
	// little more than has come.
	unannounced, trusted = 4 << 10, 64 << 10
	stepFactor           = 4
	// patience is how long a body may take whose first memory was too little, and pace how many bytes more have a second
	// each; maxPatience is the time that the server gives any request.
	patience, maxPatience = 10 * time.Second, 30 * time.Second
	pace                  = 192 << 10
)

// hurry sets the time by which n bytes must be here.
func (h *hold) hurry(began time.Time, n int) {
	if h == nil || h.control == nil {
		return
	}
	by := began.Add(min(patience+time.Duration(n)*time.Second/pace, maxPatience))
	h.admission.mu.Lock()
	defer h.admission.mu.Unlock()
	if h.admission.closed.Load() && h.admission.until.Before(by) {
		by = h.admission.until
	}
	h.hurried = h.control.SetReadDeadline(by) == nil || h.hurried
}

// fill reads r to its end, or until there is a byte more than limit, into what text has of memory; more asks whether it
// may be as much instead.
func fill(text []byte, r io.Reader, first, limit int, more func(from, to int) error) ([]byte, error) {
	text = text[:0]
	for len(text) <= limit {
		if len(text) == cap(text) {
			size := min(max(first, stepFactor*cap(text)), limit+1)
			if err := more(cap(text), size); err != nil {
				return text, err
			}
			text = append(make([]byte, 0, size), text...)
		}
		n, err := r.Read(text[len(text):min(cap(text), limit+1)])
		text = text[:len(text)+n]
		if errors.Is(err, io.EOF) {
			return text, nil
		}
		if err != nil {
			return text, err
		}
	}
	return text, nil
}
