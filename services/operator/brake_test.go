package operator

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/google/uuid"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// Two looks are enough for a few records, or for few of all; many that are most need thirty.
func TestRipe(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		gone, records, looks int
		ending, held         int
	}{
		"none":                   {0, 100, looks, 0, 0},
		"one look":               {1, 100, looks - 1, 0, 0},
		"two looks":              {1, 100, looks, 1, 0},
		"all, and few":           {manyRecords, manyRecords, looks, manyRecords, 0},
		"all, and many":          {manyRecords + 1, manyRecords + 1, looks, 0, manyRecords + 1},
		"half":                   {50, 100, looks, 50, 0},
		"more than half":         {51, 100, looks, 0, 51},
		"held to the last":       {51, 100, patientLooks - 1, 0, 51},
		"looked at for long":     {51, 100, patientLooks, 51, 0},
		"all, at the first look": {51, 51, 1, 0, 51},
	} {
		gone, missed := make([]*registry.Application, c.gone), map[uuid.UUID]int{}
		for i := range gone {
			gone[i] = &registry.Application{UID: uuid.New()}
			missed[gone[i].UID] = c.looks
		}
		if ending, held := ripe(gone, c.records, missed); len(ending) != c.ending || held != c.held {
			t.Errorf("%s: %d end and %d are held, want %d and %d", name, len(ending), held, c.ending, c.held)
		}
	}
}

// Those that have been gone for long do not take others with them.
func TestRipeCountsEachAlone(t *testing.T) {
	t.Parallel()
	old, recent := &registry.Application{UID: uuid.New()}, &registry.Application{UID: uuid.New()}
	missed := map[uuid.UUID]int{old.UID: looks, recent.UID: looks - 1}
	if ending, held := ripe([]*registry.Application{recent, old}, 2, missed); len(ending) != 1 || ending[0] != old || held != 0 {
		t.Errorf("%v end, %d held", ending, held)
	}
}

// Only an answer about the very object says that it is not there.
func TestAbsent(t *testing.T) {
	t.Parallel()
	applications := schema.GroupResource{Group: v1alpha1.SchemeGroupVersion.Group, Resource: resource}
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"it is gone":         {apierrors.NewNotFound(applications, "shop"), true},
		"no error":           {nil, false},
		"another's name":     {apierrors.NewNotFound(applications, "other"), false},
		"another resource":   {apierrors.NewNotFound(schema.GroupResource{Group: applications.Group, Resource: "others"}, "shop"), false},
		"another group":      {apierrors.NewNotFound(schema.GroupResource{Group: "other.dev", Resource: resource}, "shop"), false},
		"not an API":         {apierrors.NewGenericServerResponse(http.StatusNotFound, http.MethodGet, applications, "shop", "", 0, true), false},
		"no details":         {&apierrors.StatusError{ErrStatus: apierrors.NewNotFound(applications, "").Status()}, false},
		"forbidden":          {apierrors.NewForbidden(applications, "shop", errInjected), false},
		"gone, of a version": {apierrors.NewResourceExpired("too old"), false},
		"anything else":      {errInjected, false},
	} {
		if got := absent(c.err, "shop"); got != c.want {
			t.Errorf("%s: absent %t, want %t", name, got, c.want)
		}
	}
}

// unserved reads Applications of a version that the API server does not serve, as while the CRD is away.
func (w *world) unserved() client.Reader {
	w.t.Helper()
	version := schema.GroupVersion{Group: v1alpha1.SchemeGroupVersion.Group, Version: "v9"}
	scheme, mapper := runtime.NewScheme(), meta.NewDefaultRESTMapper(nil)
	scheme.AddKnownTypeWithName(version.WithKind(v1alpha1.Kind), &v1alpha1.Application{})
	metav1.AddToGroupVersion(scheme, version)
	mapper.Add(version.WithKind(v1alpha1.Kind), meta.RESTScopeNamespace)
	c, err := client.New(w.config, client.Options{Scheme: scheme, Mapper: mapper})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// seeing is a reader that finds an Application.
type seeing struct {
	client.Reader
	uid uuid.UUID
}

// Get implements client.Reader.
func (s seeing) Get(_ context.Context, _ client.ObjectKey, o client.Object, _ ...client.GetOption) error {
	o.SetUID(types.UID(s.uid.String()))
	return nil
}

// A record ends when its Application is gone twice on end. To be seen makes that start anew, and a comparison that fails
// tells nothing: neither that it is gone nor that it is there.
func TestCollectorLooksTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	uid := w.register(w.options.Cluster, w.namespace, "doubtful")
	unserved := w.unserved()
	if err := unserved.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "doubtful"}, &v1alpha1.Application{}); !apierrors.IsNotFound(err) {
		t.Fatalf("a resource that is not served: %v", err)
	}
	c := w.collector(w.client, nil)
	for i, step := range []struct {
		live         client.Reader
		fails, stays bool
	}{
		{unserved, true, true},
		{unserved, true, true},
		{w.client, false, true},
		{seeing{uid: uid}, false, true},
		{w.client, false, true},
		{blind{err: errInjected}, true, true},
		{unserved, true, true},
		{w.client, false, false},
	} {
		c.live = step.live
		if err := c.Compare(t.Context()); (err != nil) != step.fails {
			t.Errorf("step %d: error %v", i, err)
		}
		if w.registered(uid) != step.stays {
			t.Fatalf("step %d: registered %t", i, !step.stays)
		}
	}
}

// One look that fails ends nothing at all.
func TestCollectorEndsNothingWhenALookFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gone, hidden := w.register(w.options.Cluster, w.namespace, "gone"), w.register(w.options.Cluster, w.namespace, "hidden")
	c := w.collector(w.client, hiding{w.client})
	for range 2 * looks {
		if err := c.Compare(t.Context()); !errors.Is(err, errInjected) {
			t.Fatal(err)
		}
	}
	if !w.registered(gone) || !w.registered(hidden) {
		t.Error("a record was ended")
	}
}

// hiding does not answer about the Application named hidden.
type hiding struct{ client.Reader }

// Get implements client.Reader.
func (h hiding) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	if key.Name == "hidden" {
		return errInjected
	}
	return h.Reader.Get(ctx, key, o, opts...)
}
