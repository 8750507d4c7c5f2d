package install

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

// running is an errand that was started.
type running struct {
	w     *world
	ended chan error
}

func (w *world) start(run func(context.Context) error) *running {
	w.t.Helper()
	r := &running{w, make(chan error, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	w.t.Cleanup(func() { cancel(); <-done })
	go func() { defer close(done); r.ended <- run(ctx) }()
	return r
}

// end waits for the errand's end.
func (r *running) end() error {
	r.w.t.Helper()
	select {
	case err := <-r.ended:
		return err
	case <-time.After(patience):
		return errors.New("the errand does not end")
	}
}

// lines is what was printed.
type lines struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{} // closed with the next line
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.changed)
	l.changed = make(chan struct{})
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// await returns when a text was printed.
func (l *lines) await(t *testing.T, text string) {
	t.Helper()
	timeout := time.After(patience)
	for {
		l.mu.Lock()
		there, changed := strings.Contains(l.text.String(), text), l.changed
		l.mu.Unlock()
		if there {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			t.Fatalf("%q was not printed", text)
		}
	}
}
