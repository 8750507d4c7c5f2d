package operator

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/registry"
)

// sabotagedAuth is auth behind a saboteur.
type sabotagedAuth struct{ s *saboteur }

// Application implements registrar.
func (a sabotagedAuth) Application(ctx context.Context, uid uuid.UUID) (record *registry.Application, err error) {
	err = a.s.request(reading+"application", func() (err error) {
		record, err = a.s.auth.Application(ctx, uid)
		return err
	})
	return record, err
}

// PutApplication implements registrar.
func (a sabotagedAuth) PutApplication(ctx context.Context, uid uuid.UUID, want registry.DesiredApplication) (record *registry.Application, err error) {
	err = a.s.change("put application", uid, func() (err error) {
		record, err = a.s.auth.PutApplication(ctx, uid, want)
		return err
	})
	return record, err
}

// DeleteApplication implements registrar.
func (a sabotagedAuth) DeleteApplication(ctx context.Context, uid uuid.UUID) error {
	return a.s.change("delete application", uid, func() error { return a.s.auth.DeleteApplication(ctx, uid) })
}

// PutCredential implements registrar.
func (a sabotagedAuth) PutCredential(ctx context.Context, uid uuid.UUID, c registry.Credential) error {
	return a.s.change("put credential "+c.ID, uid, func() error { return a.s.auth.PutCredential(ctx, uid, c) })
}

// DeleteCredential implements registrar.
func (a sabotagedAuth) DeleteCredential(ctx context.Context, uid uuid.UUID, id string) error {
	return a.s.change("delete credential "+id, uid, func() error { return a.s.auth.DeleteCredential(ctx, uid, id) })
}

// List implements registrar.
func (a sabotagedAuth) List(ctx context.Context, cluster string) (records []registry.Application, err error) {
	err = a.s.request(reading+"list", func() (err error) {
		records, err = a.s.auth.List(ctx, cluster)
		return err
	})
	return records, err
}

// sabotagedArchive is persistence behind a saboteur. Nothing may be erased while it can still be added to.
type sabotagedArchive struct{ s *saboteur }

// Usage implements archive.
func (a sabotagedArchive) Usage(ctx context.Context, uid uuid.UUID) (usage *registry.Usage, err error) {
	err = a.s.request(reading+"usage", func() (err error) {
		usage, err = a.s.archive.Usage(ctx, uid)
		return err
	})
	return usage, err
}

// Erase implements archive.
func (a sabotagedArchive) Erase(ctx context.Context, uid uuid.UUID) error {
	a.s.mu.Lock()
	revoked, ok := a.s.revoked[uid]
	a.s.mu.Unlock()
	if record, err := a.s.auth.Application(ctx, uid); err == nil && record != nil && len(record.Credentials) > 0 {
		a.s.blame("erased while credentials are valid: %+v", record.Credentials)
	}
	if since := a.s.now().Sub(revoked); ok && since < revocationReaches {
		a.s.blame("erased %s after the revocation", since)
	}
	return a.s.request("erase", func() error { return a.s.archive.Erase(ctx, uid) })
}

// revocationReaches is how long after auth's answer a revoked credential may still have an event accepted (promise 5).
const revocationReaches = time.Second
