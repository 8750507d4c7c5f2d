package ops

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/oklog/run"
)

// Main runs a service: it parses the arguments, serves until a signal or a failure, and sets the exit status. 2 is a
// wrong configuration, 1 a failure; to be stopped by a signal is success.
func Main[Config any](name string, parse func([]string) (Config, error), serve func(context.Context, Config) error) {
	config, err := parse(os.Args[1:])
	if errors.Is(err, ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\nsee %s -h\n", name, err, name)
		os.Exit(2)
	}
	var stopped *run.SignalError
	if err := serve(context.Background(), config); err != nil && !errors.As(err, &stopped) {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

// Actor makes a function that runs until its context ends an actor of a run group.
func Actor(ctx context.Context, f func(context.Context) error) (execute func() error, interrupt func(error)) {
	ctx, cancel := context.WithCancel(ctx)
	return func() error { return f(ctx) }, func(error) { cancel() }
}

// flushTimeout is how long a stopping service waits for its last spans to be taken.
const flushTimeout = 5 * time.Second

// Flush shuts telemetry down.
func Flush(t *Telemetry) {
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	if err := t.Shutdown(ctx); err != nil {
		t.Log.Warn("telemetry not flushed", "error", err)
	}
}

// LogLevel is a flag value; the zero value is info.
type LogLevel struct{ slog.Level }

// Set reads a level's name.
func (l *LogLevel) Set(text string) error { return l.UnmarshalText([]byte(text)) }
