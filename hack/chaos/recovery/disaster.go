package recovery

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/theeye-dev/theeye/hack/chaos/world"
)

// Disaster is what happens, and what is done about it.
type Disaster struct {
	Name string
	// Args are added to those of a kind of service.
	Args map[world.Kind][]string
	// Do is called while clients post.
	Do func(ctx context.Context, w *world.World) error
}

// posting is how long clients post before and after: credentials rotate, and streams are trimmed and measured.
const posting = 5 * time.Second

// AuthLost takes auth's tables away. Nobody does anything: auth makes them anew and takes the applications from its log.
func AuthLost() Disaster {
	return Disaster{Name: "auth-lost", Do: func(ctx context.Context, w *world.World) error {
		pause(ctx, posting)
		conn, err := w.Database(ctx)
		if err != nil {
			return err //nolint:wrapcheck // says what
		}
		defer conn.Close(ctx) //nolint:errcheck // one statement
		if _, err := conn.Exec(ctx, "DROP SCHEMA auth CASCADE"); err != nil {
			return fmt.Errorf("lose auth's tables: %w", err)
		}
		pause(ctx, 2*posting)
		return nil
	}}
}

// RedisLost takes Redis away with its files, and starts an empty one in its place. Nobody does anything else.
func RedisLost(lost *time.Time) Disaster {
	return Disaster{Name: "redis-lost", Do: func(ctx context.Context, w *world.World) error {
		pause(ctx, posting)
		*lost = time.Now()
		err := w.Redis.Kill()
		if err := errors.Join(err, os.RemoveAll(w.RedisDir()), os.Mkdir(w.RedisDir(), 0o700)); err != nil {
			return fmt.Errorf("lose Redis: %w", err)
		}
		if err := w.Redis.Restart(ctx); err != nil {
			return err //nolint:wrapcheck // says what
		}
		pause(ctx, 2*posting)
		return nil
	}}
}

// PostgresRestored goes back to a backup that is older than much of what was stored: who writes to PostgreSQL is stopped,
// the backup started, and they are started again. Ingest takes events all the while. Between backup and loss an
// application is erased.
func PostgresRestored(e *Erased) Disaster {
	return Disaster{
		Name: "postgres-restored",
		Args: map[world.Kind][]string{world.Persistence: {"--tail=1h"}},
		Do: func(ctx context.Context, w *world.World) error {
			if err := e.send(ctx, w); err != nil {
				return err
			}
			pause(ctx, posting)
			if err := w.BackUpPostgres(ctx); err != nil {
				return err //nolint:wrapcheck // says what
			}
			if err := e.erase(ctx, w); err != nil {
				return err
			}
			pause(ctx, posting)
			return errors.Join(restore(ctx, w), e.look(ctx, w))
		},
	}
}

// restore is the procedure.
func restore(ctx context.Context, w *world.World) error {
	stopped := w.Running(world.Persistence, world.Auth)
	for _, s := range stopped {
		if err := s.Stop(ctx); err != nil {
			return err //nolint:wrapcheck // says which
		}
	}
	if err := w.RestoreBackup(ctx); err != nil {
		return err //nolint:wrapcheck // says what
	}
	for _, s := range stopped {
		if err := s.Start(); err != nil {
			return err //nolint:wrapcheck // says which
		}
	}
	pause(ctx, 2*posting)
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
