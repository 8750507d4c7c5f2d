package certificate

import (
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// lookEvery bounds how often files are asked whether they changed, however many connections come. A certificate is
// renewed days before it ends: a second is nothing, and two stats a second cost nothing.
const lookEvery = time.Second

// files keeps what was made of some files as new as they are. There is no goroutine: whoever needs it looks.
type files[T any] struct {
	names []string
	parse func(contents [][]byte) (T, error)
	log   *slog.Logger
	now   func() time.Time

	value atomic.Pointer[T]

	mu      sync.Mutex // of whoever looks
	looked  time.Time
	seen    []fs.FileInfo // as they were before value was read
	failing bool
}

// open reads the files for the first time; faults are the caller's.
func open[T any](log *slog.Logger, parse func([][]byte) (T, error), names ...string) (*files[T], error) {
	f := &files[T]{names: names, parse: parse, log: log, now: time.Now}
	var err error
	if f.seen, err = f.stat(); err != nil {
		return nil, err
	}
	f.looked = f.now()
	return f, f.read()
}

// get returns the newest value. While one caller looks, the others go on with the one before.
func (f *files[T]) get() T {
	if f.mu.TryLock() {
		defer f.mu.Unlock()
		f.look()
	}
	return *f.value.Load()
}

// look reads the files again when they changed. What cannot be used leaves the value as it is, is logged once, and is
// tried again at every later look: the second file of a pair may just not have been written yet.
func (f *files[T]) look() {
	now := f.now()
	if now.Sub(f.looked) < lookEvery {
		return
	}
	f.looked = now
	infos, err := f.stat()
	switch {
	case err != nil:
	case same(f.seen, infos):
		f.failing = false // what is used is what is there, again
		return
	default:
		err = f.read()
	}
	if err == nil {
		f.seen, f.failing = infos, false
		f.log.Info("certificate files read again", "files", f.names)
		return
	}
	if after, failed := f.stat(); failed == nil && err != nil && !same(infos, after) {
		return // they were replaced meanwhile: the next look tells
	}
	if !f.failing {
		f.failing = true
		f.log.Error("certificate files changed and cannot be used: what was read before stays", "files", f.names, "error", err)
	}
}

// read makes the value from the files.
func (f *files[T]) read() error {
	contents := make([][]byte, len(f.names))
	for i, name := range f.names {
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		contents[i] = content
	}
	value, err := f.parse(contents)
	if err != nil {
		return fmt.Errorf("use %q: %w", f.names, err)
	}
	f.value.Store(&value)
	return nil
}

// stat follows links: Kubernetes swaps one above the files.
func (f *files[T]) stat() ([]fs.FileInfo, error) {
	infos := make([]fs.FileInfo, len(f.names))
	for i, name := range f.names {
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		infos[i] = info
	}
	return infos, nil
}

// same tells whether files are those of before, not replaced and not written to.
func same(before, now []fs.FileInfo) bool {
	for i := range now {
		if !os.SameFile(before[i], now[i]) || before[i].Size() != now[i].Size() || !before[i].ModTime().Equal(now[i].ModTime()) {
			return false
		}
	}
	return true
}
