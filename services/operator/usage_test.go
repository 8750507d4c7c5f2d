package operator

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/api/v1alpha1"
)

var errArchiveDown = errors.New("persistence is down")

// used says what persistence knows: when a credential was used last.
func (w *world) used(id string, at time.Time) {
	w.archive.set(func(f *fakeArchive) {
		f.usage.Credentials = []registry.CredentialUse{{ID: id, LastUsedAt: at}}
	})
}

// rotated is a world with an Application that has just got its second credential, and when that was.
func rotatedWorld(t *testing.T, change ...func(*Options)) (w *world, app *v1alpha1.Application, begin time.Time) {
	t.Helper()
	w = newWorld(t, change...)
	app, first := w.ready(w.apply("shop"))
	w.rotate(app, "please")
	w.otherKey(app, keyOf(first))
	return w, app, second(w.clock.Now())
}

// The previous secret's last use is in the status. While it is in use, a condition says so; when a quarter of the
// overlap is left, an event warns, once.
func TestPreviousSecretInUse(t *testing.T) {
	t.Parallel()
	var looks atomic.Int64
	w, app, begin := rotatedWorld(t, counted(&looks))
	const condition = v1alpha1.ConditionPreviousSecretInUse
	use := func(at time.Time) {
		w.used("1", at)
		w.clock.advance(w.options.UsageInterval)
		w.reconcile(app, &looks)
	}
	use(begin.Add(30 * time.Minute))
	current := w.await(app, condition, metav1.ConditionTrue, v1alpha1.ReasonInUse)
	if got := current.Status.Credentials[1]; got.ID != "1" || got.LastUsedAt == nil || !got.LastUsedAt.Time.Equal(begin.Add(30*time.Minute)) {
		t.Errorf("the status has %+v", got)
	}
	if current.Status.Credentials[0].LastUsedAt != nil {
		t.Errorf("the new one was never used: %+v", current.Status.Credentials[0])
	}

	w.clock.advance(18*time.Hour - w.clock.Now().Sub(begin)) // a quarter is left
	late := begin.Add(17 * time.Hour)
	use(late)
	w.awaitEvent(app, corev1.EventTypeWarning, condition, at(late))
	use(late.Add(2 * time.Hour))
	w.await(app, condition, metav1.ConditionTrue, v1alpha1.ReasonInUse)

	w.clock.advance(v1alpha1.DefaultOverlap)
	w.poke(app)
	w.awaitEvent(app, corev1.EventTypeNormal, eventRevoked, "Credential 1")
	warnings, err := w.events(app, condition)
	if err != nil || len(warnings) != 1 || warnings[0].Series != nil {
		t.Errorf("it warned %d times: %+v, %v", len(warnings), warnings, err)
	}
	w.eventually(func() error {
		current, err := w.read(app)
		if err == nil && meta.FindStatusCondition(current.Status.Conditions, condition) != nil {
			return fmt.Errorf("condition: %w", errStillThere)
		}
		return err
	})
}

// What nobody uses any more is not in use: never used since it was replaced, or not lately.
func TestPreviousSecretNotInUse(t *testing.T) {
	t.Parallel()
	w, app, begin := rotatedWorld(t)
	w.used("1", begin.Add(-time.Second))
	w.clock.advance(w.options.UsageInterval)
	w.poke(app)
	w.await(app, v1alpha1.ConditionPreviousSecretInUse, metav1.ConditionFalse, v1alpha1.ReasonNotInUse)

	w.used("1", w.clock.Now())
	w.clock.advance(w.options.UsageInterval)
	w.poke(app)
	w.await(app, v1alpha1.ConditionPreviousSecretInUse, metav1.ConditionTrue, v1alpha1.ReasonInUse)

	w.clock.advance(12 * time.Hour) // half an overlap without it
	w.poke(app)
	current := w.await(app, v1alpha1.ConditionPreviousSecretInUse, metav1.ConditionFalse, v1alpha1.ReasonNotInUse)
	if !meta.IsStatusConditionTrue(current.Status.Conditions, v1alpha1.ConditionReady) {
		t.Errorf("it is not ready: %+v", current.Status.Conditions)
	}
}

// Without persistence nobody knows, and nothing else suffers.
func TestPersistenceIsAway(t *testing.T) {
	t.Parallel()
	w, app, begin := rotatedWorld(t, func(o *Options) {
		o.Persistence = &fakeArchive{err: errArchiveDown}
	})
	archive, ok := w.options.Persistence.(*fakeArchive)
	if !ok {
		t.Fatal("another archive")
	}
	w.archive = archive
	w.clock.advance(w.options.UsageInterval)
	w.poke(app)
	w.eventually(func() error {
		w.archive.mu.Lock()
		defer w.archive.mu.Unlock()
		if w.archive.asked == 0 {
			return errors.New("it was not asked")
		}
		return nil
	})
	current := w.await(app, v1alpha1.ConditionPreviousSecretInUse, metav1.ConditionUnknown, v1alpha1.ReasonNotReported)
	if current.Status.Usage != nil || !meta.IsStatusConditionTrue(current.Status.Conditions, v1alpha1.ConditionReady) {
		t.Errorf("status is %+v", current.Status)
	}
	w.archive.set(func(f *fakeArchive) {
		f.err, f.usage.Accepted24h, f.usage.Failed24h, f.usage.LastEventAt = nil, 5, 1, &begin
	})
	w.clock.advance(w.options.UsageInterval)
	w.poke(app)
	current = w.await(app, v1alpha1.ConditionPreviousSecretInUse, metav1.ConditionFalse, v1alpha1.ReasonNotInUse)
	want := v1alpha1.Usage{LastEventAt: &metav1.Time{Time: begin}, Accepted24h: 5, Failed24h: 1}
	if got := current.Status.Usage; got == nil || got.Accepted24h != 5 || got.Failed24h != 1 || !got.LastEventAt.Equal(want.LastEventAt) {
		t.Errorf("usage is %+v, want %+v", got, want)
	}

	w.archive.set(func(f *fakeArchive) { f.err = errArchiveDown }) // what was known stays
	w.stop()
	w.start()
	w.clock.advance(w.options.UsageInterval)
	w.change(app, func(a *v1alpha1.Application) { a.Spec.DisplayName = "Shop" })
	current, _ = w.ready(app)
	if current.Status.Usage == nil || current.Status.Usage.Accepted24h != 5 {
		t.Errorf("usage is %+v", current.Status.Usage)
	}
	if c := meta.FindStatusCondition(current.Status.Conditions, v1alpha1.ConditionPreviousSecretInUse); c == nil || c.Status != metav1.ConditionFalse {
		t.Errorf("what was known of the previous secret before the start is gone: %+v", c)
	}

	w.clock.advance(v1alpha1.DefaultOverlap)
	w.rotate(app, "again") // another secret becomes the previous one, of whose use nothing is known
	w.await(app, v1alpha1.ConditionPreviousSecretInUse, metav1.ConditionUnknown, v1alpha1.ReasonNotReported)
}
