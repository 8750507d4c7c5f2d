package auth

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/theeye-dev/theeye/api/registry"
)

const (
	// passEvery is how often Run looks for work. A lost log, a change that could not be published and a credential
	// past its end wait at most that long.
	passEvery = time.Second
	// compareEvery is how often every revision is compared. Only what no other sign shows needs it: a record that was
	// lost or changed in Redis by hand.
	compareEvery = time.Minute
	// maxPause bounds the back-off while a server is away; a shared outage ends that much later at most.
	maxPause = 5 * time.Second
	// stepTimeout bounds one step of a pass, so that a connection that hangs cannot stop the healing. What a step
	// has published stays so, and the next one goes on from there.
	stepTimeout = 20 * time.Second
	// migrateTimeout also bounds the wait for another replica that is migrating.
	migrateTimeout = 10 * time.Minute
	// pageSize bounds what one statement and one script handle.
	pageSize = 200
)

// errAgain says that a repair has to begin anew: what it wrote was lost before it ended.
var errAgain = errors.New("the application log was lost again while it was repaired")

// healer is what Run remembers between passes.
type healer struct {
	*Service
	tail     string    // newest log entry that was seen
	compared time.Time // when all revisions were compared last; zero: due
	stage    string    // what the last pass failed at, "" when it did not
}

// Run heals until the context ends: it migrates the database, publishes what requests could not, fills the log when
// Redis has lost it, removes credentials past their end, and renews signing keys. Servers that are away are tried again for ever.
func (s *Service) Run(ctx context.Context) error {
	h := &healer{Service: s}
	for pause := passEvery; ctx.Err() == nil; {
		stage, err := h.pass(ctx)
		h.note(ctx, stage, err)
		wake := s.wake
		if err != nil {
			pause, wake = min(2*pause, maxPause), nil // requests that fail must not undo the back-off
		} else {
			pause = passEvery
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-wake:
		}
		timer.Stop()
	}
	return nil
}

// pass does all there is to do once, and names what it failed at.
func (h *healer) pass(ctx context.Context) (stage string, err error) {
	for _, step := range []struct {
		stage   string
		timeout time.Duration
		run     func(context.Context) error
	}{
		{"migrate database", migrateTimeout, h.migrate},
		{"purge credentials", stepTimeout, h.purge},
		{"heal application log", stepTimeout, h.heal},
		{"publish changes", stepTimeout, h.drain},
		{"renew signing keys", stepTimeout, h.renewKeys},
	} {
		if err := within(ctx, step.timeout, step.run); err != nil {
			return step.stage, err
		}
	}
	return "", nil
}

func within(ctx context.Context, timeout time.Duration, run func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return run(ctx)
}

// note logs when the outcome of passes changes, and not every second.
func (h *healer) note(ctx context.Context, stage string, err error) {
	switch {
	case ctx.Err() != nil: // stopping
	case err != nil && stage != h.stage:
		h.logger.WarnContext(ctx, "reconciliation is failing", "stage", stage, "error", err)
	case err == nil && h.stage != "":
		h.logger.InfoContext(ctx, "reconciliation has recovered", "stage", h.stage)
	}
	h.stage = stage
	if err != nil {
		h.compared = time.Time{} // after an outage nothing is taken for granted
	}
	if isUndefined(err) { // the database was replaced by an empty one, or by an older copy
		h.migrated.Store(false)
	}
}

func (h *healer) migrate(ctx context.Context) error {
	if h.migrated.Load() {
		return nil
	}
	if err := h.store.Migrate(ctx); err != nil {
		return err
	}
	h.migrated.Store(true)
	h.logger.InfoContext(ctx, "database migrated")
	return nil
}

// purge removes credentials past their end. Readers refuse them by themselves; this keeps records and limits clean.
func (h *healer) purge(ctx context.Context) error {
	uids, err := h.store.Expired(ctx, h.now(), pageSize)
	if err != nil {
		return err
	}
	for _, uid := range uids {
		now := h.now()
		if _, _, err := h.store.Change(ctx, uid, now, func(app *registry.Application) error {
			dropCredentials(app, func(c registry.Credential) bool { return expired(c, now) })
			return nil
		}); err != nil {
			return err
		}
	}
	return nil // drain publishes them
}

// drain publishes changes whose requests could not.
func (h *healer) drain(ctx context.Context) error {
	for {
		uids, total, err := h.store.Unpublished(ctx, pageSize)
		if err != nil {
			return err
		}
		h.metrics.unpublished.Record(ctx, total)
		if total == 0 {
			return nil
		}
		for _, uid := range uids {
			if err := h.republish(ctx, uid); err != nil {
				return err
			}
		}
	}
}

// renewKeys makes and publishes the signing keys that are due. Keys that this replica cannot open are its own trouble, of
// which its readiness tells: everything else goes on.
func (h *healer) renewKeys(ctx context.Context) error {
	if h.signer == nil {
		return nil
	}
	if err := h.signer.Renew(ctx); !errors.Is(err, errSealed) {
		return err
	}
	return nil
}

// heal looks whether the log is whole, and repairs it when it is not.
func (h *healer) heal(ctx context.Context) error {
	complete, tail, err := h.log.State(ctx)
	if err != nil {
		return err
	}
	switch {
	case !complete:
		err = h.repair(ctx)
	case older(tail, h.tail): // Redis came back without its last moments
		h.logger.WarnContext(ctx, "application log went back", "tail", tail, "seen", h.tail)
		fallthrough
	case h.now().Sub(h.compared) >= compareEvery:
		_, err = h.compare(ctx)
	default:
		h.tail = tail
		return nil
	}
	if err == nil {
		h.tail, h.compared = tail, h.now()
	}
	return err
}

// repair fills a log that is not complete, and says so in it last.
func (h *healer) repair(ctx context.Context) error {
	h.logger.WarnContext(ctx, "application log is not complete: filling it")
	token, err := h.log.Begin(ctx)
	if err != nil {
		return err
	}
	count, err := h.compare(ctx)
	if err != nil {
		return err
	}
	if err := h.renewKeys(ctx); err != nil { // before anybody takes the log for whole, and a good token for a wrong one
		return err
	}
	done, err := h.log.Finish(ctx, token, count)
	if err == nil && !done {
		err = errAgain
	}
	if err != nil {
		return err
	}
	h.metrics.repairs.Add(ctx, 1)
	h.logger.InfoContext(ctx, "application log is complete", "applications", count)
	return nil
}

// older tells whether one stream id (milliseconds-sequence, or "" for none) is before another.
func older(a, b string) bool {
	aTime, aSequence := streamID(a)
	bTime, bSequence := streamID(b)
	return aTime < bTime || aTime == bTime && aSequence < bSequence
}

func streamID(id string) (milliseconds, sequence uint64) {
	before, after, _ := strings.Cut(id, "-")
	milliseconds, _ = strconv.ParseUint(before, 10, 64)
	sequence, _ = strconv.ParseUint(after, 10, 64)
	return milliseconds, sequence
}
