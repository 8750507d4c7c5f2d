package install

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// retiring has a Deployment of the operator, which the test controls, and Applications in two namespaces.
type retiring struct {
	*world
	spaces     []string
	deployment *appsv1.Deployment
}

func newRetiring(t *testing.T) *retiring {
	t.Helper()
	w := newWorld(t)
	r := &retiring{world: w, spaces: []string{w.cluster.Namespace(t), w.cluster.Namespace(t)}}
	w.grant(w.home, "retire.yaml", deploymentName)
	for _, space := range r.spaces {
		w.grant(space, "retire-applications.yaml", "")
	}
	return r
}

// deploy makes the operator's Deployment, with pods as its controller would make them, beside others.
func (r *retiring) deploy(replicas int32, pods ...string) {
	r.t.Helper()
	labels := map[string]string{"app.kubernetes.io/name": "theeye", "app.kubernetes.io/component": "operator"}
	template := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "operator", Image: "operator"}}},
	}
	r.deployment = &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: r.home, Name: deploymentName},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Template: template,
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app.kubernetes.io/name": "theeye"}, MatchExpressions: []metav1.LabelSelectorRequirement{
				{Key: "app.kubernetes.io/component", Operator: metav1.LabelSelectorOpIn, Values: []string{"operator"}},
			}},
		},
	}
	r.create(r.deployment)
	r.cluster.ServiceAccount(r.t, r.home, "default")
	for _, name := range pods {
		pod := &corev1.Pod{ObjectMeta: *template.ObjectMeta.DeepCopy(), Spec: template.Spec}
		pod.Namespace, pod.Name = r.home, name
		if strings.HasPrefix(name, "auth-") {
			pod.Labels["app.kubernetes.io/component"] = "auth"
		}
		r.create(pod)
		if strings.HasPrefix(name, "evicted-") {
			pod.Status.Phase = corev1.PodFailed
			if err := r.admin.Status().Update(r.t.Context(), pod); err != nil {
				r.t.Fatal(err)
			}
		}
	}
	r.control(replicas)
}

// control is what the Deployment's controller does: it has seen the newest spec, and so many pods are there.
func (r *retiring) control(pods int32) {
	r.t.Helper()
	r.eventually(func() error {
		if err := r.get(r.deployment); err != nil {
			return err
		}
		r.deployment.Status = appsv1.DeploymentStatus{ObservedGeneration: r.deployment.Generation, Replicas: pods}
		return r.admin.Status().Update(r.t.Context(), r.deployment)
	})
}

// removePod is what the kubelet does when a pod has ended.
func (r *retiring) removePod(name string) {
	r.t.Helper()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: r.home, Name: name}}
	if err := r.admin.Delete(r.t.Context(), pod, client.GracePeriodSeconds(0)); err != nil {
		r.t.Fatal(err)
	}
}

// wants is how many replicas the Deployment has in its spec.
func (r *retiring) wants() int32 {
	r.t.Helper()
	if err := r.get(r.deployment); err != nil {
		r.t.Fatal(err)
	}
	return *r.deployment.Spec.Replicas
}

// apply makes an Application with finalizers.
func (r *retiring) apply(namespace, name string, finalizers ...string) *v1alpha1.Application {
	r.t.Helper()
	app := &v1alpha1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Finalizers: finalizers}}
	r.create(app)
	return app
}

func (r *retiring) delete(app *v1alpha1.Application) {
	r.t.Helper()
	if err := r.admin.Delete(r.t.Context(), app); err != nil {
		r.t.Fatal(err)
	}
}

// finish lets go of a deleted Application, as the operator does when it has revoked and erased.
func (r *retiring) finish(app *v1alpha1.Application) {
	r.t.Helper()
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))
	if err := r.admin.Patch(r.t.Context(), app, patch); err != nil {
		r.t.Fatal(err)
	}
}

// has checks which finalizers an Application has.
func (r *retiring) has(app *v1alpha1.Application, want ...string) {
	r.t.Helper()
	if err := r.get(app); err != nil || !slices.Equal(app.Finalizers, want) {
		r.t.Errorf("%s has finalizers %v, want %v: %v", app.Name, app.Finalizers, want, err)
	}
}

func (r *retiring) gone(app *v1alpha1.Application) {
	r.t.Helper()
	if err := r.get(app); !apierrors.IsNotFound(err) {
		r.t.Errorf("%s is still there: %v", app.Name, err)
	}
}

// run retires with a time-out.
func (r *retiring) run(ctx context.Context, timeout time.Duration, around ...interceptor.Funcs) error {
	retirement := &Retirement{
		Client: r.client(around...), Deployment: client.ObjectKey{Namespace: r.home, Name: deploymentName},
		Namespaces: r.spaces, Timeout: timeout, Progress: r.progress(),
	}
	return retirement.Run(ctx)
}

func (r *retiring) begin(timeout time.Duration) *running {
	r.t.Helper()
	return r.start(func(ctx context.Context) error { return r.run(ctx, timeout) })
}
