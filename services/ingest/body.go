package ingest

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/services/internal/fault"
)

// keptBuffer bounds the buffers that are kept: a few large bodies must not make every buffer large.
const keptBuffer = 256 << 10

func (d *decoder) release(buffer *bytes.Buffer) {
	if buffer.Cap() <= keptBuffer {
		d.buffers.Put(buffer)
	}
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
