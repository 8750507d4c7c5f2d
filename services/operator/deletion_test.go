package operator

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/api/v1alpha1"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// briefly is a RevokeTimeout that a test can wait for.
const briefly = 3 * time.Second

// hasty makes an operator wait briefly for others, and compare with auth often, by the real clock.
func hasty(o *Options) {
	o.RevokeTimeout, o.CompareInterval, o.Now = briefly, 200*time.Millisecond, time.Now
}

// failing answers every request whose name begins so with an error, instead of doing it.
func failing(prefix string, err error) func(request string) fault {
	return func(request string) fault {
		if strings.HasPrefix(request, prefix) {
			return fault{err: err}
		}
		return fault{}
	}
}

func erase(a *v1alpha1.Application) { a.Spec.DeletionPolicy = registry.Erase }

// What a deleted Application owned goes with it, and its events stay unless it says otherwise.
func TestDeletionTakesCredentialsAndSecret(t *testing.T) {
	t.Parallel()
	testenv.Kubernetes(t).ControllerManager(t)
	w := newWorld(t)
	app, secret := w.ready(w.apply("kept"))
	w.delete(app)
	w.eventually(func() error { return w.gone(app) })
	w.eventually(func() error {
		if _, err := w.secret(secret.Name); !apierrors.IsNotFound(err) {
			return errors.Join(errStillThere, err)
		}
		return nil
	})
	if w.erased(app) == nil {
		t.Error("events were erased that should be kept")
	}
}

// Events are erased once the credentials are revoked and no event can come any more, and then the record goes.
func TestErasureWaitsForTheRevocation(t *testing.T) {
	t.Parallel()
	var s *saboteur
	w := newWorld(t, func(o *Options) { s = sabotage(o) })
	app, secret := w.ready(w.apply("erased", erase))
	w.delete(app)
	w.eventually(func() error {
		if w.works(app, string(secret.Data[v1alpha1.KeyAPIKey])) == nil {
			return errors.New("the credential is not revoked")
		}
		return nil
	})
	for range settleTime / time.Second {
		if w.erased(app) == nil {
			t.Fatal("erased before the revocation can have reached every door")
		}
		if w.record(app) == nil {
			t.Fatal("the record went before the erasure")
		}
		w.clock.advance(time.Second)
	}
	w.eventually(func() error {
		if err := w.gone(app); err != nil {
			return errors.Join(err, client.IgnoreNotFound(w.nudge(app)))
		}
		return w.erased(app)
	})
	if _, broken := s.report(); len(broken) > 0 {
		t.Error(broken)
	}
}

// A namespace ends although auth is away, and what was left undone is done when it is back: for Erase in the same order.
func TestNamespaceEndsWithoutAuth(t *testing.T) {
	t.Parallel()
	testenv.Kubernetes(t).ControllerManager(t)
	var s *saboteur
	w := newWorld(t, hasty, func(o *Options) { s = sabotage(o) })
	kept, _ := w.ready(w.apply("kept"))
	erased, _ := w.ready(w.apply("erased", erase))
	w.auth.Kill()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}}
	w.delete(namespace)
	w.eventually(func() error {
		if err := w.client.Get(t.Context(), client.ObjectKeyFromObject(namespace), namespace); !apierrors.IsNotFound(err) {
			return errors.Join(errStillThere, err)
		}
		return nil
	})
	if w.erased(erased) == nil {
		t.Error("erased while the credentials were valid")
	}
	w.auth.Restart()
	w.eventually(func() error { return errors.Join(w.gone(kept), w.gone(erased), w.erased(erased)) })
	if w.erased(kept) == nil {
		t.Error("events were erased that should be kept")
	}
	if _, broken := s.report(); len(broken) > 0 {
		t.Error(broken)
	}
}

// Whoever does not answer is waited for, but not for ever: a warning says what is undone, and the collector does it.
func TestDeletionWithoutAnswers(t *testing.T) {
	t.Parallel()
	refusal := &RemoteError{Service: "auth", Status: http.StatusForbidden, Code: "forbidden", Detail: "no"}
	for name, c := range map[string]struct {
		edit    func(*v1alpha1.Application)
		failing string // requests
		err     error
		undone  string
	}{
		"auth is away":        {func(*v1alpha1.Application) {}, reading + "application", errInjected, "credentials are not revoked"},
		"auth refuses":        {func(*v1alpha1.Application) {}, "delete application", refusal, "credentials are not revoked"},
		"revocation fails":    {erase, "delete credential", errInjected, "credentials are not revoked"},
		"persistence is away": {erase, "erase", errInjected, "events are not erased"},
		"the record stays":    {erase, "delete application", errInjected, "record"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s *saboteur
			w := newWorld(t, hasty, func(o *Options) { s = sabotage(o) })
			app, _ := w.ready(w.apply("doomed", c.edit))
			s.order(failing(c.failing, c.err))
			w.delete(app)
			w.eventually(func() error {
				if _, err := w.read(app); !apierrors.IsNotFound(err) {
					return errors.Join(errStillThere, err)
				}
				return nil
			})
			w.eventually(func() error { return w.warned(app, eventUnfinished, c.undone) })
			if w.record(app) == nil {
				t.Error("the record went: nobody knows what is undone")
			}
			s.order(nil)
			w.eventually(func() error { return w.gone(app) })
			if erase := app.Spec.DeletionPolicy == registry.Erase; erase != (w.erased(app) == nil) {
				t.Errorf("erase %v, erased %v", erase, w.erased(app))
			}
			if _, broken := s.report(); len(broken) > 0 {
				t.Error(broken)
			}
		})
	}
}

