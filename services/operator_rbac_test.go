package services_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/api/v1alpha1"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// unseen is a right that is needed and never asked for by a request of its own: admission looks for it where an owner
// reference blocks the owner's deletion (OwnerReferencesPermissionEnforcement).
const unseen = "update theeye.dev/applications/finalizers"

// With exactly the rights of cluster mode everything works, nothing is refused, and no right is too much.
func TestRightsOfClusterMode(t *testing.T) {
	o := newOperated(t, nil, "--compare-interval=1s", "--poll-interval=1s")
	namespaces := []string{o.cluster.Namespace(t), o.cluster.Namespace(t)}
	for _, namespace := range namespaces {
		exercise(t, o, namespace)
	}
	// Where the API server cannot send a list as the beginning of a watch, the operator lists.
	older := o.options(operatorAccount)
	older.Env = []string{"KUBE_FEATURE_WatchListClient=false"}
	testenv.Start(t, older)
	judge(t, o, "role.yaml")
}

// So it is with the rights of namespaced mode in two namespaces. A third is left alone.
func TestRightsOfNamespacedMode(t *testing.T) {
	t.Parallel()
	cluster := testenv.Kubernetes(t)
	watched, third := []string{cluster.Namespace(t), cluster.Namespace(t)}, cluster.Namespace(t)
	o := newOperated(t, watched, "--compare-interval=1s", "--poll-interval=1s")
	alone := o.create(third, "web-shop", "{}")
	for _, namespace := range watched {
		exercise(t, o, namespace)
	}
	older := o.options(operatorAccount)
	older.Env = []string{"KUBE_FEATURE_WatchListClient=false"} // see TestRightsOfClusterMode
	testenv.Start(t, older)
	requests := judge(t, o, "namespaced/applications_role.yaml", "namespaced/role.yaml")
	for _, r := range requests {
		if r.Resource != "" && r.Namespace != o.home && !slices.Contains(watched, r.Namespace) && r.Name != "kube-system" {
			t.Errorf("the operator looked elsewhere: %+v", r)
		}
	}
	if err := o.k8s.Get(t.Context(), client.ObjectKeyFromObject(alone), alone); err != nil {
		t.Fatal(err)
	}
	if alone.Status.ObservedGeneration != -1 || len(alone.Finalizers) > 0 {
		t.Errorf("the application in the third namespace is %+v", alone)
	}
}

