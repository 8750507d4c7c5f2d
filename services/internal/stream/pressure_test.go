package stream

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

func (f *fixture) pressure(limits Limits, log *slog.Logger) *Pressure {
	f.Helper()
	p := NewPressure(f.open(), 2, limits, log)
	p.interval = 5 * time.Millisecond
	start(f, p.Run)
	return p
}

// refuses waits until a Pressure does or does no more.
func (f *fixture) refuses(p *Pressure, so bool) {
	f.Helper()
	f.await("another verdict", func() bool { return (p.Check() != nil) == so })
	if err := p.Check(); so && (fault.ProblemOf(err).Code != fault.CodeOverloaded || fault.KindOf(err) != fault.Unavailable) {
		f.Errorf("refused with %v", err)
	}
}

// TestBacklogIsLimited counts what is in all streams together, and heals when it is trimmed.
func TestBacklogIsLimited(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	producer := f.producer(2)
	start(t, producer.Run)
	p := f.pressure(Limits{Entries: 3, Memory: DefaultMaxMemory}, f.log())
	for n := range 3 {
		if err := p.Check(); err != nil {
			t.Errorf("with %d entries: %v", n, err)
		}
		if err := producer.Publish(t.Context(), []byte("x"), ""); err != nil {
			t.Fatal(err)
		}
	}
	f.refuses(p, true)
	if err := f.client.XTrimMaxLen(t.Context(), "theeye:events:{0}", 0).Err(); err != nil {
		t.Fatal(err)
	}
	f.refuses(p, false)
}

// TestNearlyFullRedisIsSpared, so that others may still write, and heals with its memory.
func TestNearlyFullRedisIsSpared(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.pressure(Limits{Memory: 90}, f.log())
	f.set("maxmemory", "100mb")
	for n, full := 0, 0.0; full < .91; n++ {
		if err := f.client.Set(t.Context(), fmt.Sprint("filler", n), strings.Repeat("x", 200<<10), 0).Err(); err != nil {
			t.Fatal(err)
		}
		full, _ = fullness(t.Context(), f.client)
	}
	f.refuses(p, true)
	if err := f.client.Set(t.Context(), "others", "may write", 0).Err(); err != nil {
		t.Error(err)
	}
	f.set("maxmemory", "200mb")
	f.refuses(p, false)
}

// TestUnseenBacklogIsNotLimited: without the rights to look everything passes, and the log tells it once.
func TestUnseenBacklogIsNotLimited(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.add(stream0, "*", "x")
	seen := f.pressure(Limits{Entries: 1}, f.log())
	f.refuses(seen, true)
	var log logged
	if err := f.client.Do(t.Context(), "ACL", "SETUSER", "default", "-xlen", "-info").Err(); err != nil {
		t.Fatal(err)
	}
	unseen := f.pressure(Limits{Entries: 1, Memory: 1}, slog.New(slog.NewTextHandler(&log, nil)))
	f.refuses(seen, false)
	f.await("a line of log", func() bool { return log.lines() > 0 })
	f.refuses(unseen, false)
	if n := log.lines(); n != 1 {
		t.Errorf("%d lines were logged", n)
	}
}

// TestReadOnlyRedisIsToldQuickly: while one request waits for a failover to end, all others are told at once; what
// waited is appended when it has ended, and all is as before.
func TestReadOnlyRedisIsToldQuickly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.producer(1)
	p.budget = 500 * time.Millisecond
	stop := start(t, p.Run)
	if err := f.client.Do(t.Context(), "REPLICAOF", "127.0.0.1", "1").Err(); err != nil {
		t.Fatal(err)
	}
	if err := p.Publish(t.Context(), []byte("lost "), ""); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
	stop()
	patient := f.producer(1)
	patient.budget = patience
	patient.ailing.Store(true)
	start(t, patient.Run)
	waiting := publish(t.Context(), patient, "waited ")
	f.await("an attempt", patient.trying.Load)
	for range 3 {
		if err := patient.Publish(t.Context(), []byte("more "), ""); !errors.Is(err, ErrRefused) || errors.Is(err, ErrUnavailable) {
			t.Errorf("got %v, want ErrRefused", err)
		}
	}
	select {
	case err := <-waiting:
		t.Fatalf("ended too early: %v", err)
	default:
	}
	if err := f.client.Do(t.Context(), "REPLICAOF", "NO", "ONE").Err(); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, "what waited", waiting); err != nil {
		t.Error(err)
	}
	if err := patient.Publish(t.Context(), []byte("after"), ""); err != nil {
		t.Error(err)
	}
	if got := strings.Join(f.batches(1), ""); got != "waited after" {
		t.Errorf("appended %q", got)
	}
}

// logged counts lines.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) lines() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), "\n")
}
