package ops

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/oklog/run"
	"go.opentelemetry.io/otel/trace"
)

const patience = 30 * time.Second

func listen(t *testing.T, handler http.Handler) (s *Server, ended <-chan error) {
	t.Helper()
	s, err := Listen("test", "127.0.0.1:0", nil, handler, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Run() }()
	return s, done
}

func receive[T any](t *testing.T, what string, from <-chan T) (got T) {
	t.Helper()
	select {
	case got = <-from:
	case <-time.After(patience):
		t.Fatalf("in vain awaited: %s", what)
	}
	return got
}

// TestServerStops while a request is in hand: that is answered, and new ones are refused.
func TestServerStops(t *testing.T) {
	t.Parallel()
	inHand, release := make(chan struct{}), make(chan struct{})
	s, ended := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(inHand)
		<-release
		if err := r.Context().Err(); err != nil {
			t.Errorf("the request in hand was cancelled: %v", err)
		}
		_, _ = io.WriteString(w, "done")
	}))
	answered := make(chan string, 1)
	go func() {
		response, err := http.Get("http://" + s.Addr())
		if err != nil {
			answered <- err.Error()
			return
		}
		defer response.Body.Close() //nolint:errcheck // only read
		body, _ := io.ReadAll(response.Body)
		answered <- string(body)
	}()
	receive(t, "a request in hand", inHand)
	stopped := make(chan struct{})
	go func() { s.Stop(nil); close(stopped) }()
	if err := receive(t, "the end of serving", ended); err != nil {
		t.Errorf("ended with %v", err)
	}
	if conn, err := net.Dial("tcp", s.Addr()); err == nil {
		_ = conn.Close()
		t.Error("connections are still taken")
	}
	select {
	case <-stopped:
		t.Error("stopped before the request in hand was answered")
	default:
	}
	close(release)
	receive(t, "the stop", stopped)
	if got := receive(t, "the answer", answered); got != "done" {
		t.Errorf("answered %q", got)
	}
}

func TestServerStopsBeforeItRuns(t *testing.T) {
	t.Parallel()
	s, err := Listen("test", "127.0.0.1:0", nil, http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.Stop(nil)
	if err := s.Run(); err != nil {
		t.Errorf("ended with %v", err)
	}
}

func TestListenNamesThePort(t *testing.T) {
	t.Parallel()
	s, _ := listen(t, http.NotFoundHandler())
	defer s.Stop(nil)
	if _, err := Listen("public", s.Addr(), nil, http.NotFoundHandler(), slog.New(slog.DiscardHandler)); err == nil ||
		!strings.Contains(err.Error(), "public") || !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("got %v", err)
	}
}

func TestActorEndsWithItsInterrupt(t *testing.T) {
	t.Parallel()
	execute, interrupt := Actor(t.Context(), func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	done := make(chan error, 1)
	go func() { done <- execute() }()
	interrupt(nil)
	if err := receive(t, "the end", done); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestTelemetry reads what the ops port and the log show.
func TestTelemetry(t *testing.T) {
	for _, name := range []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"} {
		t.Setenv(name, "")
	}
	var log strings.Builder
	telemetry, err := NewTelemetry(t.Context(), "demo", &log, slog.LevelInfo)
	if err != nil {
		t.Fatal(err)
	}
	defer Flush(telemetry)
	counter, err := telemetry.Meter.Int64Counter("theeye.things")
	if err != nil {
		t.Fatal(err)
	}
	counter.Add(t.Context(), 3)
	s, _ := listen(t, telemetry.Handler(Health{{Name: "broken", Probe: func(context.Context) error { return errors.New("x") }}}))
	defer s.Stop(nil)
	for path, want := range map[string]struct {
		status int
		says   string
	}{
		"/metrics":             {200, "theeye_things_total 3"},
		"/healthz":             {200, "true"},
		"/readyz":              {503, "broken"},
		"/debug/pprof/":        {200, "goroutine"},
		"/debug/pprof/cmdline": {404, ""},
		"/":                    {404, ""},
	} {
		response, err := http.Get("http://" + s.Addr() + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if response.StatusCode != want.status || !strings.Contains(string(body), want.says) {
			t.Errorf("%s answers %d, want %d with %q", path, response.StatusCode, want.status, want.says)
		}
	}
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	ctx := trace.ContextWithSpanContext(t.Context(), span)
	telemetry.Log.With("a", 1).InfoContext(ctx, "hello")
	telemetry.Log.DebugContext(ctx, "not shown")
	var line map[string]any
	if err := json.Unmarshal([]byte(log.String()), &line); err != nil {
		t.Fatalf("%v in %s", err, log.String())
	}
	for key, want := range map[string]any{
		"msg": "hello", "service": "demo", "a": 1.0, "level": "INFO",
		"trace_id": span.TraceID().String(), "span_id": span.SpanID().String(),
	} {
		if line[key] != want {
			t.Errorf("%s is %v, want %v", key, line[key], want)
		}
	}
}

// roleEnv makes this test binary play a service's main.
const roleEnv = "OPS_TEST_MAIN"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleEnv); role != "" {
		Main("demo", parseConfig, func(ctx context.Context, _ config) error {
			// A signal before the group has its handler must not end the process; the test sends more than one.
			signal.Notify(make(chan os.Signal, 1), os.Interrupt, syscall.SIGTERM)
			_, _ = os.Stdout.WriteString("serving\n")
			if role == "fail" {
				return errors.New("it broke")
			}
			var g run.Group
			g.Add(run.SignalHandler(ctx, os.Interrupt, syscall.SIGTERM))
			return g.Run()
		})
		return
	}
	m.Run() // and the exit status follows
}

func TestExitStatus(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		role   string
		args   []string
		signal syscall.Signal
		status int
		says   string // on standard error
	}{
		"help":        {"serve", []string{"-h"}, 0, 0, ""},
		"version":     {"serve", []string{"--version"}, 0, 0, ""},
		"wrong flag":  {"serve", []string{"--lisen"}, 0, 2, "demo: flag provided but not defined: -lisen\nsee demo -h\n"},
		"failure":     {"fail", nil, 0, 1, "demo: it broke\n"},
		"terminated":  {"serve", nil, syscall.SIGTERM, 0, ""},
		"interrupted": {"serve", nil, syscall.SIGINT, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			cmd := exec.CommandContext(ctx, os.Args[0], c.args...)
			cmd.Env = []string{roleEnv + "=" + c.role}
			var stderr strings.Builder
			cmd.Stderr = &stderr
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			output, ended := bufio.NewReader(stdout), make(chan struct{})
			_, _ = output.ReadString('\n') // help's first line, "serving", or nothing
			go func() {
				defer close(ended)
				_, _ = io.Copy(io.Discard, output)
			}()
			ticker := time.NewTicker(5 * time.Millisecond)
			defer ticker.Stop()
			for running := true; running; {
				select {
				case <-ended:
					running = false
				case <-ticker.C:
					if c.signal != 0 {
						_ = cmd.Process.Signal(c.signal) // it may just have ended
					}
				}
			}
			_ = cmd.Wait() // the status tells
			if got := cmd.ProcessState.ExitCode(); got != c.status || stderr.String() != c.says {
				t.Errorf("exit status %d, want %d; %q", got, c.status, stderr.String())
			}
		})
	}
}