// exercise has the operator do everything that it does: issue, rotate, repair, refuse, collect, delete.
func exercise(t *testing.T, o *operated, namespace string) {
	t.Helper()
	foreign := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "foreign"}}
	if err := o.k8s.Create(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	o.create(namespace, "taken", "{credentials: {secretName: foreign}}")
	app := o.create(namespace, "web-shop", "{credentials: {rotation: {overlap: 1s}}}")
	a := o.accepted(namespace, "web-shop")
	for n := range 2 {
		o.cluster.Kubectl(t, "annotate", "eyeapp", "web-shop", "-n", namespace, "--overwrite", "theeye.dev/rotate="+strconv.Itoa(n))
		eventually(t, func() error { return o.answers(a, http.StatusUnauthorized) })
		a = o.accepted(namespace, "web-shop")
	}
	o.await(namespace, "web-shop", v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	o.await(namespace, "taken", v1alpha1.ConditionCredentialsPublished, metav1.ConditionFalse, v1alpha1.ReasonSecretTaken)
	o.haunt(namespace, app)
	eventually(t, func() error {
		reasons := o.cluster.Kubectl(t, "get", "events.events.k8s.io", "-n", namespace, "-o", "jsonpath={.items[*].reason}")
		for _, want := range []string{"CredentialsIssued", "CredentialsRotated", "CredentialRevoked", v1alpha1.ReasonSecretTaken} {
			if !slices.Contains(strings.Fields(reasons), want) {
				return fmt.Errorf("events are %s, without %s", reasons, want)
			}
		}
		if strings.Contains(reasons, "SecretUpdated") {
			t.Error("a repair is told of, and nobody has touched the Secret")
		}
		return nil
	})
	for range 2 { // of the same Application unchanged: the second event makes the first a series
		o.damage(namespace, app.SecretName())
	}
	o.delete(namespace, "web-shop")
	o.delete(namespace, "taken")
	eventually(t, func() error { return o.answers(a, http.StatusUnauthorized) })
}

// damage takes the book from a Secret, and waits until it is back.
func (o *operated) damage(namespace, secret string) {
	o.t.Helper()
	const book = `jsonpath={.metadata.annotations.theeye\.dev/credentials}`
	o.cluster.Kubectl(o.t, "annotate", "secret", secret, "-n", namespace, "theeye.dev/credentials-")
	eventually(o.t, func() error {
		if o.cluster.Kubectl(o.t, "get", "secret", secret, "-n", namespace, "-o", book) == "" {
			return errors.New("the book is not back")
		}
		return nil
	})
}

// haunt gives auth a record whose Application never was, and waits until the operator has ended it.
func (o *operated) haunt(namespace string, like *v1alpha1.Application) {
	o.t.Helper()
	var record registry.Application
	o.asOperator(http.MethodGet, o.auth.URL+"/v1/applications/"+string(like.UID), authAudience, nil, &record)
	ghost := o.auth.URL + "/v1/applications/" + uuid.NewString()
	o.asOperator(http.MethodPut, ghost, authAudience,
		registry.DesiredApplication{Namespace: namespace, Name: "ghost", Cluster: record.Cluster}, nil)
	token := "Bearer " + o.cluster.Token(o.t, o.home, operatorAccount, authAudience)
	eventually(o.t, func() error {
		if status, body := o.do(http.MethodGet, ghost, token, nil); status != http.StatusNotFound {
			return fmt.Errorf("the ghost is answered %d %s", status, body)
		}
		return nil
	})
}

// judge reads the audit log: nothing was refused, Secrets were asked for as promised, and what was asked for is what the
// roles allow, no more and no less.
func judge(t *testing.T, o *operated, roles ...string) (requests []testenv.Request) {
	t.Helper()
	var lease coordinationv1.Lease
	key := client.ObjectKey{Namespace: o.home, Name: operatorAccount}
	if err := o.k8s.Get(t.Context(), key, &lease); err != nil || lease.Spec.HolderIdentity == nil || *lease.Spec.HolderIdentity == "" {
		t.Errorf("the lease is %+v: %v", lease.Spec, err)
	}
	var allowed []string
	for _, role := range append(roles, "leader_election_role.yaml") {
		allowed = append(allowed, rights(rules(t, role))...)
	}
	slices.Sort(allowed)
	eventually(t, func() error { // events are written when there is time
		requests = o.cluster.Requests(t, testenv.Username(o.home, operatorAccount))
		used := []string{unseen}
		for _, r := range requests {
			if what := named(r.Verb, r.Group, r.Resource, r.Subresource); r.Resource != "" && !slices.Contains(used, what) {
				used = append(used, what)
			}
		}
		slices.Sort(used)
		if diff := cmp.Diff(allowed, used); diff != "" {
			return errors.New("what is allowed (-) is not what was used (+): " + diff)
		}
		return nil
	})
	for _, r := range requests {
		if r.Code == http.StatusForbidden || r.Code == http.StatusUnauthorized {
			t.Errorf("refused: %+v", r)
		}
		if r.Resource == "secrets" && (r.Verb == "list" || r.Verb == "watch") && r.LabelSelector != v1alpha1.SecretLabel {
			t.Errorf("Secrets without the label: %+v", r)
		}
		if r.Resource == "secrets" && r.Name == "foreign" && r.Verb != "get" {
			t.Errorf("a foreign Secret: %+v", r)
		}
	}
	if !slices.ContainsFunc(requests, func(r testenv.Request) bool { return r.Resource == "secrets" && r.Name == "foreign" }) {
		t.Error("the foreign Secret was never looked at: the test tests nothing")
	}
	return requests
}

// rights are rules one by one.
func rights(rules []rbacv1.PolicyRule) (all []string) {
	for _, rule := range rules {
		for _, verb := range rule.Verbs {
			for _, resource := range rule.Resources {
				all = append(all, named(verb, rule.APIGroups[0], resource, ""))
			}
		}
	}
	return all
}

func named(verb, group, resource, subresource string) string {
	name := verb + " " + group + "/" + resource
	if subresource != "" {
		name += "/" + subresource
	}
	return name
}

// Without rights the operator is not ready, and says which it lacks.
func TestOperatorWithoutRights(t *testing.T) {
	t.Parallel()
	o := newUnoperated(t)
	options := o.options("nobody", "--cluster-id=test", "--leader-elect=false")
	options.Unready = true
	o.operator = testenv.Start(t, options)
	eventually(t, func() error {
		log, err := os.ReadFile(o.operator.Log)
		if err != nil {
			return err
		}
		for _, resource := range []string{"applications.theeye.dev", "secrets"} {
			if !strings.Contains(string(log), resource+` is forbidden: User \"`+testenv.Username(o.home, "nobody")) {
				return fmt.Errorf("the log does not say that %s are forbidden", resource)
			}
		}
		return nil
	})
	if status, body := o.do(http.MethodGet, o.operator.OpsURL+"/readyz", "", nil); status != http.StatusServiceUnavailable {
		t.Errorf("/readyz answers %d %s", status, body)
	}

	options = o.options("nobody", "--ops-listen=127.0.0.1:0") // the cluster's id is the first thing that it asks for
	run := exec.CommandContext(t.Context(), testenv.Build(t, "operator")[0], options.Args...)
	output, err := run.CombinedOutput()
	if run.ProcessState.ExitCode() != 1 || !strings.Contains(string(output), "read namespace kube-system for the cluster's id") ||
		!strings.Contains(string(output), "is forbidden") {
		t.Errorf("it ended with %v:\n%s", err, output)
	}
}
