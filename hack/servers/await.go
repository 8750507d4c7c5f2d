package servers

import (
	"context"
	"fmt"
	"time"
)

// pollEvery is how often a starting server is asked. Servers announce nothing when they are ready, so asking is the
// only way; it bounds what a test waits too long.
const pollEvery = 20 * time.Millisecond

// Await asks until ask answers nil. It gives up when ctx ends or when the process does, with the last answer and the
// end of the log in the error. A nil process is not watched.
func Await(ctx context.Context, p *Process, logFile string, ask func(context.Context) error) error {
	var gone <-chan struct{}
	if p != nil {
		gone = p.Done()
	}
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		last := ask(ctx)
		if last == nil {
			return nil
		}
		select {
		case <-gone:
			return fmt.Errorf("process %d ended while starting (%w)%s", p.PID(), p.Err(), tail(logFile))
		case <-ctx.Done():
			return fmt.Errorf("%w (%w)%s", last, ctx.Err(), tail(logFile))
		case <-ticker.C:
		}
	}
}

// tail is the end of a log as the end of an error message.
func tail(logFile string) string {
	if text := Tail(logFile); text != "" {
		return "; its log ends with:\n" + text
	}
	return ""
}
