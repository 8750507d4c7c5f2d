// Package cluster is what the end-to-end suite does with a Kubernetes cluster and kubectl has no single word for: waiting
// with a reason, listing all there is, making volumes free again, measuring pods, and collecting what explains a failure.
package cluster

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// pollEvery is how often something that is waited for is looked at.
const pollEvery = 100 * time.Millisecond

// crdName is the CustomResourceDefinition of Application.
const crdName = "applications.theeye.dev"

var crds = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

// Cluster is a connection to a cluster.
type Cluster struct {
	client.Client

	Clientset *kubernetes.Clientset
	Dynamic   dynamic.Interface
}

// Connect connects to the cluster of a kubeconfig; "": to the one that kubectl would.
func Connect(kubeconfig string) (*Cluster, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	config.QPS = -1 // it measures how soon things happen
	config.WarningHandler = rest.NoWarnings{}
	types := runtime.NewScheme()
	if err := scheme.AddToScheme(types); err != nil {
		return nil, fmt.Errorf("make scheme: %w", err)
	}
	if err := v1alpha1.AddToScheme(types); err != nil {
		return nil, fmt.Errorf("make scheme: %w", err)
	}
	c := &Cluster{}
	if c.Clientset, err = kubernetes.NewForConfig(config); err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	if c.Dynamic, err = dynamic.NewForConfig(config); err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	// The mapper asks again for kinds it does not know: the CRD comes and goes.
	if c.Client, err = client.New(config, client.Options{Scheme: types}); err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	return c, nil
}

// Until looks again and again until nothing is missing, or the context ends: then the error says what was missing.
func Until(ctx context.Context, what string, missing func(context.Context) (string, error)) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	last := "not looked at yet"
	for {
		lack, err := missing(ctx)
		switch {
		case err == nil && lack == "":
			return nil
		case err == nil:
			last = lack
		case ctx.Err() == nil:
			last = err.Error()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited for %s: %w; at last: %s", what, ctx.Err(), last)
		case <-ticker.C:
		}
	}
}

// EnsureNamespace makes a namespace, with labels, when it is not there.
func (c *Cluster) EnsureNamespace(ctx context.Context, name string, labels map[string]string) error {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
	if err := c.Create(ctx, namespace); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("make namespace %s: %w", name, err)
	}
	return nil
}

// OwnerOfCRD is the Helm release, as namespace/name, that the CustomResourceDefinition of Application came with; "" when
// there is none, and "?" when it came otherwise.
func (c *Cluster) OwnerOfCRD(ctx context.Context) (string, error) {
	crd, err := c.Dynamic.Resource(crds).Get(ctx, crdName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("get CustomResourceDefinition: %w", err)
	}
	annotations := crd.GetAnnotations()
	if annotations["meta.helm.sh/release-name"] == "" {
		return "?", nil
	}
	return annotations["meta.helm.sh/release-namespace"] + "/" + annotations["meta.helm.sh/release-name"], nil
}

// Gone waits until an object is no more.
func (c *Cluster) Gone(ctx context.Context, object client.Object) error {
	what := fmt.Sprintf("the end of %T %s/%s", object, object.GetNamespace(), object.GetName())
	return Until(ctx, what, func(ctx context.Context) (string, error) {
		err := c.Get(ctx, client.ObjectKeyFromObject(object), object)
		if apierrors.IsNotFound(err) {
			return "", nil
		}
		return fmt.Sprintf("still there, finalizers %v", object.GetFinalizers()), err
	})
}

// Remove deletes an object and waits until it is gone; one that is not there is removed already.
func (c *Cluster) Remove(ctx context.Context, object client.Object, options ...client.DeleteOption) error {
	if err := c.Delete(ctx, object, options...); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete %T %s: %w", object, object.GetName(), err)
	}
	return c.Gone(ctx, object)
}
