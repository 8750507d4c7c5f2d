package services_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/theeye-dev/theeye/api/v1alpha1"
	ac "github.com/theeye-dev/theeye/api/v1alpha1/applyconfiguration/api/v1alpha1"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// namespacedFiles are what namespaced mode has in place of role.yaml and role_binding.yaml.
var namespacedFiles = []string{ //nolint:gochecknoglobals // a constant
	"namespaced/applications_role.yaml", "namespaced/applications_role_binding.yaml", "namespaced/role.yaml", "namespaced/role_binding.yaml",
}

// rules are those of a role in config/rbac.
func rules(t *testing.T, file string) []rbacv1.PolicyRule {
	t.Helper()
	text, err := os.ReadFile("../config/rbac/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var role struct{ Rules []rbacv1.PolicyRule }
	if err := yaml.Unmarshal(text, &role); err != nil {
		t.Fatal(err)
	}
	return role.Rules
}

// grant applies files of config/rbac, in which a test's namespace stands for theeye-system.
func grant(t *testing.T, namespace string, files ...string) {
	t.Helper()
	k8s := testenv.Kubernetes(t).Client(t)
	for _, file := range files {
		text, err := os.ReadFile("../config/rbac/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for document := range strings.SplitSeq(strings.ReplaceAll(string(text), "theeye-system", namespace), "\n---\n") {
			if !strings.Contains(document, "apiVersion: ") {
				continue // the comment at the top
			}
			object := parse(t, document)
			if kind := object.GetKind(); kind == "Role" || kind == "RoleBinding" {
				object.SetNamespace(namespace)
			} else if kind == "ClusterRoleBinding" { // one for every test
				object.SetName(object.GetName() + "-" + namespace)
			}
			if err := k8s.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("test")); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
		}
	}
}

// right is a question to the API server: may I?
type right struct{ verb, group, resource, subresource, namespace, name string }

// may asks for a service account.
func (r right) may(t *testing.T, k8s client.Client) bool {
	t.Helper()
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: r.verb, Group: r.group, Resource: r.resource, Subresource: r.subresource, Namespace: r.namespace, Name: r.name,
		},
	}}
	if err := k8s.Create(t.Context(), review); err != nil {
		t.Fatal(err)
	}
	return review.Status.Allowed
}

