package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/theeye-dev/theeye/api/registry"
)

// errNoKeys is why nothing can be signed yet.
var errNoKeys = errors.New("the signing keys have not been read and published yet")

// SignerOptions say whose tokens are signed, and with what.
type SignerOptions struct {
	Issuer string
	Sealer *Sealer
	// DiscardUnreadable replaces keys that the Sealer cannot open by new ones, once. Otherwise they stop this replica: a
	// key set that nobody asked for would end every token, and come back with every restart of a wrong one.
	DiscardUnreadable bool
}

// Signer keeps the keys that sign access tokens: made ahead of their use, encrypted in the database, public in the
// application log. It signs only with a key that the log has.
type Signer struct {
	SignerOptions
	store  *Store
	log    *Log
	logger *slog.Logger
	now    func() time.Time
	state  atomic.Pointer[signerState]
}

// signerState is what the last look at the keys found.
type signerState struct {
	keys []signingKey // published; those of others are not opened
	err  error        // why there are none
}

// NewSigner returns a Signer over a database and an application log. It signs nothing before it was renewed.
func NewSigner(store *Store, log *Log, logger *slog.Logger, now func() time.Time, options SignerOptions) *Signer {
	s := &Signer{SignerOptions: options, store: store, log: log, logger: logger, now: now}
	s.state.Store(&signerState{err: errNoKeys})
	return s
}

// Ready answers nil when this replica has keys that it can sign with.
func (s *Signer) Ready(context.Context) error {
	if s == nil {
		return nil
	}
	return s.state.Load().err
}

// Renew makes the keys that are due, and brings them to the log. It is for Service.Run, again and again. An outage leaves
// the keys that it had; keys that cannot be opened (errSealed) are no longer used.
func (s *Signer) Renew(ctx context.Context) error {
	keys, err := s.renew(ctx)
	switch {
	case err == nil:
		s.DiscardUnreadable = false
		if s.state.Swap(&signerState{keys: keys}).err != nil {
			s.logger.InfoContext(ctx, "signing keys read", "issuer", s.Issuer, "keys", len(keys))
		}
	case errors.Is(err, errSealed):
		if !errors.Is(s.state.Swap(&signerState{err: err}).err, errSealed) {
			s.logger.ErrorContext(ctx, "signing keys cannot be used", "error", err)
		}
	}
	return err
}

// renew returns the keys, opened, once the database and the log both have them.
func (s *Signer) renew(ctx context.Context) ([]signingKey, error) {
	known, err := s.store.allKeys(ctx)
	if err != nil {
		return nil, err
	}
	logged, err := s.log.Keys(ctx)
	if err != nil {
		return nil, err
	}
	keys, err := s.edit(ctx, slices.Clone(known), logged) // almost always there is nothing to do, and no lock to take
	if err == nil && changed(known, keys) {
		keys, err = s.store.changeKeys(ctx, func(known []signingKey) ([]signingKey, error) {
			return s.edit(ctx, known, logged)
		})
	}
	if err != nil || logged.Revision == revisionOfKeys(keys) {
		return keys, err
	}
	return keys, s.publish(ctx, keys)
}

// edit decides what becomes of keys: the dead go, those that only the log knows are taken over, and where one is due it
// is made. The ones that sign are opened.
func (s *Signer) edit(ctx context.Context, keys []signingKey, logged registry.SigningKeys) ([]signingKey, error) {
	now, above := s.now(), max(revisionOfKeys(keys), logged.Revision)
	if logged.Revision > revisionOfKeys(keys) { // the database is an older copy of itself, or empty
		keys = s.adopt(keys, logged, now)
	}
	keys = slices.DeleteFunc(keys, func(k signingKey) bool { return now.After(k.notAfter()) })
	keys, err := s.open(ctx, keys, now)
	if err != nil {
		return nil, err
	}
	from, needed := due(keys, s.Issuer, now)
	if needed {
		key, err := newSigningKey(s.Issuer, s.Sealer, from)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	if needed || above > revisionOfKeys(keys) && len(keys) > 0 {
		keys[len(keys)-1].Revision = nextRevision(above, now)
	}
	return keys, nil
}

// adopt adds to keys those that only the log knows.
func (s *Signer) adopt(keys []signingKey, logged registry.SigningKeys, now time.Time) []signingKey {
	for _, k := range logged.Keys {
		if !slices.ContainsFunc(keys, func(known signingKey) bool { return known.ID == k.ID }) {
			keys = append(keys, adopted(k, now))
		}
	}
	return keys
}

// open opens every key that may sign now or later. One that cannot be opened is an error, or goes.
func (s *Signer) open(ctx context.Context, keys []signingKey, now time.Time) ([]signingKey, error) {
	opened := make([]signingKey, 0, len(keys))
	for _, k := range keys {
		if k.Sealed != nil && now.Before(k.SignUntil) {
			switch err := k.open(s.Sealer); {
			case err != nil && s.DiscardUnreadable:
				s.logger.WarnContext(ctx, "signing key discarded: it cannot be opened", "key", k.ID, "issuer", k.Issuer)
				continue
			case err != nil:
				return nil, fmt.Errorf("signing key %s of issuer %s cannot be opened with the text of "+
					"--signing-key-encryption-file (give the one that it was made with; if that is lost, start once with "+
					"--discard-unreadable-signing-keys, which ends the tokens there are): %w", k.ID, k.Issuer, err)
			}
		}
		opened = append(opened, k)
	}
	return opened, nil
}

// changed tells whether the database has to be brought up to date.
func changed(before, after []signingKey) bool {
	return !slices.EqualFunc(before, after, func(a, b signingKey) bool { return a.ID == b.ID && a.Revision == b.Revision })
}

// publish brings keys to the log. Where the log has newer ones, another replica was faster: the next look finds them.
func (s *Signer) publish(ctx context.Context, keys []signingKey) error {
	record := published(keys)
	stored, appended, err := s.log.PublishKeys(ctx, record)
	if err == nil && stored > record.Revision {
		err = errors.New("the application log has newer signing keys than the database")
	}
	if err == nil && appended {
		s.logger.InfoContext(ctx, "signing keys published", "issuer", s.Issuer, "keys", len(keys))
	}
	return err
}
