package ingest

import (
	"io"
	"time"
)

// Long work rests. That other goroutines of ingest have the processor before it goes on is not enough: every small request
// waits for Redis, which may have the same processors, and Linux takes one from whoever does not let go of it after some
// milliseconds only.
const (
	// stretch is how many bytes of a large body are read, expanded or scanned at a time: less than 0.3 ms.
	stretch = 32 << 10
	// rest is how long others have the processor then. A body of 4 MiB takes 35 ms longer for each of these.
	rest = 200 * time.Microsecond
)

// restOf is how a body of n bytes rests while it is scanned: not at all when it is small.
func restOf(n int) time.Duration {
	if n > lightBytes {
		return rest
	}
	return 0
}

// resting rests while it is read.
type resting struct {
	io.Reader
	left int // bytes until the next rest
}

func (r *resting) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p[:min(len(p), stretch)])
	if r.left -= n; r.left <= 0 {
		r.left += stretch
		time.Sleep(rest) //nolint:forbidigo // it waits for nothing, and less than a context takes to end it
	}
	return n, err //nolint:wrapcheck // the reader's own
}
