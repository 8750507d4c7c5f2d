package operator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/api/v1alpha1"
)

const (
	// maxSteps ends a reconciliation that does not come to its end: the longest way there is about ten.
	maxSteps = 40
	// retryDeletion is how often a deletion that waits for another service is tried again.
	retryDeletion = 5 * time.Second
	// retryOvertaken gives the cache a moment to see what is there.
	retryOvertaken = 500 * time.Millisecond
	// stopGrace is less than the 30 seconds that controller-runtime, and Kubernetes, wait for the end.
	stopGrace = 20 * time.Second
)

var (
	errNoEnd  = errors.New("the plan does not come to its end")
	errUnread = errors.New("the cluster's part is not known") // so there is nothing to report
)

// Reconciler brings what an Application asks for about.
type Reconciler struct {
	gatherer gatherer
	actor    actor
	reporter reporter
	memory   *memory
	settings *Settings
	// usageInterval is how often persistence is asked what an Application sent.
	usageInterval time.Duration
	now           func() time.Time
	log           *slog.Logger
}

// Reconcile decides and acts until nothing is left to do, and says how it stands in the status.
func (r *Reconciler) Reconcile(ctx context.Context, app *v1alpha1.Application) (reconcile.Result, error) {
	ctx, cancel := finishing(ctx)
	defer cancel()
	v := &View{Application: app, Now: second(r.now())}
	known := r.memory.of(app.UID)
	d, err := r.settle(ctx, v, &known)
	known.note(v.Auth)
	switch {
	case gone(v):
		r.memory.drop(app.UID)
		return reconcile.Result{}, nil
	case overtaken(err): // somebody else was faster than our cache: what there is now is seen in a moment
		r.memory.keep(app.UID, known)
		return reconcile.Result{RequeueAfter: retryOvertaken}, nil
	case errors.Is(err, errUnread):
		return reconcile.Result{}, err
	}
	r.refresh(ctx, v, &d, &known)
	statusErr := r.reporter.report(ctx, v, &d, &known)
	r.memory.keep(app.UID, known)
	if err != nil && statusErr == nil && !app.DeletionTimestamp.IsZero() {
		r.log.WarnContext(ctx, "deletion waits", "namespace", app.Namespace, "name", app.Name, "error", err)
		pause := retryDeletion
		if until := app.DeletionTimestamp.Add(r.settings.RevokeTimeout).Sub(r.now()); until > 0 {
			pause = min(pause, until)
		}
		return reconcile.Result{RequeueAfter: pause}, nil
	}
	if err := errors.Join(err, statusErr); err != nil {
		return reconcile.Result{}, err // tried again, later each time
	}
	return reconcile.Result{RequeueAfter: r.pause(v, &d, &known)}, nil
}

// finishing gives what is in hand a moment more when its context ends, because the operator stops.
func finishing(ctx context.Context) (context.Context, context.CancelFunc) {
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := context.AfterFunc(ctx, func() {
		select {
		case <-time.After(stopGrace):
			cancel()
		case <-own.Done():
		}
	})
	return own, func() { ended(); cancel() }
}

// overtaken tells whether a step failed because the cluster is not, or no longer, as the View has it.
func overtaken(err error) bool { return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) }

// settle takes steps until a decision has none. What was settled before, and has not changed, costs no request.
func (r *Reconciler) settle(ctx context.Context, v *View, known *recollection) (Decision, error) {
	if err := r.gather(ctx, v, false); err != nil {
		return Decision{}, err
	}
	v.Faults = r.compiled(v.Application, known)
	if known.settled == fingerprint(v) && (known.decision.Next.IsZero() || v.Now.Before(known.decision.Next)) {
		return known.decision, nil
	}
	known.settled = ""
	d, err := r.ask(ctx, v, known)
	if err != nil {
		return r.overdue(ctx, v, d, known, err)
	}
	if d.Step != nil || v.Issued == nil { // nothing is done, or left undone, on the word of a cache that may not show the Secret
		if err := r.gather(ctx, v, true); err != nil {
			return d, err
		}
		d = Decide(v, r.settings)
	}
	if d, err = r.act(ctx, v, d, known); err != nil || gone(v) {
		return d, err
	}
	known.settled, known.decision = fingerprint(v), d
	return d, nil
}

// gather reads the Secrets, unless the Application is deleted: to let it go needs none of them, and whoever may not read
// them any more, as in a namespace that ends, must still be able to.
func (r *Reconciler) gather(ctx context.Context, v *View, live bool) error {
	if !v.Application.DeletionTimestamp.IsZero() {
		return nil
	}
	if err := r.gatherer.gather(ctx, v, live); err != nil {
		return errors.Join(errUnread, err)
	}
	return nil
}

