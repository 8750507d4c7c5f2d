package ops

import (
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// TestSlowHeadersEnd: a client that never comes to the end of its header is given up, however steadily it sends; its
// request is none.
func TestSlowHeadersEnd(t *testing.T) {
	t.Parallel()
	s, ended := listen(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("half a header is served") }))
	begin := time.Now()
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // it is closed from the other side
	if _, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: door\r\n"); err != nil {
		t.Fatal(err)
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		_, _ = io.Copy(io.Discard, conn) // until the end, of whichever kind
	}()
	more, enough := time.NewTicker(50*time.Millisecond), time.After(patience)
	defer more.Stop()
	for {
		select {
		case <-closed:
			if lasted := time.Since(begin); lasted < readHeaderTimeout {
				t.Errorf("given up after %s already", lasted)
			}
			s.Stop(nil)
			if err := receive(t, "the end of serving", ended); err != nil {
				t.Error(err)
			}
			return
		case <-more.C:
			_, _ = io.WriteString(conn, "X-Slow: 1\r\n") // that it fails shows in closed
		case <-enough:
			t.Fatal("the connection is held for ever")
		}
	}
}
