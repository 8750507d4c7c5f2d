package install

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// Trial goes the whole way once, as a team does that uses TheEye: an Application, its Secret, an event, a query, the end.
// What it made it takes away again, also what an earlier trial left that was cut off.
type Trial struct {
	Client      client.Client
	Application client.ObjectKey
	// IngestURL is where events are posted, without its path; "": where the Secret says.
	IngestURL      string
	PersistenceURL string
	// AuthURL is where access tokens are had, without the path; "": none is tried.
	AuthURL string
	HTTP    *http.Client
	// Timeout bounds all of it, but not the clearing away after a failure.
	Timeout  time.Duration
	Progress *Progress

	app         *v1alpha1.Application // as it was applied
	credentials credentials
	token       string // that was got for them
	sent        sample
	second      sample
}

// clearTimeout bounds the clearing away after a failure. A deletion that takes longer goes on without the trial.
const clearTimeout = 20 * time.Second

// step is a part of a trial: what is true when it succeeded, and how it gets there.
type step struct {
	shows string
	take  func(context.Context) error
}

// Run takes every step and tells how long it took; the first that fails ends the trial.
func (t *Trial) Run(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, t.Timeout)
	defer cancel()
	begun := t.Progress.now()
	for i, s := range t.steps() {
		began := t.Progress.now()
		if err := s.take(bounded); err != nil {
			if i > 0 { // before that nothing is this trial's
				t.clear(context.WithoutCancel(ctx))
			}
			return fmt.Errorf("not seen: %s: %w", s.shows, err)
		}
		t.Progress.say("ok: %s (%s)", s.shows, since(t.Progress, began))
	}
	t.Progress.say("TheEye works: all in %s", since(t.Progress, begun))
	return nil
}

func (t *Trial) steps() []step {
	steps := []step{
		{"no earlier trial is in the way", t.sweep},
		{"the API server takes an Application", t.apply},
		{"the operator made it Ready", t.ready},
		{"its Secret has credentials", t.read},
		{"ingest accepts an event with them", t.post},
		{"persistence gives back exactly this event", t.find},
		{"the same event sent again is stored once", t.repeat},
	}
	if t.AuthURL != "" {
		steps = append(steps, step{"auth gives an access token for them, and it opens both doors", t.exchange})
	}
	return append(steps,
		step{"a wrong key is refused", t.refuse},
		step{"the Application and its events are gone", t.end},
		step{"its key is refused from then on", t.revoked},
	)
}

func since(p *Progress, began time.Time) time.Duration {
	return p.now().Sub(began).Round(time.Millisecond)
}

// read takes the credentials from the Secret. It may be written a moment after the status that names it is seen.
func (t *Trial) read(ctx context.Context) error {
	return t.Progress.await(ctx, func(ctx context.Context) (missing string, err error) {
		t.credentials, missing, err = t.secret(ctx)
		return missing, err
	})
}

// post sends one event until there is an answer that counts. A credential is known everywhere a moment after it was
// issued, and to send the same again is always safe.
func (t *Trial) post(ctx context.Context) error {
	t.sent = newSample(t.Progress.now())
	return t.Progress.await(ctx, func(ctx context.Context) (string, error) { return t.accepted(ctx, t.credentials.key, t.sent) })
}

// find waits for the event to be stored, and compares.
func (t *Trial) find(ctx context.Context) error {
	return t.Progress.await(ctx, func(ctx context.Context) (string, error) { return t.stored(ctx, t.credentials.key, t.sent) })
}

// repeat sends the event again together with another one: a request is stored whole, so that once the other one is there
// the repeated one was looked at, too.
func (t *Trial) repeat(ctx context.Context) error {
	t.second = t.sent.next()
	err := t.Progress.await(ctx, func(ctx context.Context) (string, error) { return t.accepted(ctx, t.credentials.key, t.sent, t.second) })
	if err != nil {
		return err
	}
	return t.Progress.await(ctx, func(ctx context.Context) (string, error) { return t.stored(ctx, t.credentials.key, t.sent, t.second) })
}

// refuse tries a key that looks right in every way, and was never issued.
func (t *Trial) refuse(ctx context.Context) error {
	wrong, err := t.credentials.wrong()
	if err != nil {
		return err
	}
	return t.Progress.await(ctx, func(ctx context.Context) (string, error) { return t.locked(ctx, wrong, true) })
}

// revokeTimeout is how long a revoked key may still be let in: a second by the promise, and what answers take.
const revokeTimeout = 10 * time.Second

// revoked looks from both sides that the key is no key any more, and that its token has gone with it.
func (t *Trial) revoked(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, revokeTimeout)
	defer cancel()
	for _, key := range []string{t.credentials.key, t.token} {
		if key == "" {
			continue
		}
		if err := t.Progress.await(ctx, func(ctx context.Context) (string, error) { return t.locked(ctx, key, false) }); err != nil {
			return err
		}
	}
	return nil
}

// clear takes away what a failed trial made, or may have made.
func (t *Trial) clear(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, clearTimeout)
	defer cancel()
	if err := t.sweep(ctx); err != nil {
		t.Progress.say("Application %s may be left: %v; it goes with the next trial, or: kubectl delete eyeapp -n %s %s",
			t.Application, err, t.Application.Namespace, t.Application.Name)
	}
}

// end deletes the Application that this trial applied, and waits until the operator has let it go.
func (t *Trial) end(ctx context.Context) error {
	err := t.Progress.await(ctx, func(ctx context.Context) (string, error) {
		err := t.Client.Delete(ctx, t.app, client.Preconditions{UID: &t.app.UID})
		if apierrors.IsNotFound(err) || apierrors.IsConflict(err) { // gone, or another one of that name
			err = nil
		}
		return "", err
	})
	if err != nil {
		return fmt.Errorf("delete Application: %w", err)
	}
	return t.Progress.await(ctx, t.gone)
}

// base is the address of ingest.
func (t *Trial) base() string {
	if t.IngestURL != "" {
		return strings.TrimSuffix(t.IngestURL, "/") + eventsPath
	}
	return t.credentials.uri
}
