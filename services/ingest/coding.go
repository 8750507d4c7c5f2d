package ingest

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/services/internal/fault"
)

// coding is how a request's body is compressed.
type coding uint8

const (
	identity coding = iota
	gzipped
	zstandard
)

// codingOf reads Content-Encoding. One compression is undone: a second one only hides how large a body becomes.
func codingOf(h http.Header) (c coding, err error) {
	for _, line := range h["Content-Encoding"] {
		for name := range strings.SplitSeq(line, ",") {
			var next coding
			switch name = strings.TrimSpace(name); strings.ToLower(name) {
			case "", "identity":
				continue
			case "gzip", "x-gzip": // one coding of two names: RFC 9110, section 8.4.1.3
				next = gzipped
			case "zstd":
				next = zstandard
			default:
				return c, fault.New(fault.CodeContentCoding, "Content-Encoding "+name+" is not supported; send gzip, zstd or identity")
			}
			if c != identity {
				return c, fault.New(fault.CodeContentCoding, "the body is compressed more than once; send one of gzip and zstd")
			}
			c = next
		}
	}
	return c, nil
}

const (
	// maxRatio is how many times its size a body may become, so that who sends little cannot cost much. Real batches
	// of events reach 10 to 30.
	maxRatio = 100
	// freeBytes may come of any body, however small: repeated events compress a thousandfold, and are soon read.
	freeBytes = 1 << 20
	// zstdAtOnce is how many zstd bodies are in the making: each may take two windows before it is found too large. One
	// decoder makes several hundred megabytes a second.
	zstdAtOnce = 2
	// maxWindow is how far back a zstd body may refer: what RFC 9659 has clients of HTTP keep within. What is read
	// back is the output itself, so that it costs no memory.
	maxWindow = 8 << 20
)

var errRatio = fault.New(fault.CodeBodyTooLarge, "the body becomes more than 1 MiB and more than 100 times its size by decompression")

// expander undoes compressions. Bodies are expanded when they are here whole: a slow client holds no decoder.
type expander struct {
	gzip sync.Pool // of *gunzipper
	zstd *zstd.Decoder
	err  error // why there is no zstd
}

// gunzipper is the memory of one gzip stream, about 40 KiB.
type gunzipper struct {
	reader gzip.Reader
	source bytes.Reader
}

func newExpander() *expander {
	e := &expander{}
	e.gzip.New = func() any { return new(gunzipper) }
	e.zstd, e.err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(zstdAtOnce), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(maxWindow), zstd.WithDecoderMaxWindow(maxWindow)) // the memory bounds the window, too
	return e
}

// expand writes into plain what packed becomes. Errors are faults.
func (e *expander) expand(plain *bytes.Buffer, packed []byte, c coding) error {
	plain.Reset()
	limit, err := min(event.MaxRequestBytes, max(freeBytes, maxRatio*len(packed))), e.err
	name := "zstd"
	switch {
	case c == gzipped:
		name, err = "gzip", e.gunzip(plain, packed, int64(limit))
	case err == nil:
		var out []byte
		out, err = e.zstd.DecodeAll(packed, plain.AvailableBuffer())
		*plain = *bytes.NewBuffer(out)
	}
	switch {
	case plain.Len() <= limit && !errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return damaged(name, err)
	case limit < event.MaxRequestBytes:
		return errRatio
	}
	return errBodyTooLarge
}

// gunzip stops a byte above the limit.
func (e *expander) gunzip(plain *bytes.Buffer, packed []byte, limit int64) error {
	g := e.gzip.Get().(*gunzipper)
	defer func() {
		g.source.Reset(nil)
		e.gzip.Put(g)
	}()
	g.source.Reset(packed)
	if err := g.reader.Reset(&g.source); err != nil {
		return err
	}
	_, err := plain.ReadFrom(io.LimitReader(&g.reader, limit+1))
	return err
}

// damaged says what is wrong with a compressed body.
func damaged(name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fault.New(fault.CodeUndecodable, "the "+name+" body is cut off")
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, zstd.ErrMagicMismatch):
		return fault.New(fault.CodeUndecodable, "the body is not "+name+" from its beginning to its end")
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, zstd.ErrCRCMismatch):
		return fault.New(fault.CodeUndecodable, "the "+name+" body does not match its checksum")
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		return fault.New(fault.CodeUndecodable, "the zstd body refers further back than 8 MiB (RFC 9659); compress without --long")
	case errors.Is(err, zstd.ErrUnknownDictionary):
		return fault.New(fault.CodeUndecodable, "the zstd body needs a dictionary; compress without one")
	}
	return fault.New(fault.CodeUndecodable, "the "+name+" body is damaged")
}
