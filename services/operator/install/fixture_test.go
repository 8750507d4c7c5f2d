package install

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/yaml"

	"github.com/theeye-dev/theeye/api/v1alpha1"
	"github.com/theeye-dev/theeye/services/internal/testenv"
	"github.com/theeye-dev/theeye/services/operator"
)

// patience bounds every wait; a loaded machine under the race detector is slow, and a wait that ends late passes.
const patience = 60 * time.Second

// world is an API server on which an errand has the rights that the chart gives it, and no other.
type world struct {
	t       *testing.T
	cluster *testenv.Cluster
	admin   client.Client
	home    string // the release's namespace
	lines   *lines // what errands print
	allowed []string
}

const account = "errand"

// quiet keeps controller-runtime from complaining that nobody takes its logs.
var quiet = sync.OnceFunc(func() { ctrl.SetLogger(logr.Discard()) }) //nolint:gochecknoglobals // its logger is global

func newWorld(t *testing.T) *world {
	t.Helper()
	quiet()
	cluster := testenv.Kubernetes(t)
	w := &world{
		t: t, cluster: cluster, admin: cluster.Client(t, v1alpha1.AddToScheme), home: cluster.Namespace(t),
		lines: &lines{changed: make(chan struct{})},
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("it printed:\n%s", w.lines)
		}
	})
	return w
}

func (w *world) progress() *Progress { return NewProgress(w.lines, time.Now) }

// rules are those of a file in charts/theeye/files/rbac, with a name filled in as the chart's templates do.
func (w *world) rules(file, name string) (rules []rbacv1.PolicyRule) {
	w.t.Helper()
	text, err := os.ReadFile("../../../charts/theeye/files/rbac/" + file)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict([]byte(strings.ReplaceAll(string(text), "NAME", name)), &rules); err != nil {
		w.t.Fatal(err)
	}
	return rules
}

// grant gives the errand the rules of a file: in one namespace, or everywhere (""). It returns when they are in force.
func (w *world) grant(namespace, file, name string) {
	w.t.Helper()
	rules := w.rules(file, name)
	meta := metav1.ObjectMeta{Namespace: namespace, Name: w.home + "-" + strings.TrimSuffix(file, ".yaml")}
	subjects := []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: w.home, Name: account}}
	ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name}
	objects := []client.Object{
		&rbacv1.Role{ObjectMeta: meta, Rules: rules}, &rbacv1.RoleBinding{ObjectMeta: meta, Subjects: subjects, RoleRef: ref},
	}
	if namespace == "" {
		ref.Kind = "ClusterRole"
		objects = []client.Object{
			&rbacv1.ClusterRole{ObjectMeta: meta, Rules: rules}, &rbacv1.ClusterRoleBinding{ObjectMeta: meta, Subjects: subjects, RoleRef: ref},
		}
	}
	for _, object := range objects {
		w.create(object)
	}
	for _, rule := range rules {
		for _, verb := range rule.Verbs {
			w.allowed = append(w.allowed, rightTo(verb, rule.APIGroups[0], rule.Resources[0]))
			w.awaitRight(namespace, verb, rule)
		}
	}
}

// awaitRight waits until the API server's authorizer has heard of a rule.
func (w *world) awaitRight(namespace, verb string, rule rbacv1.PolicyRule) {
	w.t.Helper()
	resource, subresource, _ := strings.Cut(rule.Resources[0], "/")
	what := &authorizationv1.ResourceAttributes{
		Namespace: namespace, Verb: verb, Group: rule.APIGroups[0], Resource: resource, Subresource: subresource,
	}
	if len(rule.ResourceNames) > 0 {
		what.Name = rule.ResourceNames[0]
	}
	w.eventually(func() error {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: testenv.Username(w.home, account), ResourceAttributes: what,
		}}
		if err := w.admin.Create(w.t.Context(), review); err != nil {
			return err
		}
		if !review.Status.Allowed {
			return fmt.Errorf("the errand may not %+v", what)
		}
		return nil
	})
}

func rightTo(verb, group, resource string) string { return verb + " " + group + "/" + resource }

// client acts as the errand. Functions may be put around its requests.
func (w *world) client(around ...interceptor.Funcs) client.Client {
	w.t.Helper()
	scheme, err := operator.Scheme()
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := client.NewWithWatch(w.cluster.As(w.t, w.home, account), client.Options{Scheme: scheme})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range around {
		c = interceptor.NewClient(c, f)
	}
	return c
}

// judge reads the audit log: nothing was refused, and what was asked for is what is allowed, no more and no less.
func (w *world) judge() {
	w.t.Helper()
	var used []string
	for _, r := range w.cluster.Requests(w.t, testenv.Username(w.home, account)) {
		if r.Code == http.StatusForbidden || r.Code == http.StatusUnauthorized {
			w.t.Errorf("refused: %+v", r)
		}
		if r.Resource == "" {
			continue // the API's description
		}
		resource := strings.TrimSuffix(r.Resource+"/"+r.Subresource, "/")
		used = append(used, rightTo(r.Verb, r.Group, resource))
		if r.Verb == "patch" && r.Code == http.StatusCreated { // an apply that creates is authorised as both
			used = append(used, rightTo("create", r.Group, resource))
		}
	}
	slices.Sort(used)
	slices.Sort(w.allowed)
	if diff := cmp.Diff(slices.Compact(w.allowed), slices.Compact(used)); diff != "" {
		w.t.Errorf("what is allowed (-) is not what was used (+): %s", diff)
	}
}

func (w *world) create(object client.Object) {
	w.t.Helper()
	if err := w.admin.Create(w.t.Context(), object); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) get(object client.Object) error {
	return w.admin.Get(w.t.Context(), client.ObjectKeyFromObject(object), object)
}

// withoutTheType takes TheEye's CRD away, with all Applications; the function that it returns brings it back.
func (w *world) withoutTheType() (restore func()) {
	w.t.Helper()
	w.cluster.Kubectl(w.t, "delete", "crd", "applications.theeye.dev", "--wait=false")
	w.eventually(func() error { // finalizers of other tests keep it from going
		if err := w.admin.List(w.t.Context(), &v1alpha1.ApplicationList{}); err == nil {
			return errors.Join(errors.New("the type is still there"), w.strip())
		}
		return nil
	})
	return func() {
		w.cluster.Kubectl(w.t, "apply", "--server-side", "-f", "../../../config/crd")
		w.cluster.Kubectl(w.t, "wait", "--for=condition=Established", "--timeout=60s", "crd/applications.theeye.dev")
	}
}

// strip takes every finalizer off every Application.
func (w *world) strip() error {
	list := &v1alpha1.ApplicationList{}
	if err := w.admin.List(w.t.Context(), list); err != nil {
		return err
	}
	for i := range list.Items {
		patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))
		if err := client.IgnoreNotFound(w.admin.Patch(w.t.Context(), &list.Items[i], patch)); err != nil {
			return fmt.Errorf("strip: %w", err)
		}
	}
	return nil
}

// eventually repeats a check until it succeeds.
func (w *world) eventually(check func() error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			w.t.Fatal(err)
		case <-retry.C:
		}
	}
}
