package install

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/api/v1alpha1"
)

const (
	// deploymentName is a release's own, and so is that of its lease.
	deploymentName = "blue-theeye-operator"
	// foreignFinalizer is somebody else's.
	foreignFinalizer = "example.com/theirs"
	// never is a time-out that no test waits for.
	never = time.Hour
)

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
	defer r.withoutTheType()()
	run := r.begin(patience)
	r.lines.await(t, "from 1 to 0")
	r.control(0)
	if err := run.end(); err != nil {
		t.Fatal(err)
	}
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
