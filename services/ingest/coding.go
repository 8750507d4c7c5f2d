package ingest

import (
	"bytes"
	"context"
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
	gzip  sync.Pool     // of *gunzipper
	small *zstd.Decoder // of what becomes at most lightBytes
	zstd  *zstd.Decoder
	err   error // why there is no zstd
}

// gunzipper is the memory of one gzip stream, about 40 KiB.
type gunzipper struct {
	reader gzip.Reader
	source bytes.Reader
}

func newExpander() *expander {
	e := &expander{}
	e.gzip.New = func() any { return new(gunzipper) }
	var err error
	e.small, err = newZstd(lightBytes)
	e.zstd, e.err = newZstd(maxWindow)
	e.err = errors.Join(e.err, err)
	return e
}

// newZstd bounds what a body may become, and with it how far back it may refer.
func newZstd(bytes uint64) (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(zstdAtOnce), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(bytes), zstd.WithDecoderMaxWindow(bytes))
}

// expand writes into plain what packed becomes. What is more than lightBytes is begun again in its turn, so that small
// bodies need not wait, whatever they claim to be. plain has been taken from hold, and so will be what is returned.
// Errors are faults.
func (e *expander) expand(ctx context.Context, h *hold, plain, packed []byte, c coding) ([]byte, error) {
	limit := min(event.MaxRequestBytes, max(freeBytes, maxRatio*len(packed)))
	light, err := e.undo(h, plain, packed, c, lightBytes)
	if !isLarge(light, err, lightBytes) {
		return light, damaged(c, err)
	}
	done, err := h.turn(ctx, limit)
	if err != nil {
		return light, err
	}
	defer done()
	out, err := e.undo(h, light, packed, c, limit)
	switch {
	case !isLarge(out, err, limit):
		return out, damaged(c, err)
	case limit < event.MaxRequestBytes:
		return out, errRatio
	}
	return out, errBodyTooLarge
}

// isLarge tells whether a body becomes more than limit, or could.
func isLarge(out []byte, err error, limit int) bool {
	return len(out) > limit || errors.Is(err, zstd.ErrDecoderSizeExceeded) ||
		limit <= lightBytes && errors.Is(err, zstd.ErrWindowSizeExceeded)
}

// undo stops above the limit.
func (e *expander) undo(h *hold, plain, packed []byte, c coding, limit int) ([]byte, error) {
	if c == gzipped {
		return e.gunzip(h, plain, packed, limit)
	}
	if e.err != nil {
		return plain, e.err
	}
	decoder, most := e.small, lightBytes
	if limit > lightBytes {
		decoder, most = e.zstd, maxWindow
	}
	most = max(most-cap(plain), 0) // it makes its memory itself, and seldom as much
	if err := h.take(most); err != nil {
		return plain, err
	}
	out, err := decoder.DecodeAll(packed, plain[:0])
	if out == nil {
		out = plain[:0]
	}
	h.give(most - (cap(out) - cap(plain)))
	return out, err
}

func (e *expander) gunzip(h *hold, plain, packed []byte, limit int) ([]byte, error) {
	g := e.gzip.Get().(*gunzipper)
	defer func() {
		g.source.Reset(nil)
		e.gzip.Put(g)
	}()
	g.source.Reset(packed)
	if err := g.reader.Reset(&g.source); err != nil {
		return plain[:0], err
	}
	out, err := fill(plain, &resting{&g.reader, lightBytes}, unannounced, limit, func(from, to int) error { return h.take(to - from) })
	if (errors.Is(err, gzip.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF)) && g.followed(packed) {
		err = errFollowed
	}
	return out, err
}

var errFollowed = fault.New(fault.CodeUndecodable, "the gzip body is whole, and other bytes follow after the compressed ones; send nothing after them")

// followed tells whether bytes that begin no further member follow after members that are whole. It reads again what
// became less than the limit before.
func (g *gunzipper) followed(packed []byte) bool {
	g.source.Reset(packed)
	for rest := packed; len(rest) > 0; rest = packed[len(packed)-g.source.Len():] {
		if err := g.reader.Reset(&g.source); err != nil {
			return len(rest) < len(packed) && !bytes.HasPrefix([]byte("\x1f\x8b"), rest[:min(len(rest), 2)])
		}
		g.reader.Multistream(false)
		if _, err := io.Copy(io.Discard, &g.reader); err != nil {
			return false
		}
	}
	return false
}

// damaged says what is wrong with a compressed body.
func damaged(c coding, err error) error {
	var refused *fault.Error
	name := "gzip"
	if c == zstandard {
		name = "zstd"
	}
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		return err
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
