package install

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// lookEvery is how often a wait looks: often enough for the times that are printed, and rare enough for an API server.
const lookEvery = 250 * time.Millisecond

// Progress tells what goes on, a line each with the seconds since the beginning.
type Progress struct {
	out   io.Writer
	now   func() time.Time
	begun time.Time
}

// NewProgress returns a Progress that begins now.
func NewProgress(out io.Writer, now func() time.Time) *Progress {
	return &Progress{out: out, now: now, begun: now()}
}

// say writes a line.
func (p *Progress) say(format string, args ...any) {
	fmt.Fprintf(p.out, "%7.2fs  %s\n", p.now().Sub(p.begun).Seconds(), fmt.Sprintf(format, args...))
}

// condition says what is still waited for; "" when nothing is. After an error it is asked again, unless that is final.
type condition func(ctx context.Context) (missing string, err error)

// finalError is one that no waiting changes.
type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }

// final makes an error one that ends a wait.
func final(format string, args ...any) error { return finalError{fmt.Errorf(format, args...)} }

// await asks a condition until nothing is missing. Whatever it begins to wait for is told. The error of a context that
// ended says what was missing last.
func (p *Progress) await(ctx context.Context, c condition) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	begun, last := p.now(), "the first answer"
	for {
		missing, err := c(ctx)
		switch {
		case errors.As(err, new(finalError)):
			return err
		case ctx.Err() != nil: // err is about the context, and says nothing
		case err != nil:
			missing = "an answer: " + err.Error()
		case missing == "":
			return nil
		}
		if ctx.Err() == nil && missing != last {
			last = missing
			p.say("waiting for %s", last)
		}
		select {
		case <-ctx.Done():
			return p.missed(ctx, begun, last)
		case <-tick.C:
		}
	}
}

// missed says what a wait ended without.
func (p *Progress) missed(ctx context.Context, begun time.Time, last string) error {
	waited := p.now().Sub(begun).Round(100 * time.Millisecond)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("waited %s in vain for %s", waited, last)
	}
	return fmt.Errorf("interrupted after %s of waiting for %s: %w", waited, last, ctx.Err())
}
