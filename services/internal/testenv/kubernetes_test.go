package testenv_test

import (
	"context"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/hack/servers"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

func TestRBACDecides(t *testing.T) {
	t.Parallel()
	cluster := testenv.Kubernetes(t)
	namespace := cluster.Namespace(t)
	reader, err := client.New(cluster.As(t, namespace, "reader"), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	list := func() error {
		return reader.List(t.Context(), &corev1.SecretList{}, client.InNamespace(namespace))
	}
	if err := list(); !apierrors.IsForbidden(err) {
		t.Errorf("without a role, the list answers %v; want forbidden", err)
	}
	admin := cluster.Client(t)
	create(t, admin, &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "reader"},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"list"}}},
	})
	create(t, admin, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "reader"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "reader"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: "reader"}},
	})
	eventually(t, func(context.Context) error { return list() }) // roles are read from a watch
}

func TestTokensHaveAnAudience(t *testing.T) {
	t.Parallel()
	cluster := testenv.Kubernetes(t)
	namespace, admin := cluster.Namespace(t), cluster.Client(t)
	cluster.ServiceAccount(t, namespace, "analyst")
	token := cluster.Token(t, namespace, "analyst", "theeye")
	for _, tt := range []struct {
		audience string
		want     bool
	}{{"theeye", true}, {"other", false}, {"", false}} {
		review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}
		if tt.audience != "" {
			review.Spec.Audiences = []string{tt.audience}
		}
		create(t, admin, review)
		if review.Status.Authenticated != tt.want {
			t.Errorf("for audience %q the review says %v: %s", tt.audience, review.Status.Authenticated, review.Status.Error)
		}
		if user := testenv.Username(namespace, "analyst"); tt.want && review.Status.User.Username != user {
			t.Errorf("the token is of %q, want %q", review.Status.User.Username, user)
		}
	}
}

// eventually waits until ask answers nil.
func eventually(t *testing.T, ask func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := servers.Await(ctx, nil, "", ask); err != nil {
		t.Fatal(err)
	}
}

func create(t *testing.T, c client.Client, object client.Object) {
	t.Helper()
	if err := c.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
}