// warned says whether an event warns of a reason.
func (w *world) warned(app *v1alpha1.Application, reason, text string) error {
	var list eventsv1.EventList
	if err := w.client.List(w.t.Context(), &list, client.InNamespace(w.namespace)); err != nil {
		return fmt.Errorf("list events: %w", err)
	}
	for i := range list.Items {
		e := &list.Items[i]
		if e.Regarding.UID == app.UID && e.Reason == reason && e.Type == corev1.EventTypeWarning && strings.Contains(e.Note, text) {
			return nil
		}
	}
	return fmt.Errorf("no %s that says %q among %d events", reason, text, len(list.Items))
}

// An Application that auth never heard of has nothing to revoke.
func TestDeletionBeforeRegistration(t *testing.T) {
	t.Parallel()
	var s *saboteur
	w := newWorld(t, func(o *Options) { s = sabotage(o) })
	s.order(failing("put application", errInjected))
	app := w.apply("short-lived")
	w.await(app, v1alpha1.ConditionRegistered, metav1.ConditionFalse, v1alpha1.ReasonAuthUnavailable)
	w.delete(app)
	w.eventually(func() error { return w.gone(app) })
	if secrets, err := w.owned(app); err != nil || len(secrets) > 0 {
		t.Errorf("Secrets %v, error %v", secrets, err)
	}
}

// Who takes the finalizer away by hand does not keep the credentials alive.
func TestFinalizerTakenAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hasty)
	app, secret := w.ready(w.apply("freed"))
	w.change(app, func(a *v1alpha1.Application) { a.Finalizers = nil })
	w.eventually(func() error {
		current, err := w.read(app)
		if err == nil && len(current.Finalizers) == 0 {
			err = errors.New("the finalizer is not back")
		}
		return err
	})
	w.stop()
	w.delete(app)
	w.change(app, func(a *v1alpha1.Application) { a.Finalizers = nil })
	if err := w.works(app, string(secret.Data[v1alpha1.KeyAPIKey])); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.eventually(func() error { return w.gone(app) })
}

// A namesake is another application: its own client id and key, and the end of those before.
func TestDeletedAndMadeAgain(t *testing.T) {
	t.Parallel()
	testenv.Kubernetes(t).ControllerManager(t)
	w := newWorld(t, hasty)
	first, before := w.ready(w.apply("again"))
	w.stop()
	w.delete(first)
	w.change(first, func(a *v1alpha1.Application) { a.Finalizers = nil })
	second := w.apply("again")
	w.start()
	w.eventually(func() error { return errors.Join(w.settled(second), w.goneRecord(first)) })
	_, after := w.ready(second)
	for _, key := range []string{v1alpha1.KeyAPIKey, v1alpha1.KeyClientID} {
		if string(before.Data[key]) == string(after.Data[key]) {
			t.Errorf("%s is the first one's", key)
		}
	}
}

func (w *world) goneRecord(app *v1alpha1.Application) error {
	if record := w.record(app); record != nil {
		return fmt.Errorf("auth still has %+v", record)
	}
	return nil
}

// A deletion that is past its time and still fails is tried again at leisure.
func TestOverdueDeletionTakesItsTime(t *testing.T) {
	t.Parallel()
	var s *saboteur
	w := newWorld(t, func(o *Options) {
		o.RevokeTimeout, o.Now = 0, time.Now
		s = sabotage(o)
	})
	app, _ := w.ready(w.apply("doomed"))
	s.order(failing("patch doomed", errInjected))
	w.delete(app)
	tries := func() (n int) {
		history, _ := s.report()
		for _, request := range history {
			if strings.HasPrefix(request, "patch doomed") {
				n++
			}
		}
		return n
	}
	w.eventually(func() error {
		if tries() == 0 {
			return errors.New("not tried yet")
		}
		return nil
	})
	before := tries()
	w.ready(w.apply("meanwhile")) // a dozen requests
	if more := tries() - before; more > 3 {
		t.Errorf("tried %d times while another Application was made", more)
	}
}

// A View knows whole seconds: whoever comes back within one finds nothing due.
func TestPauseReachesTheNextSecond(t *testing.T) {
	t.Parallel()
	now := second(time.Now())
	r := &Reconciler{now: func() time.Time { return now }}
	v := &View{Application: &v1alpha1.Application{}, Now: now}
	d := &Decision{Next: now.Add(2500 * time.Millisecond)}
	if got := r.pause(v, d, &recollection{usageDue: now.Add(time.Hour)}); got != 3*time.Second {
		t.Errorf("comes back after %s, want 3s", got)
	}
}
