package history

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// File appends lines durably. Lines that wait at the same moment share an fsync: otherwise the disk would set the pace
// of the workload.
type File struct {
	file *os.File

	mu      sync.Mutex
	waiting bytes.Buffer
	round   *round // of those that wait
	syncing bool
	history History
}

// round is the lines that one fsync writes.
type round struct {
	done chan struct{}
	err  error
}

// Create makes a file that must not be there.
func Create(path string) (*File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make history: %w", err)
	}
	return &File{file: file, round: newRound()}, nil
}

func newRound() *round { return &round{done: make(chan struct{})} }

// Write returns when the line is on disk.
func (f *File) Write(l Line) error {
	text, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("write history: %w", err)
	}
	f.mu.Lock()
	f.history.Add(l)
	f.waiting.Write(append(text, '\n'))
	mine := f.round
	if !f.syncing {
		f.syncing = true
		f.mu.Unlock()
		f.sync()
	} else {
		f.mu.Unlock()
	}
	<-mine.done
	return mine.err
}

// sync writes what waits until nothing does.
func (f *File) sync() {
	for {
		f.mu.Lock()
		if f.waiting.Len() == 0 {
			f.syncing = false
			f.mu.Unlock()
			return
		}
		lines, finished := bytes.Clone(f.waiting.Bytes()), f.round
		f.waiting.Reset()
		f.round = newRound()
		f.mu.Unlock()
		if _, err := f.file.Write(lines); err != nil {
			finished.err = fmt.Errorf("write history: %w", err)
		} else if err := f.file.Sync(); err != nil {
			finished.err = fmt.Errorf("sync history: %w", err)
		}
		close(finished.done)
	}
}

// History returns what was written. Nothing may be written any more.
func (f *File) History() History { return f.history }

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }

// Read reads a file. A last line that was not written whole is left out: what it says was never built on.
func Read(r io.Reader) (History, error) {
	var h History
	lines := bufio.NewReader(r)
	for {
		text, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return h, nil
		}
		if err != nil {
			return h, fmt.Errorf("read history: %w", err)
		}
		var l Line
		if err := json.Unmarshal(text, &l); err != nil {
			return h, fmt.Errorf("read history: %w in %.200s", err, text)
		}
		h.Add(l)
	}
}
