package install

import (
	"context"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Retirement ends the operator for good:
//
//	deleted Applications go ──▶ the Deployment has 0 replicas ──▶ its pods are gone ──▶ the finalizer is taken off ──▶ the lease goes
//	       └── by the operator, while it is there
//
// Applications stay, and so do their Secrets: whoever installs TheEye again has them under their client ids. Whatever it
// waits for in vain it names, and goes on: an Application that nobody can delete is worse than one that was let go.
type Retirement struct {
	Client     client.Client
	Deployment client.ObjectKey // the operator's, whose lease has the same name
	// Namespaces have the Applications; none: all of the cluster.
	Namespaces []string
	// Timeout bounds each of the two waits.
	Timeout  time.Duration
	Progress *Progress
}

// Run retires the operator. Its error says what still holds Applications, or that the context ended.
func (r *Retirement) Run(ctx context.Context) error {
	operator := &appsv1.Deployment{}
	err := r.Client.Get(ctx, r.Deployment, operator)
	looks := surely
	switch {
	case apierrors.IsNotFound(err):
		r.Progress.say("Deployment %s is gone already: nobody is there to end deletions", r.Deployment)
	case err != nil:
		return fmt.Errorf("read Deployment %s: %w", r.Deployment, err)
	default:
		stopped, err := r.end(ctx, operator)
		if err != nil {
			return err
		}
		if !stopped {
			looks = doubtfully
		}
	}
	if err := r.free(ctx, looks); err != nil {
		return err
	}
	r.deleteLease(ctx)
	return nil
}

// end lets the operator do what it has to, and stops it; false: its pods may still be there.
func (r *Retirement) end(ctx context.Context, operator *appsv1.Deployment) (stopped bool, err error) {
	if replicas(operator) > 0 {
		if _, err := r.within(ctx, r.deletions); err != nil {
			return false, err
		}
	}
	selector, err := metav1.LabelSelectorAsSelector(operator.Spec.Selector)
	if err != nil {
		return false, fmt.Errorf("read selector of Deployment %s: %w", r.Deployment, err)
	}
	pods := client.MatchingLabelsSelector{Selector: selector}
	stopped, err = r.within(ctx, func(ctx context.Context) (string, error) { return r.stop(ctx, pods) })
	if stopped {
		r.Progress.say("the operator has stopped")
	}
	return stopped, err
}

// within waits for a condition, for as long as the time-out allows. A wait in vain is told and is no error.
func (r *Retirement) within(ctx context.Context, c condition) (met bool, err error) {
	bounded, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	err = r.Progress.await(bounded, c)
	if err != nil && ctx.Err() == nil {
		r.Progress.say("%v: going on without", err)
		return false, nil
	}
	return err == nil, err
}

// deletions are what the operator has still to do: it revokes, and erases what is to be erased.
func (r *Retirement) deletions(ctx context.Context) (missing string, err error) {
	held, err := r.held(ctx)
	if err != nil {
		return "", err
	}
	if names := deleted(held); len(names) > 0 {
		return "the operator to finish with deleted Applications: " + several(names), nil
	}
	return "", nil
}

// stop scales the Deployment down, also when somebody scales it up again meanwhile, and looks for its pods. The operator
// must be gone before its finalizer: it would put it back.
func (r *Retirement) stop(ctx context.Context, ofOperator client.MatchingLabelsSelector) (missing string, err error) {
	operator := &appsv1.Deployment{}
	err = r.Client.Get(ctx, r.Deployment, operator)
	switch {
	case apierrors.IsNotFound(err): // its pods may still end
	case err != nil:
		return "", fmt.Errorf("read Deployment %s: %w", r.Deployment, err)
	case replicas(operator) > 0:
		were := replicas(operator)
		if err := r.scaleDown(ctx, operator); err != nil {
			return "", err
		}
		r.Progress.say("scaled Deployment %s from %d to 0", r.Deployment, were)
		return "the end of the operator's pods", nil
	case operator.Status.ObservedGeneration < operator.Generation: // pods could still be made
		return "the Deployment controller to scale " + r.Deployment.String() + " down", nil
	}
	pods := &corev1.PodList{}
	if err := r.Client.List(ctx, pods, client.InNamespace(r.Deployment.Namespace), ofOperator); err != nil {
		return "", fmt.Errorf("list pods of the operator: %w", err)
	}
	if names := alive(pods); len(names) > 0 {
		return "the end of the operator's pods: " + several(names), nil
	}
	if operator.Status.Replicas > 0 {
		return fmt.Sprintf("the end of %d pods of the operator", operator.Status.Replicas), nil
	}
	return "", nil
}

func (r *Retirement) scaleDown(ctx context.Context, operator *appsv1.Deployment) error {
	patch := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"replicas":0}}`))
	if err := r.Client.SubResource("scale").Patch(ctx, operator, patch); err != nil {
		return fmt.Errorf("scale Deployment %s: %w", r.Deployment, err)
	}
	return nil
}

// replicas are how many are wanted; Kubernetes takes none said for one.
func replicas(d *appsv1.Deployment) int32 {
	if d.Spec.Replicas == nil {
		return 1
	}
	return *d.Spec.Replicas
}

// alive are the names of pods that may run. Evicted ones stay until their Deployment goes, and do nothing.
func alive(pods *corev1.PodList) (names []string) {
	for i := range pods.Items {
		if phase := pods.Items[i].Status.Phase; phase != corev1.PodSucceeded && phase != corev1.PodFailed {
			names = append(names, pods.Items[i].Name)
		}
	}
	return names
}

// named is how many names a line has.
const named = 5

// several are names for people: the first few, and how many more there are.
func several(names []string) string {
	if len(names) <= named {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:named], ", "), len(names)-named)
}
