package nemesis

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// today is the name of today's partition: whatever is sent without a timestamp lies there.
func today() string { return "persistence.events_" + time.Now().UTC().Format("20060102") }

// detach takes today's partition away, as somebody does who archives the wrong day. The services believe that it is
// there. Its rows come back with it.
func (s *Strike) detach(ctx context.Context) error {
	_, err := s.on(ctx, func(conn *pgx.Conn) (string, error) {
		_, err := conn.Exec(ctx, "SET lock_timeout = '5s'; ALTER TABLE persistence.events DETACH PARTITION "+today())
		return "", err //nolint:wrapcheck // below
	})
	if err != nil {
		return fmt.Errorf("detach %s: %w", today(), err)
	}
	return nil
}

// missingPartition detaches today's partition and waits until the services have made it again.
func missingPartition(ctx context.Context, s *Strike) (string, error) {
	if err := s.detach(ctx); err != nil {
		return "", err
	}
	return today() + " was missing and came back", s.awaitAttached(ctx)
}

// awaitAttached waits for today's partition, which comes back with the next event of today.
func (s *Strike) awaitAttached(ctx context.Context) error {
	for deadline := time.Now().Add(healTime / 2); time.Now().Before(deadline); {
		back, err := s.attached(ctx)
		if back && err == nil {
			return nil
		}
		pause(ctx, 50*time.Millisecond)
	}
	return fmt.Errorf("%s did not come back", today())
}

func (s *Strike) attached(ctx context.Context) (yes bool, err error) {
	_, err = s.on(ctx, func(conn *pgx.Conn) (string, error) {
		err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass($1))", today()).Scan(&yes)
		return "", err //nolint:wrapcheck // below
	})
	if err != nil {
		return false, fmt.Errorf("look for %s: %w", today(), err)
	}
	return yes, nil
}