// account is a client that has no more than a service account may.
func account(t *testing.T, namespace, name string) client.Client {
	t.Helper()
	made, err := client.New(testenv.Kubernetes(t).As(t, namespace, name), client.Options{Scheme: strictly(t).Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// Both modes are the same rules, which namespaced mode has in two parts; the one for the whole cluster has no Secrets.
func TestRolesAreTheSame(t *testing.T) {
	t.Parallel()
	everywhere, inNamespaces := rules(t, "namespaced/applications_role.yaml"), rules(t, "namespaced/role.yaml")
	if diff := cmp.Diff(rules(t, "role.yaml"), slices.Concat(everywhere, inNamespaces), cmpopts.SortSlices(byResource)); diff != "" {
		t.Error(diff)
	}
	for _, rule := range everywhere {
		if system := cmp.Equal(rule.Resources, []string{"namespaces"}) && cmp.Equal(rule.ResourceNames, []string{"kube-system"}); !system &&
			!cmp.Equal(rule.APIGroups, []string{"theeye.dev"}) {
			t.Errorf("for the whole cluster: %+v", rule)
		}
	}
}

func byResource(a, b rbacv1.PolicyRule) bool {
	return fmt.Sprint(a.APIGroups, a.Resources) < fmt.Sprint(b.APIGroups, b.Resources)
}

// The operator may do its work in each mode: there, and nowhere else; that, and nothing else.
func TestOperatorRights(t *testing.T) {
	t.Parallel()
	const lease = "theeye-operator"
	for mode, files := range map[string][]string{
		"cluster": {"role.yaml", "role_binding.yaml"}, "namespaced": namespacedFiles,
	} {
		cluster := testenv.Kubernetes(t)
		namespace, other := cluster.Namespace(t), cluster.Namespace(t)
		grant(t, namespace, slices.Concat(files, []string{"service_accounts.yaml", "leader_election_role.yaml", "leader_election_role_binding.yaml"})...)
		operator := account(t, namespace, "theeye-operator")
		everywhere := mode == "cluster"
		work(t, operator, namespace)
		for right, want := range map[right]bool{
			{"get", "", "namespaces", "", "", "kube-system"}:                  true,
			{"get", "", "namespaces", "", namespace, namespace}:               false,
			{"list", "", "namespaces", "", "", ""}:                            false,
			{"list", "", "secrets", "", "", ""}:                               everywhere,
			{"get", "", "secrets", "", other, "a"}:                            everywhere,
			{"watch", "theeye.dev", "applications", "", other, ""}:            true,
			{"watch", "", "secrets", "", namespace, ""}:                       true,
			{"create", "events.k8s.io", "events", "", other, ""}:              everywhere,
			{"delete", "", "secrets", "", namespace, "a"}:                     true,
			{"patch", "events.k8s.io", "events", "", namespace, "a"}:          true,
			{"update", "theeye.dev", "applications", "finalizers", other, ""}: true,
			{"update", "", "secrets", "", namespace, "a"}:                     false,
			{"deletecollection", "", "secrets", "", namespace, ""}:            false,
			{"create", "theeye.dev", "applications", "", namespace, ""}:       false,
			{"delete", "theeye.dev", "applications", "", namespace, "a"}:      false,
			{"update", "theeye.dev", "applications", "", namespace, "a"}:      false,
			{"get", "", "configmaps", "", namespace, "a"}:                     false,
			{"get", "", "pods", "", namespace, "a"}:                           false,
			{"update", "coordination.k8s.io", "leases", "", namespace, lease}: true,
			{"get", "coordination.k8s.io", "leases", "", namespace, lease}:    true,
			{"create", "coordination.k8s.io", "leases", "", namespace, ""}:    true,
			{"update", "coordination.k8s.io", "leases", "", namespace, "a"}:   false, // another installation's
			{"get", "coordination.k8s.io", "leases", "", namespace, "a"}:      false,
			{"update", "coordination.k8s.io", "leases", "", other, lease}:     false,
			{"create", "authentication.k8s.io", "tokenreviews", "", "", ""}:   false,
			{"escalate", rbacv1.GroupName, "clusterroles", "", "", "a"}:       false,
		} {
			if got := right.may(t, operator); got != want {
				t.Errorf("%s mode: %+v is allowed: %t", mode, right, got)
			}
		}
	}
}

// work does what the operator does, by server-side apply: finalizer, owned Secret, status.
func work(t *testing.T, operator client.Client, namespace string) {
	t.Helper()
	app := typed(t, withSpec(t, namespace, "web-shop", "{}"))
	if err := strictly(t).Create(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	owner := client.FieldOwner("theeye-operator")
	finalizer := ac.Application(app.Name, namespace).WithFinalizers(v1alpha1.Finalizer)
	if err := operator.Apply(t.Context(), finalizer, owner); err != nil {
		t.Error(fmt.Errorf("apply finalizer: %w", err))
	}
	yes := true
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: app.SecretName(), OwnerReferences: []metav1.OwnerReference{{
		APIVersion: v1alpha1.GroupVersion, Kind: v1alpha1.Kind, Name: app.Name, UID: app.UID, Controller: &yes, BlockOwnerDeletion: &yes,
	}}}}
	if err := operator.Create(t.Context(), secret); err != nil {
		t.Error(fmt.Errorf("create secret: %w", err))
	}
	status := ac.Application(app.Name, namespace).WithStatus(ac.ApplicationStatus().WithObservedGeneration(1).WithClientID(app.ClientID()))
	if err := operator.Status().Apply(t.Context(), status, owner); err != nil {
		t.Error(fmt.Errorf("apply status: %w", err))
	}
	if err := operator.Get(t.Context(), client.ObjectKeyFromObject(app), app); err != nil || app.Status.ObservedGeneration != 1 || len(app.Finalizers) != 1 {
		t.Errorf("the application is %+v: %v", app, err)
	}
	if err := operator.Delete(t.Context(), secret); err != nil {
		t.Error(fmt.Errorf("delete secret: %w", err))
	}
}

// auth and persistence may have tokens reviewed, persistence may ask what their owners may, and bindings of Service Binding may read Applications.
func TestOtherRights(t *testing.T) {
	t.Parallel()
	namespace := testenv.Kubernetes(t).Namespace(t)
	grant(t, namespace, "service_accounts.yaml", "token_review_role.yaml", "token_review_role_binding.yaml",
		"access_review_role.yaml", "access_review_role_binding.yaml", "servicebinding_role.yaml")
	for _, service := range []string{"theeye-auth", "theeye-persistence"} {
		k8s := account(t, namespace, service)
		if !(right{"create", "authentication.k8s.io", "tokenreviews", "", "", ""}).may(t, k8s) {
			t.Errorf("%s may not review tokens", service)
		}
		asks := right{"create", "authorization.k8s.io", "subjectaccessreviews", "", "", ""}
		if got := asks.may(t, k8s); got != (service == "theeye-persistence") {
			t.Errorf("%s may review access: %t", service, got)
		}
		for _, r := range []right{
			{"get", "", "secrets", "", namespace, "a"},
			{"get", "theeye.dev", "applications", "", namespace, "a"},
			{"list", "theeye.dev", "applications", "events", namespace, ""},
		} {
			if r.may(t, k8s) {
				t.Errorf("%s may %+v", service, r)
			}
		}
	}
	want := []rbacv1.PolicyRule{{APIGroups: []string{"theeye.dev"}, Resources: []string{"applications"}, Verbs: []string{"get", "list", "watch"}}}
	roles := new(rbacv1.ClusterRoleList)
	if err := strictly(t).List(t.Context(), roles, client.MatchingLabels{"servicebinding.io/controller": "true"}); err != nil {
		t.Fatal(err)
	}
	if len(roles.Items) != 1 || !cmp.Equal(want, roles.Items[0].Rules) {
		t.Errorf("roles for bindings: %+v", roles.Items)
	}
}
