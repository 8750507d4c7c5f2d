package operator

import (
	"net/http"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// An Application that persistence does not know, or not yet, is as ready as any. Nothing is claimed of its use, it is asked
// about once an interval, and what persistence tells later is shown.
func TestUsageOfAnUnknownApplication(t *testing.T) {
	t.Parallel()
	unknown := &RemoteError{Service: "persistence", Status: http.StatusNotFound, Code: codeNotFound, Detail: "there is no application with this uid"}
	w := newWorld(t, func(o *Options) { o.Persistence = &fakeArchive{err: unknown} })
	archive, ok := w.options.Persistence.(*fakeArchive)
	if !ok {
		t.Fatal("another archive")
	}
	w.archive = archive
	app, first := w.ready(w.apply("shop"))
	w.rotate(app, "please")
	w.otherKey(app, keyOf(first))
	for n := range 3 {
		w.clock.advance(w.options.UsageInterval)
		w.poke(app)
		current := w.await(app, v1alpha1.ConditionPreviousSecretInUse, metav1.ConditionUnknown, v1alpha1.ReasonNotReported)
		if current.Status.Usage != nil || !meta.IsStatusConditionTrue(current.Status.Conditions, v1alpha1.ConditionReady) {
			t.Errorf("status is %+v", current.Status)
		}
		w.archive.mu.Lock()
		if w.archive.asked > n+2 { // once more at most for the moment of the interval that is the Application's own
			t.Errorf("in %d intervals it was asked %d times", n+1, w.archive.asked)
		}
		w.archive.mu.Unlock()
	}
	w.archive.set(func(f *fakeArchive) { f.err, f.usage.Accepted24h = nil, 5 })
	w.clock.advance(w.options.UsageInterval)
	w.poke(app)
	current := w.await(app, v1alpha1.ConditionPreviousSecretInUse, metav1.ConditionFalse, v1alpha1.ReasonNotInUse)
	if current.Status.Usage == nil || current.Status.Usage.Accepted24h != 5 {
		t.Errorf("usage is %+v", current.Status.Usage)
	}
}
