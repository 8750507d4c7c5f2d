package ingest

import (
	"io"
	"net/http"
	"time"
)

const (
	// drainBytes and drainTime bound what is read of a body that was refused unread.
	drainBytes = 16 << 20
	drainTime  = 3 * time.Second
)

// drained answers a refusal before the body has come, and then reads on, within bounds: a client that sends all before it
// reads would otherwise see a broken connection instead of the 401 or 413, and try for ever.
func drained(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, control := &endingBody{resting: resting{r.Body, lightBytes}, Closer: r.Body}, http.NewResponseController(w)
		r.Body = body
		_ = control.EnableFullDuplex() // else the server itself would wait for a body of up to 256 KiB; HTTP/2 has it always
		next.ServeHTTP(w, r)
		if body.ended {
			return
		}
		if control.SetReadDeadline(time.Now().Add(drainTime)) == nil && control.Flush() == nil {
			_, _ = io.CopyN(io.Discard, body, drainBytes) // what went wrong is answered already
		}
	})
}

// endingBody knows whether it was read to its end, or to an error, and rests while it is read.
type endingBody struct {
	resting
	io.Closer
	ended bool
}

func (b *endingBody) Read(p []byte) (int, error) {
	n, err := b.resting.Read(p)
	b.ended = b.ended || err != nil
	return n, err
}
