package services_test

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// wire is a TCP connection to a service that breaks, over and over, in each of the ways in which a client cannot know
// what became of its request.
type wire struct {
	URL  string
	cuts [4]atomic.Int64 // by their kind

	target   string
	listener net.Listener
	open     sync.WaitGroup
}

// The kinds of cuts, one connection after the other.
const (
	cutLater   = iota // after three answers, between requests
	cutAnswer         // the request was received, the answer is lost
	cutInside         // the answer is lost but for its beginning
	cutRequest        // the request is lost but for its beginning
)

// newWire leads to a service until the test's end.
func newWire(t *testing.T, p *testenv.Process) *wire {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{URL: "http://" + listener.Addr().String(), target: strings.TrimPrefix(p.URL, "http://"), listener: listener}
	ctx, cancel := context.WithCancel(context.Background())
	w.open.Go(func() { w.accept(ctx) })
	t.Cleanup(func() {
		cancel()
		_ = listener.Close()
		w.open.Wait()
	})
	return w
}

func (w *wire) accept(ctx context.Context) {
	for n := 0; ; n++ {
		near, err := w.listener.Accept()
		if err != nil {
			return
		}
		w.open.Go(func() { w.connect(ctx, near, n%len(w.cuts)) })
	}
}

// connect carries one connection until it is cut.
func (w *wire) connect(ctx context.Context, near net.Conn, kind int) {
	defer near.Close() //nolint:errcheck // it may be closed already
	far, err := new(net.Dialer).DialContext(ctx, "tcp", w.target)
	if err != nil {
		return
	}
	end := sync.OnceFunc(func() {
		_ = near.(*net.TCPConn).SetLinger(0) // a reset, as from a process that was killed
		_ = near.Close()
		_ = far.Close()
	})
	defer context.AfterFunc(ctx, end)()
	defer end()
	w.open.Go(func() {
		defer end()
		if kind != cutRequest {
			_, _ = io.Copy(far, near)
			return
		}
		const beginning = 3000 // within the body
		if n, _ := io.CopyN(far, near, beginning); n == beginning {
			w.cuts[cutRequest].Add(1)
		}
	})
	w.answers(near, far, kind)
}

// answers carries what the service answers, as far as it is to come.
func (w *wire) answers(near, far net.Conn, kind int) {
	buffer := make([]byte, 64<<10)
	for n := 0; ; n++ {
		read, err := far.Read(buffer)
		if err != nil {
			return
		}
		switch {
		case kind == cutAnswer, kind == cutRequest:
			read = 0
		case kind == cutInside:
			read = min(read, 200) // its head, not its body
		}
		if _, err := near.Write(buffer[:read]); err != nil {
			return
		}
		if kind != cutLater || n == 2 {
			w.cuts[kind].Add(1)
			return
		}
	}
}
