package install

import (
	"context"
	"errors"
	"fmt"
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

const (
	deploymentName = "theeye-operator"
	// foreignFinalizer is somebody else's.
	foreignFinalizer = "example.com/theirs"
	// never is a time-out that no test waits for.
	never = time.Hour
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

// The whole order: what is deleted goes by the operator, then the operator goes, then its finalizer. A second run finds
// nothing to do.
func TestRetirement(t *testing.T) {
	t.Parallel()
	r := newRetiring(t)
	r.deploy(2, "operator-a", "operator-b", "evicted-operator", "auth-a")
	first := r.apply(r.spaces[0], "first", v1alpha1.Finalizer)
	second := r.apply(r.spaces[1], "second", foreignFinalizer, v1alpha1.Finalizer)
	unseen := r.apply(r.spaces[1], "never-reconciled")
	going := r.apply(r.spaces[1], "going", v1alpha1.Finalizer)
	theirs := r.apply(r.spaces[0], "theirs", foreignFinalizer)
	elsewhere := r.apply(r.cluster.Namespace(t), "elsewhere", v1alpha1.Finalizer)
	r.delete(going)
	r.delete(theirs) // nothing that the operator could end
	r.holdLease("")

	run := r.begin(patience)
	r.lines.await(t, "waiting for the operator to finish with deleted Applications: "+r.spaces[1]+"/going\n")
	if n := r.wants(); n != 2 {
		t.Errorf("the Deployment has %d replicas while the operator is needed", n)
	}
	r.finish(going)
	r.lines.await(t, "scaled Deployment "+r.home+"/"+deploymentName+" from 2 to 0")
	r.lines.await(t, "waiting for the Deployment controller")
	r.control(2)
	r.lines.await(t, "waiting for the end of the operator's pods: operator-a, operator-b\n")
	r.has(first, v1alpha1.Finalizer)
	r.cluster.Kubectl(t, "scale", "deployment", deploymentName, "-n", r.home, "--replicas=1") // by somebody who keeps things as they were
	r.lines.await(t, "from 1 to 0")
	r.control(1)
	r.removePod("operator-a")
	r.lines.await(t, "pods: operator-b\n")
	r.has(first, v1alpha1.Finalizer)
	r.removePod("operator-b")
	r.lines.await(t, "waiting for the end of 1 pods")
	r.control(0)
	if err := run.end(); err != nil {
		t.Fatal(err)
	}
	r.lines.await(t, "the operator has stopped")
	r.lines.await(t, "took the finalizer off 2 Applications")
	r.has(first)
	r.has(second, foreignFinalizer)
	r.has(unseen)
	r.has(theirs, foreignFinalizer)
	r.has(elsewhere, v1alpha1.Finalizer)
	r.gone(going)
	if l := r.lease(); l != nil {
		t.Errorf("the lease is still there: %+v", l)
	}
	if err := r.run(t.Context(), never); err != nil {
		t.Fatal(err)
	}
	r.lines.await(t, "took the finalizer off 0 Applications")
	r.judge()
}

// Whatever does not come in time is named, and let go.
func TestRetirementInVain(t *testing.T) {
	t.Parallel()
	r := newRetiring(t)
	r.deploy(1, "operator-a")
	live, stuck := r.apply(r.spaces[0], "live", v1alpha1.Finalizer), r.apply(r.spaces[1], "stuck", v1alpha1.Finalizer)
	r.delete(stuck)
	if err := r.run(t.Context(), time.Second); err != nil {
		t.Fatal(err)
	}
	r.lines.await(t, "in vain for the operator to finish with deleted Applications: "+r.spaces[1]+"/stuck: going on without")
	r.lines.await(t, "in vain for the Deployment controller to scale "+r.home+"/"+deploymentName+" down: going on without")
	r.lines.await(t, "letting go of deleted Applications that the operator has not finished with: "+r.spaces[1]+"/stuck;")
	if strings.Contains(r.lines.String(), "has stopped") {
		t.Error("the operator is said to have stopped")
	}
	if n := r.wants(); n != 0 {
		t.Errorf("the Deployment has %d replicas", n)
	}
	r.has(live)
	r.gone(stuck)
}

// An operator that is not there is not waited for: gone with its Deployment, or scaled down before.
func TestRetirementWithoutOperator(t *testing.T) {
	t.Parallel()
	for name, deploy := range map[string]func(*retiring){
		"gone already": func(*retiring) {}, "scaled down": func(r *retiring) { r.deploy(0) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRetiring(t)
			deploy(r)
			live, going := r.apply(r.spaces[0], "live", v1alpha1.Finalizer), r.apply(r.spaces[1], "going", v1alpha1.Finalizer)
			r.delete(going)
			if err := r.begin(never).end(); err != nil {
				t.Fatal(err)
			}
			r.has(live)
			r.gone(going)
			if told := strings.Contains(r.lines.String(), "is gone already"); told != (name == "gone already") {
				t.Error("it does not say what has become of the operator")
			}
		})
	}
}

// Without a namespace named, Applications of all namespaces are let go. Not parallel: they are other tests', too.
func TestRetirementOfTheCluster(t *testing.T) {
	r := newRetiring(t)
	r.spaces = nil
	r.grant("", "retire-applications.yaml", "")
	apps := []*v1alpha1.Application{
		r.apply(r.cluster.Namespace(t), "here", v1alpha1.Finalizer), r.apply(r.cluster.Namespace(t), "there", v1alpha1.Finalizer),
	}
	if err := r.run(t.Context(), never); err != nil {
		t.Fatal(err)
	}
	for _, app := range apps {
		r.has(app)
	}
}

// Without the type there are no Applications, and the operator is ended all the same. Not parallel: the other tests need
// the type.
func TestRetirementWithoutTheType(t *testing.T) {
	r := newRetiring(t)
	r.deploy(1)
	defer func() {
		r.cluster.Kubectl(t, "apply", "--server-side", "-f", "../../../config/crd")
		r.cluster.Kubectl(t, "wait", "--for=condition=Established", "--timeout=60s", "crd/applications.theeye.dev")
	}()
	r.cluster.Kubectl(t, "delete", "crd", "applications.theeye.dev", "--wait=false")
	r.eventually(func() error { // finalizers of other tests keep the type from going
		err := r.admin.List(t.Context(), &v1alpha1.ApplicationList{})
		if err == nil {
			err = r.strip()
			return errors.Join(errors.New("the type is still there"), err)
		}
		return nil
	})
	run := r.begin(patience)
	r.lines.await(t, "from 1 to 0")
	r.control(0)
	if err := run.end(); err != nil {
		t.Fatal(err)
	}
}

// strip takes every finalizer off every Application.
func (r *retiring) strip() error {
	list := &v1alpha1.ApplicationList{}
	if err := r.admin.List(r.t.Context(), list); err != nil {
		return err
	}
	for i := range list.Items {
		patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))
		if err := client.IgnoreNotFound(r.admin.Patch(r.t.Context(), &list.Items[i], patch)); err != nil {
			return fmt.Errorf("strip: %w", err)
		}
	}
	return nil
}

// Who is told to stop stops, and lets nobody go in a hurry.
func TestRetirementInterrupted(t *testing.T) {
	t.Parallel()
	r := newRetiring(t)
	r.deploy(1, "operator-a")
	live := r.apply(r.spaces[0], "live", v1alpha1.Finalizer)
	ctx, cancel := context.WithCancel(t.Context())
	run := r.start(func(context.Context) error { return r.run(ctx, never) })
	r.lines.await(t, "waiting for the Deployment controller")
	cancel()
	if err := run.end(); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "waiting for the Deployment controller") {
		t.Errorf("it ended with %v", err)
	}
	r.has(live, v1alpha1.Finalizer)
}
