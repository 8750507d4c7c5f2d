package install

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/theeye-dev/theeye/api/v1alpha1"
)

func (r *retiring) holdLease(holder string) {
	r.t.Helper()
	r.create(&coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: r.home, Name: deploymentName}, Spec: coordinationv1.LeaseSpec{HolderIdentity: &holder},
	})
}

// lease is as it is now; nil: gone.
func (r *retiring) lease() *coordinationv1.Lease {
	r.t.Helper()
	l := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: r.home, Name: deploymentName}}
	err := r.get(l)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return l
}

// A lease goes that is nobody's or was one of this Deployment's pods', and never one that somebody else holds.
func TestLeaseOfTheRetired(t *testing.T) {
	t.Parallel()
	for holder, stays := range map[string]bool{
		"": false, deploymentName + "-6d4f-x2_0a1b": false, "other-theeye-operator-6d4f-x2_0a1b": true,
	} {
		t.Run(holder, func(t *testing.T) {
			t.Parallel()
			r := newRetiring(t)
			r.holdLease(holder)
			if err := r.run(t.Context(), never); err != nil {
				t.Fatal(err)
			}
			if there := r.lease() != nil; there != stays {
				t.Errorf("it is there: %t", there)
			}
			if stays {
				r.lines.await(t, "Lease "+deploymentName+" stays: "+holder+" holds it")
			}
		})
	}
}

// More Applications than one page has are let go, and one that changes meanwhile with the next look.
func TestManyAreLetGo(t *testing.T) {
	t.Parallel()
	r := newRetiring(t)
	const many = 5
	var apps []*v1alpha1.Application
	for n := range many {
		apps = append(apps, r.apply(r.spaces[0], fmt.Sprintf("app-%d", n), v1alpha1.Finalizer))
	}
	var patches atomic.Int32
	err := r.run(t.Context(), never, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			return c.List(ctx, list, append(opts, client.Limit(2))...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			if patches.Add(1) == 1 { // somebody else is faster
				r.cluster.Kubectl(t, "annotate", "eyeapp", o.GetName(), "-n", o.GetNamespace(), "changed=meanwhile")
			}
			return c.Patch(ctx, o, p, opts...)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, app := range apps {
		r.has(app)
	}
	if n := patches.Load(); n != many+1 {
		t.Errorf("%d patches for %d Applications", n, many)
	}
	if apps[0].Annotations["changed"] != "meanwhile" {
		t.Error("the other's change was lost")
	}
	r.lines.await(t, "took the finalizer off 5 Applications")
}

// An operator that was not seen to stop and puts the finalizer back is found out, even when it takes its time.
func TestSomebodyHoldsOn(t *testing.T) {
	t.Parallel()
	r := newRetiring(t)
	r.deploy(1)
	app := r.apply(r.spaces[0], "held", v1alpha1.Finalizer)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	held := &v1alpha1.Application{ObjectMeta: *app.ObjectMeta.DeepCopy()}
	still := r.start(func(context.Context) error {
		tick := time.NewTicker(betweenPasses / 3)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
			patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":["`+v1alpha1.Finalizer+`"]}}`))
			if err := r.admin.Patch(ctx, held, patch); err != nil && ctx.Err() == nil {
				return err
			}
		}
	})
	err := r.run(t.Context(), time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "is still on Applications ("+r.spaces[0]+"/held): somebody puts it back") {
		t.Errorf("it ended with %v", err)
	}
	cancel()
	if err := still.end(); err != nil {
		t.Fatal(err)
	}
}

// What the API server refuses is told, and does not keep the others from being let go.
func TestOneIsRefused(t *testing.T) {
	t.Parallel()
	r := newRetiring(t)
	first, second := r.apply(r.spaces[0], "first", v1alpha1.Finalizer), r.apply(r.spaces[1], "second", v1alpha1.Finalizer)
	refusal := errors.New("a webhook says no")
	err := r.run(t.Context(), never, interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			if o.GetName() == first.Name {
				return refusal
			}
			return c.Patch(ctx, o, p, opts...)
		},
	})
	if !errors.Is(err, refusal) || !strings.Contains(err.Error(), r.spaces[0]+"/first") {
		t.Errorf("it ended with %v", err)
	}
	r.has(first, v1alpha1.Finalizer)
	r.has(second)
}
