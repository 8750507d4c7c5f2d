package stream

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

func TestDurability(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, c := range []struct {
		setting, value string // CONFIG SET; "" leaves all safe
		mode           Durability
		says           string // "": safe
	}{
		{"", "", Strict, ""},
		{"appendfsync", "everysec", Strict, `appendfsync is "everysec", must be "always"`},
		{"appendfsync", "no", Strict, "appendfsync"},
		{"appendonly", "no", Strict, `appendonly is "no"`},
		{"maxmemory-policy", "allkeys-lru", Strict, `maxmemory-policy is "allkeys-lru", must be "noeviction"`},
		{"maxmemory-policy", "volatile-ttl", Strict, "maxmemory-policy"},
		{"appendfsync", "everysec", Relaxed, ""},
		{"appendfsync", "everysec", Assumed, ""},
	} {
		safely := map[string]string{"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
		for setting, value := range safely {
			if setting == c.setting {
				value = c.value
			}
			f.set(setting, value)
		}
		err := CheckDurability(t.Context(), f.client, c.mode)
		if (c.says == "") != (err == nil) || err != nil && (!errors.Is(err, ErrUnsafe) || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %s %q: got %v, want %q", c.mode, c.setting, c.value, err, c.says)
		}
	}
	for _, mode := range []string{"strict", "relaxed", "assumed"} {
		if d, err := ParseDurability(mode); err != nil || string(d) != mode {
			t.Errorf("%s: %v, %v", mode, d, err)
		}
	}
	for _, mode := range []string{"", "Strict", "always"} {
		if _, err := ParseDurability(mode); err == nil || !strings.Contains(err.Error(), "strict, relaxed or assumed") {
			t.Errorf("%q: %v", mode, err)
		}
	}
}

func TestEveryUnsafeSettingIsNamed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.set("appendfsync", "no")
	f.set("maxmemory-policy", "allkeys-random")
	err := CheckDurability(t.Context(), f.client, Strict)
	if !errors.Is(err, ErrUnsafe) || !strings.Contains(err.Error(), "appendfsync") || !strings.Contains(err.Error(), "maxmemory-policy") {
		t.Errorf("got %v", err)
	}
}

// TestSettingsThatMayNotBeRead are unsafe, with a hint how to go on.
func TestSettingsThatMayNotBeRead(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if err := f.client.Do(t.Context(), "ACL", "SETUSER", "app", "on", ">secret", "~*", "&*", "+@all", "-config").Err(); err != nil {
		t.Fatal(err)
	}
	client, err := Open("redis://app:secret@" + f.server.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	if err := CheckDurability(t.Context(), client, Strict); !errors.Is(err, ErrUnsafe) || !strings.Contains(err.Error(), "=assumed") {
		t.Errorf("got %v", err)
	}
	if err := CheckDurability(t.Context(), client, Assumed); err != nil {
		t.Errorf("assumed: %v", err)
	}
}

func TestDurabilityWithoutRedis(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if err := f.server.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := CheckDurability(t.Context(), f.client, Strict); err == nil || errors.Is(err, ErrUnsafe) {
		t.Errorf("got %v", err)
	}
}

func isFault(err error, code fault.Code) bool {
	var e *fault.Error
	return errors.As(err, &e) && e.Code == code && fault.KindOf(err) == fault.Unavailable
}

// TestGuard takes a Redis from safe to unsafe and back; while it is away the newest verdict stands.
func TestGuard(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	g := NewGuard(f.open(), Strict, f.log())
	g.interval, g.retry = 5*time.Millisecond, 5*time.Millisecond
	if err := g.Check(); !isFault(err, fault.CodeStarting) {
		t.Errorf("before the first look: %v", err)
	}
	if err := g.Unsafe(); err != nil {
		t.Errorf("before the first look: %v", err)
	}
	start(t, g.Run)
	f.await("safe", func() bool { return g.Check() == nil })
	f.set("appendfsync", "everysec")
	f.await("unsafe", func() bool { return isFault(g.Check(), fault.CodeUnsafe) })
	if err := g.Unsafe(); !errors.Is(err, ErrUnsafe) {
		t.Errorf("got %v", err)
	}
	if p := fault.ProblemOf(g.Check()); strings.Contains(p.Detail, "everysec") {
		t.Errorf("clients are told our settings: %s", p.Detail)
	}
	f.set("appendfsync", "always")
	f.await("safe again", func() bool { return g.Check() == nil })
	if err := g.Unsafe(); err != nil {
		t.Errorf("got %v", err)
	}
	if err := f.server.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := g.Check(); err != nil {
		t.Errorf("while redis is away: %v", err)
	}
}

func TestGuardWaitsForRedis(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if err := f.server.Kill(); err != nil {
		t.Fatal(err)
	}
	g := NewGuard(f.open(), Strict, f.log())
	start(t, g.Run)
	if err := f.server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.await("the first look", func() bool { return g.Check() == nil })
}
