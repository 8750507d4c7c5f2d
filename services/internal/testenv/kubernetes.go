package testenv

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/theeye-dev/theeye/hack/servers/controlplane"
)

// admin is who sets tests up: a member of system:masters, whom RBAC lets do everything.
const admin = "theeye-test-admin"

// Cluster is a Kubernetes API server with RBAC and TheEye's CRDs, shared by the tests of one binary. It has no nodes:
// no pod ever runs.
type Cluster struct {
	plane      *controlplane.ControlPlane
	admin      *rest.Config
	kubeconfig string // the admin's
	// controllers starts kube-controller-manager.
	controllers func() error
}

// sharedCluster is started once: it takes seconds and hundreds of MiB.
var sharedCluster = sync.OnceValues(startCluster) //nolint:gochecknoglobals // one per test binary is the point

// Kubernetes returns the cluster that the tests of this binary share; the first call starts it, which takes some five
// seconds. Tests keep apart by Namespace. The CRDs are those of config/crd.
func Kubernetes(t testing.TB) *Cluster {
	t.Helper()
	cluster, err := sharedCluster()
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	return cluster
}

func startCluster() (*Cluster, error) {
	dir, err := sharedDir()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	plane, err := controlplane.Start(ctx, filepath.Join(dir, "kubernetes"))
	if err != nil {
		return nil, err
	}
	c := &Cluster{plane: plane}
	c.controllers = sync.OnceValue(c.startControllers)
	if err := c.identifyAdmin(); err != nil {
		return nil, err
	}
	return c, c.installCRDs()
}

func (c *Cluster) identifyAdmin() error {
	pair, err := c.plane.Client(admin, "system:masters")
	if err != nil {
		return err
	}
	c.admin = c.anonymous()
	c.admin.CertData, c.admin.KeyData = pair.Certificate, pair.Key
	c.kubeconfig = filepath.Join(c.plane.Dir(), "admin.kubeconfig")
	return writeKubeconfig(c.kubeconfig, c.admin)
}

func (c *Cluster) installCRDs() error {
	repository, err := controlplane.Repository()
	if err != nil {
		return err
	}
	_, err = envtest.InstallCRDs(c.admin, envtest.CRDInstallOptions{
		Paths:   []string{filepath.Join(repository, "config", "crd")},
		MaxTime: startTimeout,
	})
	if err != nil {
		return fmt.Errorf("install CRDs: %w", err)
	}
	return nil
}

// anonymous reaches the API server, and says nothing about who asks.
func (c *Cluster) anonymous() *rest.Config {
	return &rest.Config{
		Host: c.plane.URL(), TLSClientConfig: rest.TLSClientConfig{CAData: c.plane.CA()},
		QPS: -1, // a test's client should not wait for itself
	}
}

// Admin may do everything.
func (c *Cluster) Admin() *rest.Config { return rest.CopyConfig(c.admin) }

// Client is the admin's client for the types of Kubernetes and those that add registers, for example
// v1alpha1.AddToScheme. It has no cache: it reads what is stored.
func (c *Cluster) Client(t testing.TB, add ...func(*runtime.Scheme) error) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range append(add, clientgoscheme.AddToScheme) {
		if err := add(scheme); err != nil {
			t.Fatalf("testenv: %v", err)
		}
	}
	made, err := client.New(c.admin, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatalf("testenv: make client: %v", err)
	}
	return made
}

// Namespace makes a namespace for one test and returns its name. It stays: only a controller manager could end it.
func (c *Cluster) Namespace(t testing.TB) string {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	if err := c.Client(t).Create(t.Context(), namespace); err != nil {
		t.Fatalf("testenv: make namespace: %v", err)
	}
	return namespace.Name
}

// ServiceAccount makes a service account, unless it is there. By itself it may do what every authenticated user may:
// look at itself and at the API's description.
func (c *Cluster) ServiceAccount(t testing.TB, namespace, name string) {
	t.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	if err := c.Client(t).Create(t.Context(), account); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatalf("testenv: make service account: %v", err)
	}
}

// Username is the name by which RBAC and the audit log know a service account.
func Username(namespace, serviceAccount string) string {
	return "system:serviceaccount:" + namespace + ":" + serviceAccount
}

// As authenticates as a service account, by a token and nothing else. The account is made when missing.
func (c *Cluster) As(t testing.TB, namespace, serviceAccount string) *rest.Config {
	t.Helper()
	c.ServiceAccount(t, namespace, serviceAccount)
	config := c.anonymous()
	config.BearerToken = c.Token(t, namespace, serviceAccount, controlplane.Issuer)
	return config
}

// tokenSeconds is longer than a test runs; Kubernetes refuses less than 10 minutes.
const tokenSeconds = int64(time.Hour / time.Second)

// Token asks Kubernetes for a token of an existing service account, for one audience. Empty is the API server's own.
func (c *Cluster) Token(t testing.TB, namespace, serviceAccount, audience string) string {
	t.Helper()
	seconds := tokenSeconds
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}
	if audience != "" {
		request.Spec.Audiences = []string{audience}
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: serviceAccount}}
	if err := c.Client(t).SubResource("token").Create(t.Context(), account, request); err != nil {
		t.Fatalf("testenv: request token: %v", err)
	}
	return request.Status.Token
}

// controllers are what tests of deletion need. Others, which make and change things by themselves, stay off.
var controllers = []string{"namespace-controller", "garbage-collector-controller"} //nolint:gochecknoglobals // a constant

// ControllerManager starts kube-controller-manager once per test binary. From then on namespaces end when they are
// deleted, and what a deleted object owned goes with it; without it, neither happens.
func (c *Cluster) ControllerManager(t testing.TB) {
	t.Helper()
	if err := c.controllers(); err != nil {
		t.Fatalf("testenv: %v", err)
	}
}

func (c *Cluster) startControllers() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	_, err := c.plane.StartControllers(ctx, controllers...)
	return err
}
