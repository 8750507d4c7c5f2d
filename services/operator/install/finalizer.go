package install

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/theeye-dev/theeye/api/v1alpha1"
)

const (
	// page is how many Applications one request lists: names and finalizers alone are small.
	page = 500
	// passes bounds how often Applications are gone through: they change at the same time, or somebody holds on to them.
	passes = 8
	// betweenPasses lets whoever holds on to Applications be seen.
	betweenPasses = time.Second
	// surely and doubtfully are how many looks in a row must find none that is held: one is enough after the operator
	// stopped; one that may be there gets a moment to be seen.
	surely, doubtfully = 1, 3
)

// held are the Applications that have TheEye's finalizer. Without their type there are none.
func (r *Retirement) held(ctx context.Context) (found []metav1.PartialObjectMetadata, err error) {
	namespaces := r.Namespaces
	if len(namespaces) == 0 {
		namespaces = []string{metav1.NamespaceAll}
	}
	for _, namespace := range namespaces {
		some, err := r.heldIn(ctx, namespace)
		if meta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list Applications: %w", err)
		}
		found = append(found, some...)
	}
	return found, nil
}

// heldIn reads metadata alone: no fault of a spec keeps an Application from being let go.
func (r *Retirement) heldIn(ctx context.Context, namespace string) (found []metav1.PartialObjectMetadata, err error) {
	for next := ""; ; {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(v1alpha1.SchemeGroupVersion.WithKind(v1alpha1.Kind + "List"))
		if err := r.Client.List(ctx, list, client.InNamespace(namespace), client.Limit(page), client.Continue(next)); err != nil {
			return nil, err
		}
		for i := range list.Items {
			if controllerutil.ContainsFinalizer(&list.Items[i], v1alpha1.Finalizer) {
				found = append(found, list.Items[i])
			}
		}
		if next = list.Continue; next == "" {
			return found, nil
		}
	}
}

// deleted are the names of those that wait to go.
func deleted(held []metav1.PartialObjectMetadata) (names []string) {
	for i := range held {
		if !held[i].DeletionTimestamp.IsZero() {
			names = append(names, client.ObjectKeyFromObject(&held[i]).String())
		}
	}
	return names
}

// free takes the finalizer off every Application, until so many looks in a row find none that has it.
func (r *Retirement) free(ctx context.Context, looks int) error {
	var freed, clean int
	var names []string
	var last error
	for range passes {
		held, err := r.held(ctx)
		switch {
		case err != nil:
			last, clean = err, 0
		case len(held) == 0:
			if clean++; clean >= looks {
				r.Progress.say("took the finalizer off %d Applications; Applications hold nothing of TheEye any more", freed)
				return nil
			}
		default:
			clean, names = 0, namesOf(held)
			r.tellUnfinished(deleted(held))
			n, err := r.letGo(ctx, held)
			freed, last = freed+n, err
			if err == nil && looks == surely {
				continue // the next look shows it
			}
		}
		if err := pause(ctx, betweenPasses); err != nil {
			return err
		}
	}
	if last == nil {
		last = errors.New("somebody puts it back: an operator that still runs")
	}
	return fmt.Errorf("the finalizer %s is still on Applications (%s): %w", v1alpha1.Finalizer, several(names), last)
}

// tellUnfinished names what is let go before everything was done.
func (r *Retirement) tellUnfinished(names []string) {
	if len(names) > 0 {
		r.Progress.say("letting go of deleted Applications that the operator has not finished with: %s; events that were to be erased may be left",
			several(names))
	}
}

func namesOf(held []metav1.PartialObjectMetadata) (names []string) {
	for i := range held {
		names = append(names, client.ObjectKeyFromObject(&held[i]).String())
	}
	return names
}

// letGo takes the finalizer off Applications that have not changed since they were read.
func (r *Retirement) letGo(ctx context.Context, held []metav1.PartialObjectMetadata) (freed int, err error) {
	var errs []error
	for i := range held {
		app := &held[i]
		patch := client.MergeFromWithOptions(app.DeepCopy(), client.MergeFromWithOptimisticLock{})
		app.Finalizers = slices.DeleteFunc(slices.Clone(app.Finalizers), func(f string) bool { return f == v1alpha1.Finalizer })
		err := r.Client.Patch(ctx, app, patch)
		switch {
		case err == nil:
			freed++
		case !apierrors.IsNotFound(err):
			errs = append(errs, fmt.Errorf("change finalizers of %s: %w", client.ObjectKeyFromObject(app), err))
		}
	}
	if len(errs) > named { // they are alike
		errs = append(errs[:named], fmt.Errorf("and %d more", len(errs)-named))
	}
	return freed, errors.Join(errs...)
}

// deleteLease deletes the lease by which the operator's replicas agreed on a leader, and which no release owns; unless
// somebody else holds it: an operator started by hand, which runs on. A lease that stays does no harm, and is told only.
func (r *Retirement) deleteLease(ctx context.Context) {
	l := &coordinationv1.Lease{}
	err := r.Client.Get(ctx, r.Deployment, l)
	if err == nil {
		if holder := l.Spec.HolderIdentity; holder != nil && *holder != "" && !strings.HasPrefix(*holder, r.Deployment.Name+"-") {
			r.Progress.say("Lease %s stays: %s holds it", r.Deployment.Name, *holder)
			return
		}
		err = r.Client.Delete(ctx, l, client.Preconditions{UID: &l.UID, ResourceVersion: &l.ResourceVersion})
	}
	switch {
	case err == nil:
		r.Progress.say("deleted Lease %s", r.Deployment.Name)
	case !apierrors.IsNotFound(err):
		r.Progress.say("Lease %s stays: %v", r.Deployment.Name, err)
	}
}

// pause waits, unless the context ends.
func pause(ctx context.Context, duration time.Duration) error {
	timer := time.NewTimer(duration)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
