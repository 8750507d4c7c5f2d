package world

import (
	"context"
	"errors"
	"fmt"

	"github.com/theeye-dev/theeye/hack/servers"
)

// Promote puts the standby in the place of what it follows, whether that still runs or not, and leads every service to it.
func (s *Standby) Promote(ctx context.Context) error {
	if s.redis != nil {
		return s.promoteRedis(ctx)
	}
	if err := s.postgres.Promote(ctx); err != nil {
		return err //nolint:wrapcheck // says what
	}
	old := s.world.Postgres
	return errors.Join(s.world.UsePostgres(s.postgres), old.Crash(ctx)) // whoever is not in charge any more is shut off
}

// UsePostgres leads every service to another PostgreSQL.
func (w *World) UsePostgres(p *servers.Postgres) error {
	var errs []error
	w.Postgres = p
	for _, s := range w.Services {
		if s.postgres != nil {
			errs = append(errs, s.postgres.Point(p.Address()))
		}
	}
	return errors.Join(errs...)
}

// UseRedis leads every service to another Redis.
func (w *World) UseRedis(r *servers.Redis) error {
	client, err := open(r)
	if err != nil {
		return err
	}
	errs := []error{w.client.Close()}
	w.Redis, w.client = r, client
	for _, s := range w.Services {
		errs = append(errs, s.redis.Point(r.Address()))
	}
	return errors.Join(errs...)
}

// promoteRedis has the old Redis follow the new one afterwards, as a Sentinel does when it comes back: what it has beyond
// the new one is gone then.
func (s *Standby) promoteRedis(ctx context.Context) error {
	if err := s.client.Do(ctx, "REPLICAOF", "NO", "ONE").Err(); err != nil {
		return fmt.Errorf("promote: %w", err)
	}
	old := s.world.Redis
	s.world.others = append(s.world.others, func(context.Context) error { return old.Kill() })
	if err := s.world.UseRedis(s.redis); err != nil {
		return err
	}
	select {
	case <-old.Done():
		if err := old.Restart(ctx); err != nil {
			return fmt.Errorf("start the old Redis again: %w", err)
		}
	default:
	}
	client, err := open(old)
	if err != nil {
		return err
	}
	defer client.Close() //nolint:errcheck // one command
	if err := client.Do(ctx, "REPLICAOF", "127.0.0.1", s.redis.Port()).Err(); err != nil {
		return fmt.Errorf("have the old Redis follow: %w", err)
	}
	return s.following(ctx, s.world.client)
}
