package operator

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/api/v1alpha1"
	"github.com/theeye-dev/theeye/services/internal/schema"
)

// ownerIndex finds an Application's Secrets in the cache, whatever they are called.
const ownerIndex = "owner"

// gatherer makes Views. The cache holds only Secrets with the operator's label; any other is looked at by one live get
// of its name, and only when a decision from the cache is about to act.
type gatherer struct {
	cache client.Reader
	live  client.Reader
}

// gather reads all of a View that the cluster has. What is read live is what is acted on.
func (g *gatherer) gather(ctx context.Context, v *View, live bool) (err error) {
	app := v.Application
	reader := g.cache
	if live {
		reader = g.live
	}
	if v.Issued, err = secret(ctx, reader, app.Namespace, app.SecretName()); err != nil {
		return err
	}
	if v.Candidate, err = secret(ctx, reader, app.Namespace, app.CandidateName()); err != nil {
		return err
	}
	if name := app.ExistingSecret(); name != "" {
		if v.Existing, err = secret(ctx, g.cache, app.Namespace, name); err == nil && v.Existing == nil {
			v.Existing, err = secret(ctx, g.live, app.Namespace, name)
		}
		if err != nil {
			return err
		}
	}
	v.Strays, err = g.strays(ctx, app)
	return err
}

// strays are the Application's Secrets under names that its spec does not have.
func (g *gatherer) strays(ctx context.Context, app *v1alpha1.Application) ([]*corev1.Secret, error) {
	var owned corev1.SecretList
	err := g.cache.List(ctx, &owned, client.InNamespace(app.Namespace), client.MatchingFields{ownerIndex: string(app.UID)})
	if err != nil {
		return nil, fmt.Errorf("list own Secrets: %w", err)
	}
	var strays []*corev1.Secret
	for i := range owned.Items {
		if s := &owned.Items[i]; s.Name != app.SecretName() && s.Name != app.CandidateName() {
			strays = append(strays, s)
		}
	}
	return strays, nil
}

// secret reads a Secret; nil when there is none.
func secret(ctx context.Context, reader client.Reader, namespace, name string) (*corev1.Secret, error) {
	found := &corev1.Secret{}
	err := reader.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, found)
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // not to be there is an answer
	}
	if err != nil {
		return nil, fmt.Errorf("read Secret %s: %w", name, err)
	}
	return found, nil
}

// faults compiles the declared schemas.
func faults(app *v1alpha1.Application) map[int]SchemaFault {
	var found map[int]SchemaFault
	for i, t := range app.Spec.EventTypes {
		if t.Schema == nil {
			continue
		}
		if _, err := schema.Compile(t.Schema.Raw); err != nil {
			fault := SchemaFault{Detail: err.Error()}
			if known := (*schema.Fault)(nil); errors.As(err, &known) {
				fault = SchemaFault{Pointer: known.Pointer, Detail: known.Detail}
			}
			if found == nil {
				found = map[int]SchemaFault{}
			}
			found[i] = fault
		}
	}
	return found
}

// second rounds to what annotations, auth and metav1.Time all keep.
func second(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }
