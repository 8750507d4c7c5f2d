package auth

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/failpoint"
	"github.com/theeye-dev/theeye/services/internal/postgres"
)

// publish brings an application's record to the log and returns when the log has it or a newer one. It is the only way
// there: for the request that made the change, and for Run when that request could not.
func (s *Service) publish(ctx context.Context, app registry.Application) error {
	for {
		failpoint.Hit(failpoint.Publish)
		stored, appended, err := s.log.Publish(ctx, app)
		s.metrics.published(ctx, appended, err)
		if err != nil {
			return err
		}
		failpoint.Hit(failpoint.Published)
		if stored <= app.Revision {
			return s.store.MarkPublished(ctx, app.UID, app.Revision)
		}
		lifted, err := s.store.Lift(ctx, app.UID, stored, s.now())
		if err != nil || !lifted {
			return err // not lifted: somebody else has changed and published it meanwhile
		}
		s.logger.WarnContext(ctx, "application log was ahead of the database",
			"application", app.UID, "stored_revision", stored, "revision", app.Revision)
		if app, err = s.store.Load(ctx, app.UID); err != nil {
			return err
		}
	}
}

// republish brings the database's newest record of an application to the log.
func (s *Service) republish(ctx context.Context, uid uuid.UUID) error {
	app, err := s.store.Load(ctx, uid)
	if err != nil {
		return err
	}
	return s.publish(ctx, app)
}

// adopt takes an application over from the log when the database does not know it. It tells whether it did. A record
// that nobody can read is left where it is, and in nobody's way.
func (s *Service) adopt(ctx context.Context, uid uuid.UUID) (adopted bool, err error) {
	if _, err := s.store.Load(ctx, uid); !errors.Is(err, errUnknown) {
		return false, err
	}
	app, found, err := s.log.Stored(ctx, uid)
	if err == nil && found {
		adopted, err = s.store.Adopt(ctx, app, s.now())
	}
	if errors.Is(err, errUnreadable) || postgres.IsDataError(err) {
		s.logger.ErrorContext(ctx, "application log has a record that cannot be adopted", "application", uid, "error", err)
		return false, nil
	}
	if adopted {
		s.metrics.adoptions.Add(ctx, 1)
		s.logger.WarnContext(ctx, "application adopted from the log: the database had lost it",
			"application", uid, "namespace", app.Namespace, "name", app.Name, "deleted", app.Deleted)
	}
	return adopted, err
}
