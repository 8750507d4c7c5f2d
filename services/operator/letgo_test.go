package operator

import (
	"context"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// An Application of a namespace that is not watched any more can be deleted, and its credentials end then. Whoever puts the
// finalizer back is another operator, which is left alone.
func TestApplicationsOutOfScopeAreLetGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app, _ := w.ready(w.apply("shop"))
	w.stop()
	narrow := w.collector(blind{}, w.client, "elsewhere")
	compare := func() {
		t.Helper()
		if err := narrow.Compare(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	held := func() bool {
		t.Helper()
		current, err := w.read(app)
		if err != nil {
			t.Fatal(err)
		}
		return controllerutil.ContainsFinalizer(current, v1alpha1.Finalizer)
	}
	for range looks + 1 {
		compare()
	}
	if held() || !w.registered(app.UUID()) {
		t.Fatalf("held %t, registered %t", held(), w.registered(app.UUID()))
	}

	w.change(app, func(a *v1alpha1.Application) { controllerutil.AddFinalizer(a, v1alpha1.Finalizer) })
	compare()
	if !held() {
		t.Error("another operator's finalizer is taken away")
	}
	w.change(app, func(a *v1alpha1.Application) { controllerutil.RemoveFinalizer(a, v1alpha1.Finalizer) })
	w.delete(app)
	for range looks {
		compare()
	}
	if w.registered(app.UUID()) {
		t.Error("the record outlives the Application")
	}
}

// forbids answers every look as an API server does that lets nobody look.
type forbids struct{ client.Reader }

func (forbids) Get(_ context.Context, key client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
	return apierrors.NewForbidden(schema.GroupResource{Group: v1alpha1.SchemeGroupVersion.Group, Resource: resource}, key.Name, errInjected)
}

// Where an operator may not look, outside of what it watches, nothing ends, and the comparison is no failure.
func TestLooksThatAreForbidden(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	uid := w.register(w.options.Cluster, "elsewhere", "gone")
	for namespace, fails := range map[string]bool{w.namespace: false, "elsewhere": true} {
		c := w.collector(blind{}, forbids{}, namespace)
		for range looks {
			if err := c.Compare(t.Context()); (err != nil) != fails {
				t.Errorf("watching %s: %v", namespace, err)
			}
		}
		if !w.registered(uid) {
			t.Errorf("watching %s: the record is gone", namespace)
		}
	}
}

// stubborn refuses changes.
type stubborn struct{ client.Client }

func (stubborn) Patch(context.Context, client.Object, client.Patch, ...client.PatchOption) error {
	return errInjected
}

// A finalizer that cannot be taken off now is taken off later.
func TestLettingGoIsTriedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app, _ := w.ready(w.apply("shop"))
	w.stop()
	c := w.collector(blind{}, w.client, "elsewhere")
	for _, step := range []struct {
		writer client.Client
		held   bool
	}{{stubborn{}, true}, {w.client, false}} {
		c.writer = step.writer
		if err := c.Compare(t.Context()); err != nil {
			t.Fatal(err)
		}
		current, err := w.read(app)
		if err != nil || controllerutil.ContainsFinalizer(current, v1alpha1.Finalizer) != step.held {
			t.Errorf("%v: finalizers %v, want held %t", err, current.Finalizers, step.held)
		}
	}
}