// act takes steps until none is left. When auth was told of credentials it is asked in the end what it has of it all: its
// answers to them do not say which revision they made, and the Collector would find another one than is remembered.
func (r *Reconciler) act(ctx context.Context, v *View, d Decision, known *recollection) (Decision, error) {
	told := false
	for range maxSteps {
		var err error
		switch step := d.Step.(type) {
		case nil:
			if !told {
				return d, nil
			}
			told = false
			if d, err = r.ask(ctx, v, known); err != nil {
				return r.overdue(ctx, v, d, known, err)
			}
			continue
		case PutCredential, DeleteCredential:
			told = true
			err = r.actor.do(ctx, v, step)
		case CreateCandidate:
			if !known.mayIssue(r.now()) {
				return tooOften(v, d), nil
			}
			err = r.actor.do(ctx, v, step)
		default:
			err = r.actor.do(ctx, v, step)
		}
		if err != nil {
			return r.overdue(ctx, v, blame(d, err), known, err)
		}
		r.noteRevoked(v, known)
		if gone(v) {
			return d, nil
		}
		d = Decide(v, r.settings)
	}
	err := fmt.Errorf("%w: %T", errNoEnd, d.Step)
	return blame(d, err), err
}

// ask completes the View with auth's record, and decides.
func (r *Reconciler) ask(ctx context.Context, v *View, known *recollection) (Decision, error) {
	record, err := r.actor.auth.Application(ctx, v.Application.UUID())
	if err != nil {
		c := credentialsOf(v)
		d := Decision{Step: PutApplication{}, Published: c.published(v), Schemas: schemasOf(v, nil), credentials: c}
		return blame(d, err), err
	}
	v.Auth, v.RevokedAt = record, known.revokedAt
	v.noteRevoked()
	r.noteRevoked(v, known)
	return Decide(v, r.settings), nil
}

// noteRevoked remembers a revocation by the time at which auth has answered, which may be slow, and rounds it up: a View
// knows whole seconds.
func (r *Reconciler) noteRevoked(v *View, known *recollection) {
	if known.revokedAt.IsZero() && !v.RevokedAt.IsZero() {
		v.RevokedAt = second(r.now()).Add(time.Second)
	}
	known.revokedAt = v.RevokedAt
}

// overdue lets a deleted Application go when the time for its last wishes is over.
func (r *Reconciler) overdue(ctx context.Context, v *View, d Decision, known *recollection, err error) (Decision, error) {
	if overtaken(err) || !Overdue(v, r.settings) {
		return d, err
	}
	known.note(v.Auth)
	if _, tried := d.Step.(Erase); !tried && v.Application.Spec.DeletionPolicy == registry.Erase && !v.Erased && !known.erasure {
		// auth's record may not say so, and then nothing else will ask for it. What is sent until the revocation stays.
		if err := r.actor.do(ctx, v, Erase{}); err != nil {
			r.log.WarnContext(ctx, "events are not erased", "namespace", v.Application.Namespace, "name", v.Application.Name, "error", err)
		}
	}
	r.log.WarnContext(ctx, "let go of an Application before everything was done", // a namespace that ends takes no event
		"namespace", v.Application.Namespace, "name", v.Application.Name, "undone", undone(v, d), "error", err)
	return d, r.actor.do(ctx, v, RemoveFinalizer{Unfinished: undone(v, d)})
}

// undone is what a failed decision leaves to the collector.
func undone(v *View, d Decision) string {
	_, erasing := d.Step.(Erase)
	switch unerased := v.Application.Spec.DeletionPolicy == registry.Erase && !v.Erased; {
	case erasing:
		return "its events are not erased"
	case unerased:
		return "its credentials are not revoked and its events are not erased"
	case v.Auth != nil && len(v.Auth.Credentials) == 0:
		return "auth still has its record"
	}
	return "its credentials are not revoked"
}

// compiled compiles the schemas of a generation once.
func (r *Reconciler) compiled(app *v1alpha1.Application, known *recollection) map[int]SchemaFault {
	if known.compiled != app.Generation {
		known.compiled, known.faults = app.Generation, faults(app)
	}
	return known.faults
}

// gone tells whether the operator has let go of the resource.
func gone(v *View) bool {
	return !v.Application.DeletionTimestamp.IsZero() && !slices.Contains(v.Application.Finalizers, v1alpha1.Finalizer)
}

// blame turns the failure of a step into the condition that it concerns. Messages are the same however often it fails.
func blame(d Decision, err error) Decision {
	switch d.Step.(type) {
	case CreateCandidate, Publish, DeleteSecret:
		d.Published = Verdict{metav1.ConditionFalse, v1alpha1.ReasonSecretRefused, "the API server does not take the Secret: " + apiMessage(err)}
	default:
		d.Registered = Verdict{metav1.ConditionFalse, v1alpha1.ReasonAuthUnavailable, message(err)}
		if refused(err) {
			d.Registered.Reason, d.Stalled = v1alpha1.ReasonAuthRefused, true
		}
	}
	return d
}

var _ reconcile.ObjectReconciler[*v1alpha1.Application] = (*Reconciler)(nil)
