package stream

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

const (
	// guardInterval is how often Redis' settings are looked at: CONFIG SET can change them at any time.
	guardInterval = 5 * time.Second
	// guardRetry is how often before they were ever seen.
	guardRetry = 200 * time.Millisecond
)

// Guard watches Redis' settings, so that nothing is acknowledged that a killed Redis would lose.
type Guard struct {
	client  redis.UniversalClient
	mode    Durability
	log     *slog.Logger
	verdict atomic.Pointer[error] // nil before the first answer

	interval, retry time.Duration // guardInterval, guardRetry
}

// NewGuard returns a Guard, which lets nothing pass before Run has seen the settings.
func NewGuard(client redis.UniversalClient, mode Durability, log *slog.Logger) *Guard {
	return &Guard{client: client, mode: mode, log: log, interval: guardInterval, retry: guardRetry}
}

// Check answers nil when the settings are safe; else a fault of kind Unavailable.
func (g *Guard) Check() error {
	switch verdict := g.verdict.Load(); {
	case verdict == nil:
		return fault.New(fault.CodeStarting, "the settings of Redis have not been checked yet")
	case *verdict != nil:
		return fault.Wrap(fault.CodeUnsafe, "Redis is not set up to keep what it acknowledges", *verdict)
	}
	return nil
}

// Unsafe answers what is unsafe, for the operator; nil also while Redis has not answered yet.
func (g *Guard) Unsafe() error {
	if verdict := g.verdict.Load(); verdict != nil {
		return *verdict
	}
	return nil
}

// Run looks at the settings until the context ends. When Redis does not answer the newest verdict stands.
func (g *Guard) Run(ctx context.Context) error {
	for {
		err := CheckDurability(ctx, g.client, g.mode)
		if err == nil || errors.Is(err, ErrUnsafe) {
			before := g.Unsafe()
			if err != nil && before == nil {
				g.log.ErrorContext(ctx, "redis settings are unsafe", "error", err)
			}
			g.verdict.Store(&err)
		}
		pause := g.interval
		if g.verdict.Load() == nil {
			pause = g.retry
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}
