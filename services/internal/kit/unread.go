package kit

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

// Unread is the fault of a body that could not be read to its end, by the error of reading it: it came too slowly, it was
// cut off, or its chunks are none. What the server makes of those has no error of its own to be known by.
func Unread(r *http.Request, err error) error {
	broken := (*net.OpError)(nil)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fault.Wrap(fault.CodeTimeout, "the body did not arrive within 30 s", err)
	case !slices.Contains(r.TransferEncoding, "chunked"), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &broken):
		return fault.Wrap(fault.CodeMalformed, "the body was cut off", err)
	}
	return fault.Wrap(fault.CodeMalformed, "the body's chunks are not well formed (Transfer-Encoding: chunked)", err)
}
