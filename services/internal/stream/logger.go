package stream

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"
)

// clientLogger takes what go-redis would print to standard error by itself. Its callers see the same errors and log
// them once, so that here they are for debugging only.
type clientLogger struct{ log *slog.Logger }

func (l clientLogger) Printf(ctx context.Context, format string, args ...any) {
	l.log.DebugContext(ctx, "redis client", "message", fmt.Sprintf(format, args...))
}

// LogTo makes the Redis clients of the whole process log there.
func LogTo(log *slog.Logger) { redis.SetLogger(clientLogger{log}) }
