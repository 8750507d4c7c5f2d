package services_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/api/v1alpha1"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

const (
	trial         = "theeye-try"
	testAccount   = "theeye-test"
	retireAccount = "theeye-retire"
)

// try starts a trial in a namespace.
func (o *operated) try(namespace string, args ...string) *errand {
	o.t.Helper()
	return o.errand(testAccount, append([]string{
		"try", "--name=" + trial, "--namespace=" + namespace, "--ingest-url=" + o.ingest.URL, "--persistence-url=" + o.persistence.URL,
		"--auth-url=" + o.auth.URL,
	}, args...)...)
}

// helm test: an installation that works is found to work, again and again, also after a trial that was cut off; one that
// does not work is found out. Nothing of a trial stays anywhere.
func TestTryFromApplicationToQuery(t *testing.T) {
	t.Parallel()
	cluster := testenv.Kubernetes(t)
	cluster.ControllerManager(t) // the Secret goes with its Application
	namespace := cluster.Namespace(t)
	o := newOperated(t, []string{namespace})
	o.grantErrand(testAccount, namespace, "try.yaml", trial)

	said := o.try(namespace).end(0, "ok: persistence gives back exactly this event", "ok: the same event sent again is stored once",
		"ok: auth gives an access token for them, and it opens both doors", "ok: a wrong key is refused", "ok: the Application and its events are gone", "TheEye works: all in")
	t.Logf("the trial said:\n%s", said)
	o.untried(namespace)

	o.persistence.Signal(syscall.SIGSTOP)
	cut := o.try(namespace)
	cut.await("ok: ingest accepts an event with them")
	cut.kill()
	o.persistence.Signal(syscall.SIGCONT)
	o.try(namespace).end(0, "deleting the Application that a trial left", "TheEye works")
	o.untried(namespace)

	o.try(namespace, "--persistence-url=http://127.0.0.1:1", "--timeout=10s").end(1,
		"operator try: not seen: persistence gives back exactly this event: waited", "connection refused")
	o.untried(namespace)
	for _, r := range cluster.Requests(t, testenv.Username(o.home, testAccount)) {
		if r.Code == http.StatusForbidden {
			t.Errorf("refused: %+v", r)
		}
	}
}

// untried checks that nothing of a trial is left.
func (o *operated) untried(namespace string) {
	o.t.Helper()
	o.awaitGone(&v1alpha1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: trial}})
	o.awaitGone(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: trial + "-theeye"}})
	for _, table := range []string{"persistence.events", "persistence.sessions", "persistence.failures", "auth.credentials"} {
		if n := o.count("SELECT count(*) FROM " + table); n != 0 {
			o.t.Errorf("%s has %d rows", table, n)
		}
	}
}

