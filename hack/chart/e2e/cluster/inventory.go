package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// native is what the cluster itself puts into every namespace, or notes about what happened there.
var native = []string{"ConfigMap/kube-root-ca.crt", "ServiceAccount/default"}

// Inventory lists everything in a namespace but what the cluster itself puts there, as Kind/name; with no namespace all
// that is cluster-scoped.
func (c *Cluster) Inventory(ctx context.Context, namespace string) ([]unstructured.Unstructured, error) {
	lists, err := c.Clientset.Discovery().ServerPreferredResources()
	if err != nil && len(lists) == 0 {
		return nil, fmt.Errorf("discover kinds: %w", err)
	}
	var found []unstructured.Unstructured
	for _, list := range lists {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return nil, fmt.Errorf("discover kinds: %w", err)
		}
		for _, kind := range list.APIResources {
			if kind.Namespaced != (namespace != "") || !slices.Contains(kind.Verbs, "list") || kind.Kind == "Event" {
				continue
			}
			objects, err := c.Dynamic.Resource(version.WithResource(kind.Name)).Namespace(namespace).List(ctx, metav1.ListOptions{})
			if apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) {
				continue // its kind has gone meanwhile
			}
			if err != nil {
				return nil, fmt.Errorf("list %s: %w", kind.Name, err)
			}
			found = append(found, objects.Items...)
		}
	}
	return slices.DeleteFunc(found, func(o unstructured.Unstructured) bool { return slices.Contains(native, Name(o)) }), nil
}

// Name is an object's kind and name.
func Name(o unstructured.Unstructured) string { return o.GetKind() + "/" + o.GetName() }

// Names are the sorted names of objects.
func Names(objects []unstructured.Unstructured) []string {
	names := make([]string, 0, len(objects))
	for _, o := range objects {
		names = append(names, Name(o))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// OfRelease keeps what belongs to a Helm release, by Helm's annotations or by a name with the release's namespace in it, as
// cluster-scoped things of the chart have. Namespaces are left out: they are whose they are.
func OfRelease(objects []unstructured.Unstructured, release, namespace string) []unstructured.Unstructured {
	return slices.DeleteFunc(slices.Clone(objects), func(o unstructured.Unstructured) bool {
		annotations := o.GetAnnotations()
		helms := annotations["meta.helm.sh/release-name"] == release && annotations["meta.helm.sh/release-namespace"] == namespace
		return o.GetKind() == "Namespace" || !helms && !strings.Contains(o.GetName(), namespace)
	})
}
