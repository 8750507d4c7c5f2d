package testenv_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/services/internal/testenv"
)

func TestDeletionIsReal(t *testing.T) {
	t.Parallel()
	cluster := testenv.Kubernetes(t)
	cluster.ControllerManager(t)
	admin, namespace := cluster.Client(t), cluster.Namespace(t)
	owner := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "owner"}}
	create(t, admin, owner)
	owned := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: "owned",
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: owner.Name, UID: owner.UID}},
	}}
	create(t, admin, owned)
	if err := admin.Delete(t.Context(), owner); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error { return gone(ctx, admin, owned) })

	left := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "left"}}
	create(t, admin, left)
	home := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	if err := admin.Delete(t.Context(), home); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error { return gone(ctx, admin, home) })
	if err := gone(t.Context(), admin, left); err != nil {
		t.Error(err)
	}
}

func gone(ctx context.Context, reader client.Reader, object client.Object) error {
	err := reader.Get(ctx, client.ObjectKeyFromObject(object), object)
	if apierrors.IsNotFound(err) {
		return nil
	}
	return fmt.Errorf("%T %s is still there (%w)", object, object.GetName(), err)
}

func TestRequestsAreKnown(t *testing.T) {
	t.Parallel()
	cluster := testenv.Kubernetes(t)
	namespace := cluster.Namespace(t)
	c, err := client.NewWithWatch(cluster.As(t, namespace, "asker"), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	in := client.InNamespace(namespace)
	if err := c.List(t.Context(), &corev1.SecretList{}, in, client.MatchingLabels{"a": "b"}); !apierrors.IsForbidden(err) {
		t.Errorf("the list answers %v, want forbidden", err)
	}
	cluster.Kubectl(t, "create", "role", "watcher", "--namespace="+namespace, "--verb=watch,get", "--resource=configmaps")
	cluster.Kubectl(t, "create", "rolebinding", "watcher", "--namespace="+namespace, "--role=watcher",
		"--serviceaccount="+namespace+":asker")
	settings := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "settings"}}
	eventually(t, func(ctx context.Context) error { return gone(ctx, c, settings) }) // until the role is known
	watch, err := c.Watch(t.Context(), &corev1.ConfigMapList{}, in)
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()

	var got []testenv.Request
	for _, request := range cluster.Requests(t, testenv.Username(namespace, "asker")) {
		if request.Resource != "" && (request.Verb != "get" || request.Code == 404) {
			got = append(got, request)
		}
	}
	want := []testenv.Request{
		{Verb: "list", Resource: "secrets", Namespace: namespace, LabelSelector: "a=b", Code: 403},
		{Verb: "get", Resource: "configmaps", Namespace: namespace, Name: "settings", Code: 404},
		{Verb: "watch", Resource: "configmaps", Namespace: namespace, Code: 200},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(testenv.Request{}, "URI")); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestKubectlActsAsWhomItIsTold(t *testing.T) {
	t.Parallel()
	cluster := testenv.Kubernetes(t)
	namespace := cluster.Namespace(t)
	if got := cluster.Kubectl(t, "auth", "whoami", "--output=jsonpath={.status.userInfo.groups}"); !strings.Contains(got, "system:masters") {
		t.Errorf("by itself kubectl has the groups %s", got)
	}
	if got := cluster.Kubectl(t, "version"); !strings.Contains(got, "Server Version: v1.") {
		t.Errorf("the version is %s", got)
	}
	kubeconfig := "--kubeconfig=" + cluster.Kubeconfig(t, cluster.As(t, namespace, "nobody"))
	if _, err := cluster.TryKubectl(t, kubeconfig, "get", "secrets"); err == nil ||
		!strings.Contains(err.Error(), testenv.Username(namespace, "nobody")) {
		t.Errorf("as a service account it answers %v, want that it is forbidden", err)
	}
}
