package services_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/api/v1alpha1"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// A watched namespace is deleted, and with it the operator's rights in it go first. It ends all the same, auth forgets
// its applications, and the other namespace goes on, also when the operator starts anew.
func TestWatchedNamespaceEnds(t *testing.T) {
	t.Parallel()
	cluster := testenv.Kubernetes(t)
	cluster.ControllerManager(t)
	ending, other := cluster.Namespace(t), cluster.Namespace(t)
	o := newOperated(t, []string{ending, other})
	var applications []application
	for _, name := range []string{"first", "second", "third"} {
		o.create(ending, name, "{}")
		applications = append(applications, o.accepted(ending, name))
		o.await(ending, name, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	}

	o.operator.Signal(syscall.SIGSTOP) // so that it is too late for every right that it has in the namespace alone
	cluster.Kubectl(t, "delete", "namespace", ending, "--wait=false")
	o.awaitGone(&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: ending, Name: operatorAccount}})
	o.operator.Signal(syscall.SIGCONT)
	o.awaitGone(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ending}})
	token := "Bearer " + cluster.Token(t, o.home, operatorAccount, authAudience)
	for _, a := range applications {
		if status, body := o.do(http.MethodGet, o.auth.URL+a.path(), token, nil); status != http.StatusNotFound {
			t.Errorf("auth answers %d %s for an application whose namespace is gone", status, body)
		}
		eventually(t, func() error { return o.answers(a, http.StatusUnauthorized) })
	}
	o.create(other, "meanwhile", "{}")
	o.accepted(other, "meanwhile")

	o.operator.Stop()
	o.operator.Restart()
	o.create(other, "afterwards", "{}")
	o.accepted(other, "afterwards")
	o.leavesOut(ending)
}

// So it is when the operator was away, and comes back without its rights in the namespace.
func TestNamespaceEndsWithoutTheOperator(t *testing.T) {
	t.Parallel()
	cluster := testenv.Kubernetes(t)
	cluster.ControllerManager(t)
	ending, other := cluster.Namespace(t), cluster.Namespace(t)
	o := newOperated(t, []string{ending, other})
	o.create(ending, "web-shop", "{}")
	a := o.accepted(ending, "web-shop")
	o.operator.Stop()
	cluster.Kubectl(t, "delete", "namespace", ending, "--wait=false")
	o.awaitGone(&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: ending, Name: operatorAccount}})
	o.operator.Restart()
	o.awaitGone(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ending}})
	eventually(t, func() error { return o.answers(a, http.StatusUnauthorized) })
	o.create(other, "web-shop", "{}")
	o.accepted(other, "web-shop")
	o.leavesOut(ending)
}

// A namespace without the Role of namespaced mode is left out, and keeps no other from being served.
func TestNamespaceWithoutItsRole(t *testing.T) {
	t.Parallel()
	cluster := testenv.Kubernetes(t)
	served, unserved := cluster.Namespace(t), cluster.Namespace(t)
	o := newOperated(t, []string{served}, "--namespaces="+unserved+","+served)
	o.create(served, "web-shop", "{}")
	o.accepted(served, "web-shop")
	o.leavesOut(unserved)

	options := o.options(operatorAccount, "--ops-listen=127.0.0.1:0", "--namespaces="+unserved)
	run := exec.CommandContext(t.Context(), testenv.Build(t, "operator")[0], options.Args...)
	output, err := run.CombinedOutput()
	if run.ProcessState.ExitCode() != 1 || !strings.Contains(string(output), "none of the --namespaces may be served") {
		t.Errorf("with no other namespace it ended with %v:\n%s", err, output)
	}
}

// leavesOut checks that the operator says of one namespace that it does not serve it.
func (o *operated) leavesOut(namespace string) {
	o.t.Helper()
	log, err := os.ReadFile(o.operator.Log)
	if err != nil {
		o.t.Fatal(err)
	}
	told := only(string(log), "") // all lines
	for line := range strings.Lines(told) {
		if strings.Contains(line, "namespace is not served") && strings.Contains(line, "Role theeye-operator") && strings.Contains(line, namespace) {
			told = line
		}
	}
	if !strings.Contains(told, `"level":"ERROR"`) || strings.Count(told, "\n") != 1 {
		o.t.Errorf("the log does not say that %s is not served", namespace)
	}
	const gauge = "theeye_operator_namespaces_unserved 1\n"
	if status, body := o.do(http.MethodGet, o.operator.OpsURL+"/metrics", "", nil); status != http.StatusOK || !strings.Contains(string(body), gauge) {
		o.t.Errorf("the metrics have no %s", gauge)
	}
}

// awaitGone waits until an object is no more.
func (o *operated) awaitGone(object client.Object) {
	o.t.Helper()
	eventually(o.t, func() error {
		err := o.k8s.Get(o.t.Context(), client.ObjectKeyFromObject(object), object)
		if !apierrors.IsNotFound(err) {
			return errors.Join(fmt.Errorf("%T %s is still there", object, object.GetName()), err)
		}
		return nil
	})
}

// config/rbac is installed as its header comments and README.md say it, into a cluster that has nothing of it.
func TestInstallation(t *testing.T) { // not parallel: what it takes away again are other tests' roles, too
	cluster := testenv.Kubernetes(t)
	cluster.ControllerManager(t) // a namespace has to end
	watched, other := cluster.Namespace(t), cluster.Namespace(t)
	defer cluster.Kubectl(t, "delete", "--ignore-not-found", "-f", "../config/rbac")
	for _, mode := range []struct {
		name       string
		apply      [][]string
		everywhere string
	}{
		{"cluster", [][]string{{"-f", "../config/rbac"}}, "yes"},
		{"namespaced", [][]string{
			{"-f", "../config/rbac", "-l", "theeye.dev/mode!=cluster"}, {"-n", watched, "-f", "../config/rbac/namespaced"},
		}, "no"},
	} {
		for _, args := range mode.apply {
			cluster.Kubectl(t, append([]string{"apply"}, args...)...)
		}
		for what, want := range map[string]string{
			"watch secrets -n " + watched: "yes", "watch secrets -n " + other: mode.everywhere, "list secrets -A": mode.everywhere,
			"create events.events.k8s.io -n " + watched: "yes", "create events.events.k8s.io -n " + other: mode.everywhere,
			"patch applications.theeye.dev --subresource=status -n " + other: "yes", "list applications.theeye.dev -A": "yes",
			"update leases.coordination.k8s.io/theeye-operator -n theeye-system": "yes", "update leases.coordination.k8s.io -n theeye-system": "no",
			"get namespaces/kube-system": "yes", "get namespaces/default": "no",
		} {
			eventually(t, func() error {
				args := append([]string{"auth", "can-i", "--as", testenv.Username("theeye-system", operatorAccount)}, strings.Fields(what)...)
				answer, err := cluster.TryKubectl(t, args...) // fails when the answer is no
				if strings.TrimSpace(answer) != want {
					return fmt.Errorf("in %s mode, %s is answered %s, want %s: %w", mode.name, what, answer, want, err)
				}
				return nil
			})
		}
		cluster.Kubectl(t, "delete", "-f", "../config/rbac", "-l", "theeye.dev/mode=cluster", "--ignore-not-found")
		if left := cluster.Kubectl(t, "get", "clusterrolebindings", "-o", "name"); strings.Contains(left+"\n", "/theeye-operator\n") {
			t.Errorf("cluster mode is still there: %s", left)
		}
		cluster.Kubectl(t, "delete", "-f", "../config/rbac", "--ignore-not-found") // also the namespace: the next finds nothing
	}
}
