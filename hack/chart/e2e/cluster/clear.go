package cluster

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// RemoveApplications removes all Applications of a namespace when no operator is there to do it.
func (c *Cluster) RemoveApplications(ctx context.Context, namespace string) error {
	var list v1alpha1.ApplicationList
	if err := c.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		if meta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
			return nil // without the CRD there are none
		}
		return fmt.Errorf("list Applications: %w", err)
	}
	for i := range list.Items {
		application := &list.Items[i]
		before := application.DeepCopy()
		application.Finalizers = nil
		if err := c.Patch(ctx, application, client.MergeFrom(before)); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("free Application: %w", err)
		}
		if err := c.Remove(ctx, application); err != nil {
			return err
		}
	}
	return nil
}

// RemoveNamespaces removes namespaces with all that is in them.
func (c *Cluster) RemoveNamespaces(ctx context.Context, names ...string) error {
	for _, name := range names { // all at once: each takes its time
		if err := c.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete namespace: %w", err)
		}
	}
	for _, name := range names {
		if err := c.Gone(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
			return err
		}
	}
	return nil
}

// RemoveOfRelease removes what is cluster-scoped of a release, and returns what that was.
func (c *Cluster) RemoveOfRelease(ctx context.Context, release, namespace string) ([]string, error) {
	all, err := c.Inventory(ctx, "")
	if err != nil {
		return nil, err
	}
	left := OfRelease(all, release, namespace)
	for _, o := range left {
		gvk := o.GroupVersionKind()
		mapping, err := c.RESTMapper().RESTMapping(schema.GroupKind{Group: gvk.Group, Kind: gvk.Kind}, gvk.Version)
		if err != nil {
			return nil, fmt.Errorf("find kind: %w", err)
		}
		if err := c.Dynamic.Resource(mapping.Resource).Delete(ctx, o.GetName(), metav1.DeleteOptions{}); client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("delete %s: %w", Name(o), err)
		}
		if err := c.Gone(ctx, &o); err != nil {
			return nil, err
		}
	}
	return Names(left), nil
}
