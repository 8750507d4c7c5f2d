package auth

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/fault"
)

// publishTimeout bounds the wait for the log after a commit; then the answer is 503 and Run goes on trying.
const publishTimeout = 5 * time.Second

// Service decides what becomes of applications and credentials.
type Service struct {
	store    *Store
	log      *Log
	signer   *Signer
	metrics  *Metrics
	logger   *slog.Logger
	now      func() time.Time
	migrated atomic.Bool
	wake     chan struct{} // something is left to publish
}

// NewService returns a Service over a database and an application log, with a signer of both. It answers as starting until Run has migrated
// the database.
func NewService(
	store *Store, log *Log, signer *Signer, metrics *Metrics, logger *slog.Logger, now func() time.Time,
) *Service {
	return &Service{store: store, log: log, signer: signer, metrics: metrics, logger: logger, now: now, wake: make(chan struct{}, 1)}
}

// CredentialKey names a credential.
type CredentialKey struct {
	Application uuid.UUID
	ID          string
}

// Desired is what a PUT wants of the thing that Key names.
type Desired[Key, State any] struct {
	Key   Key
	State State
}

// Outcome is the state after a PUT, and whether the thing was not there before.
type Outcome[State any] struct {
	State   State
	Created bool
}

// The bodies of the two PUTs.
type (
	desiredApplication = Desired[uuid.UUID, registry.DesiredApplication]
	desiredCredential  = Desired[CredentialKey, registry.DesiredCredential]
)

// PutApplication creates an application or brings it to the desired state; one that was deleted begins anew, without
// credentials.
func (s *Service) PutApplication(ctx context.Context, want desiredApplication) (Outcome[registry.Application], error) {
	before, after, err := s.change(ctx, want.Key, func(app *registry.Application) error {
		app.Namespace, app.Name, app.Policy = want.State.Namespace, want.State.Name, want.State.Policy
		app.Cluster, app.DeletionPolicy = want.State.Cluster, want.State.DeletionPolicy
		app.Deleted = false
		return nil
	})
	return Outcome[registry.Application]{State: after, Created: before.Deleted}, err
}

// DeleteApplication ends an application and all its credentials. A tombstone stays, also of an application that was
// never seen: the log may know it although the database has lost it.
func (s *Service) DeleteApplication(ctx context.Context, uid uuid.UUID) (struct{}, error) {
	_, _, err := s.change(ctx, uid, func(app *registry.Application) error {
		app.Deleted, app.Credentials = true, nil // the rest stays: retention holds for the events it has left
		return nil
	})
	return struct{}{}, err
}

// PutCredential adds a credential to an application or replaces it.
func (s *Service) PutCredential(ctx context.Context, want desiredCredential) (Outcome[registry.Credential], error) {
	credential := registry.Credential{ID: want.Key.ID, SHA256: want.State.SHA256}
	if want.State.NotAfter != nil {
		credential.NotAfter = moment(*want.State.NotAfter)
	}
	before, _, err := s.change(ctx, want.Key.Application, func(app *registry.Application) error {
		if app.Deleted {
			return errNoApplication
		}
		return putCredential(app, credential, s.now())
	})
	return Outcome[registry.Credential]{State: credential, Created: find(before, want.Key.ID) < 0}, err
}

// DeleteCredential revokes a credential. When it returns nil the log has the revocation.
func (s *Service) DeleteCredential(ctx context.Context, key CredentialKey) (struct{}, error) {
	_, _, err := s.change(ctx, key.Application, func(app *registry.Application) error {
		if app.Revision == 0 {
			return errNoApplication
		}
		dropCredentials(app, func(c registry.Credential) bool { return c.ID == key.ID })
		return nil
	})
	if errors.Is(err, errNoApplication) { // neither the database nor the log knows it: nothing is there to revoke
		err = nil
	}
	return struct{}{}, err
}

// Application returns an application as the database has it.
func (s *Service) Application(ctx context.Context, uid uuid.UUID) (registry.Application, error) {
	app, err := s.store.Load(ctx, uid)
	if errors.Is(err, errUnknown) || err == nil && app.Deleted {
		return app, errNoApplication
	}
	return app, s.fault(err)
}

// Credential returns a credential as the database has it.
func (s *Service) Credential(ctx context.Context, key CredentialKey) (registry.Credential, error) {
	app, err := s.Application(ctx, key.Application)
	if err != nil {
		return registry.Credential{}, err
	}
	i := find(app, key.ID)
	if i < 0 {
		return registry.Credential{}, fault.New(fault.CodeNotFound, "the application has no credential with this id")
	}
	return app.Credentials[i], nil
}

// Applications returns a page of the applications that are not deleted, in the order of their UIDs.
func (s *Service) Applications(ctx context.Context, page Page) ([]registry.Application, error) {
	apps, err := s.store.List(ctx, page)
	return apps, s.fault(err)
}

// Ready answers nil when the database is migrated, else a fault of kind Unavailable.
func (s *Service) Ready(context.Context) error {
	if !s.migrated.Load() {
		return fault.New(fault.CodeStarting, "the database is not migrated yet")
	}
	return nil
}

// Complete answers nil when the application log is complete: otherwise no reader can check a request.
func (s *Service) Complete(ctx context.Context) error {
	complete, _, err := s.log.State(ctx)
	if err == nil && !complete {
		err = errors.New("the application log is not complete")
	}
	return err
}

// change edits an application and returns when the log has the outcome. What is unchanged is offered to the log as
// well: an answer of 2xx always means that the log is as new as the database.
func (s *Service) change(ctx context.Context, uid uuid.UUID, edit edit) (before, after registry.Application, err error) {
	if _, err := s.adopt(ctx, uid); err != nil {
		return before, after, s.fault(err)
	}
	if before, after, err = s.store.Change(ctx, uid, s.now(), edit); err != nil {
		return before, after, s.fault(err)
	}
	// From here on it is done: a client that goes away does not keep the log from having it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishTimeout)
	defer cancel()
	if err := s.publish(ctx, after); err != nil {
		s.nudge()
		return before, after, fault.Wrap(fault.CodeUnavailable,
			"the change is stored and will be published; repeat the request to wait for it", err)
	}
	return before, after, nil
}

// fault makes an error of PostgreSQL or Redis one for the client. A schema that is missing is migrated by Run's next
// pass: the database was replaced.
func (s *Service) fault(err error) error {
	if isUndefined(err) {
		s.migrated.Store(false)
		s.nudge()
	}
	return storeFault(err)
}

// nudge tells Run that something is left to publish.
func (s *Service) nudge() {
	select {
	case s.wake <- struct{}{}:
	default: // it has been told
	}
}