// The chart's pre-delete hook with an operator at work: it ends what it began, then it ends. Applications stay, with
// credentials that work, and an operator that comes later has them under their client ids.
func TestRetireTheOperator(t *testing.T) {
	t.Parallel()
	cluster := testenv.Kubernetes(t)
	cluster.ControllerManager(t)
	namespace := cluster.Namespace(t)
	o := newOperated(t, []string{namespace})
	o.grantErrand(retireAccount, o.home, "retire.yaml", operatorAccount)
	o.grantErrand(retireAccount, "", "retire-applications.yaml", "")
	o.deploy(1)
	o.create(namespace, "stays", "{}")
	o.create(namespace, "goes", "{deletionPolicy: Erase}")
	stays, goes := o.accepted(namespace, "stays"), o.accepted(namespace, "goes")

	o.auth.Signal(syscall.SIGSTOP) // so that a deletion takes its time
	o.cluster.Kubectl(t, "delete", "eyeapp", "goes", "-n", namespace, "--wait=false")
	retire := func() *errand {
		return o.errand(retireAccount, "retire", "--deployment="+operatorAccount, "--namespace="+o.home, "--namespaces="+namespace)
	}
	run := retire()
	run.await("waiting for the operator to finish with deleted Applications: " + namespace + "/goes")
	o.auth.Signal(syscall.SIGCONT)
	run.await("scaled Deployment " + o.home + "/" + operatorAccount + " from 1 to 0")
	o.awaitGone(&v1alpha1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "goes"}})
	if err := o.answers(goes, http.StatusUnauthorized); err != nil {
		t.Error(err)
	}
	o.operator.Stop() // as the kubelet does
	o.deployed(0)
	said := run.end(0, "the operator has stopped", "took the finalizer off 1 Applications", "deleted Lease theeye-operator")
	t.Logf("it said:\n%s", said)

	app := o.await(namespace, "stays", v1alpha1.ConditionReady, metav1.ConditionTrue, "")
	if len(app.Finalizers) > 0 {
		t.Errorf("it has the finalizers %v", app.Finalizers)
	}
	if err := o.answers(stays, http.StatusAccepted); err != nil {
		t.Error(err)
	}
	o.awaitGone(&coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: o.home, Name: operatorAccount}})
	retire().end(0, "took the finalizer off 0 Applications")

	o.operator.Restart()
	eventually(t, func() error { // without its finalizer a deletion would not wait for it
		if err := o.k8s.Get(t.Context(), client.ObjectKeyFromObject(app), app); err != nil {
			return err
		}
		if !slices.Contains(app.Finalizers, v1alpha1.Finalizer) {
			return errors.New("the operator has not taken it up again")
		}
		return nil
	})
	if again := o.accepted(namespace, "stays"); again != stays {
		t.Errorf("it comes back as %s with another key or id", again.clientID)
	}
	o.delete(namespace, "stays")
	eventually(t, func() error { return o.answers(stays, http.StatusUnauthorized) })
}

// deploy makes the Deployment whose pod the operator's process stands for.
func (o *operated) deploy(replicas int32) {
	o.t.Helper()
	labels := map[string]string{"app.kubernetes.io/component": "operator"}
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: o.home, Name: operatorAccount},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "operator", Image: "operator"}}},
			},
		},
	}
	if err := o.k8s.Create(o.t.Context(), d); err != nil {
		o.t.Fatal(err)
	}
	o.deployed(replicas)
}

// deployed writes the Deployment's status as its controller does.
func (o *operated) deployed(pods int32) {
	o.t.Helper()
	d := &appsv1.Deployment{}
	eventually(o.t, func() error {
		if err := o.k8s.Get(o.t.Context(), client.ObjectKey{Namespace: o.home, Name: operatorAccount}, d); err != nil {
			return err
		}
		d.Status = appsv1.DeploymentStatus{ObservedGeneration: d.Generation, Replicas: pods}
		return o.k8s.Status().Update(o.t.Context(), d)
	})
}

// What the binary says of its subcommands, and how it ends.
func TestErrandsExplainThemselves(t *testing.T) {
	t.Parallel()
	o := &operated{cluster: testenv.Kubernetes(t), system: &system{t: t}}
	o.k8s = o.cluster.Client(t, v1alpha1.AddToScheme)
	o.home = o.cluster.Namespace(t)
	o.errand("nobody", "passwords", "--secret=passwords", "--namespace="+o.home).end(1, "operator passwords: read Secret "+o.home+"/passwords", "forbidden")
	o.errand("nobody", "retire", "--deployment=operator", "--namespace="+o.home).end(1, "operator retire: read Deployment "+o.home+"/operator", "forbidden")
	o.errand("nobody", "try", "--namespace="+o.home, "--timeout=2s").end(1, "operator try: not seen: no earlier trial is in the way", "forbidden")
	o.grantErrand("passwords", o.home, "passwords.yaml", "passwords")
	made := o.errand("passwords", "passwords", "--secret=passwords", "--namespace="+o.home, "--label=a/b=c", "--label=d=e")
	if said := made.end(0, "made Secret "+o.home+"/passwords with redis-admin, redis-auth"); strings.Count(said, "\n") != 1 {
		t.Errorf("it said:\n%s", said)
	}
	if labels := o.cluster.Kubectl(t, "get", "secret", "passwords", "-n", o.home, "-o", "jsonpath={.metadata.labels}"); labels != `{"a/b":"c","d":"e"}` {
		t.Errorf("it has the labels %s", labels)
	}
}
