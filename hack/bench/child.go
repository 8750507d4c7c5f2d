package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// parts are what this program can be besides the bench itself: the processes that it starts of itself, named by a
// hidden first argument.
var parts = map[string]func(*link) error{
	"part-load": runLoad,
	"part-copy": runCopy,
	"part-bare": runBare,
	"part-xadd": runXadd,
}

// outcome is what a generator measured.
type outcome struct {
	Requests uint64        `json:"requests"`
	Events   uint64        `json:"events"`
	Elapsed  time.Duration `json:"elapsed"`
	P50      time.Duration `json:"p50"`
	P99      time.Duration `json:"p99"`
}

// message is what a part tells the bench. A handler sends its address once; a generator sends ready when it is warm,
// waits for the word to go, and then sends its outcome.
type message struct {
	Address string   `json:"address,omitempty"`
	Ready   bool     `json:"ready,omitempty"`
	Warmed  uint64   `json:"warmed,omitempty"` // events sent while warming up; with Ready
	Outcome *outcome `json:"outcome,omitempty"`
	Error   string   `json:"error,omitempty"`
}

// link is a part's end of its standard input and output.
type link struct {
	in  *json.Decoder
	out *json.Encoder
}

// runPart is the whole of a part's main; it answers the exit code.
func runPart(part func(*link) error) int {
	l := &link{in: json.NewDecoder(os.Stdin), out: json.NewEncoder(os.Stdout)}
	if err := part(l); err != nil {
		_ = l.out.Encode(message{Error: err.Error()})
		return 1
	}
	return 0
}

// awaitGo tells the bench that the part is warm, and waits for its word.
func (l *link) awaitGo(warmed uint64) error {
	if err := l.out.Encode(message{Ready: true, Warmed: warmed}); err != nil {
		return fmt.Errorf("tell the bench: %w", err)
	}
	var word bool
	if err := l.in.Decode(&word); err != nil {
		return fmt.Errorf("wait for the bench: %w", err)
	}
	return nil
}

// finish tells the bench what was measured, and stays until it has looked at this process for the last time.
func (l *link) finish(o outcome) error {
	if err := l.out.Encode(message{Outcome: &o}); err != nil {
		return fmt.Errorf("tell the bench: %w", err)
	}
	l.awaitEnd()
	return nil
}

// awaitEnd waits until the bench closes the input: on purpose, or because it died.
func (l *link) awaitEnd() { _, _ = io.Copy(io.Discard, io.MultiReader(l.in.Buffered(), os.Stdin)) }

// child is the bench's end of a part.
type child struct {
	name string
	cmd  *exec.Cmd
	in   io.WriteCloser
	send *json.Encoder
	recv *json.Decoder
}

// startPart starts this program again as one of its parts and gives it its configuration.
func startPart(ctx context.Context, name string, config any) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own program: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, name) //nolint:gosec // ourselves
	cmd.Stderr = os.Stderr
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("connect to %s: %w", name, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	c := &child{name: name, cmd: cmd, in: in, send: json.NewEncoder(in), recv: json.NewDecoder(out)}
	if err := c.send.Encode(config); err != nil {
		return nil, errors.Join(fmt.Errorf("configure %s: %w", name, err), c.close())
	}
	return c, nil
}

// receive waits for the part's next message.
func (c *child) receive() (message, error) {
	var m message
	if err := c.recv.Decode(&m); err != nil {
		return m, fmt.Errorf("%s ended without a word: %w", c.name, err)
	}
	if m.Error != "" {
		return m, fmt.Errorf("%s: %s", c.name, m.Error)
	}
	return m, nil
}

// measure lets a generator go and waits for its outcome.
func (c *child) measure() (outcome, error) {
	if err := c.send.Encode(true); err != nil {
		return outcome{}, fmt.Errorf("start %s: %w", c.name, err)
	}
	m, err := c.receive()
	if err != nil {
		return outcome{}, err
	}
	if m.Outcome == nil {
		return outcome{}, fmt.Errorf("%s sent no outcome", c.name)
	}
	return *m.Outcome, nil
}

// close ends the part and waits for it. A part that failed has said so before.
func (c *child) close() error {
	if err := c.in.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("end %s: %w", c.name, err)
	}
	_ = c.cmd.Wait()
	return nil
}
