package operator

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/util/csaupgrade"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// FieldManager is the operator's name in managedFields.
const FieldManager = "theeye-operator"

// registrar is auth; Auth is it.
type registrar interface {
	Application(ctx context.Context, uid uuid.UUID) (*registry.Application, error)
	PutApplication(ctx context.Context, uid uuid.UUID, want registry.DesiredApplication) (*registry.Application, error)
	DeleteApplication(ctx context.Context, uid uuid.UUID) error
	PutCredential(ctx context.Context, uid uuid.UUID, c registry.Credential) error
	DeleteCredential(ctx context.Context, uid uuid.UUID, id string) error
	List(ctx context.Context, cluster string) ([]registry.Application, error)
}

// archive is persistence; Persistence is it.
type archive interface {
	Usage(ctx context.Context, uid uuid.UUID) (*registry.Usage, error)
	Erase(ctx context.Context, uid uuid.UUID) error
}

// actor does the steps of decisions.
type actor struct {
	client   client.Client
	auth     registrar
	archive  archive
	settings *Settings
	events   *announcer
}

// do takes one step and brings the View up to what it did.
func (a *actor) do(ctx context.Context, v *View, step Step) error {
	uid := v.Application.UUID()
	switch s := step.(type) {
	case AddFinalizer:
		return a.changeFinalizer(ctx, v, controllerutil.AddFinalizer)
	case PutApplication:
		record, err := a.auth.PutApplication(ctx, uid, s.Want)
		if err == nil {
			v.Auth = record
		}
		return err
	case PutCredential:
		if err := a.auth.PutCredential(ctx, uid, s.Credential); err != nil {
			return err
		}
		v.setCredential(s.Credential.ID, &s.Credential)
	case DeleteCredential:
		if err := a.auth.DeleteCredential(ctx, uid, s.ID); err != nil {
			return err
		}
		v.setCredential(s.ID, nil)
		a.events.revoked(v.Application, s.ID)
	case CreateCandidate:
		return a.createCandidate(ctx, v, s)
	case Publish:
		return a.publish(ctx, v, s)
	case DeleteSecret:
		return a.deleteSecret(ctx, v, s)
	case Erase:
		if err := a.archive.Erase(ctx, uid); err != nil {
			return err
		}
		v.Erased = true
		a.events.erased(v.Application)
	case DeleteApplication:
		if err := a.auth.DeleteApplication(ctx, uid); err != nil {
			return err
		}
		v.Auth = nil
	case RemoveFinalizer:
		if s.Unfinished != "" {
			a.events.unfinished(v.Application, s.Unfinished)
		}
		return a.changeFinalizer(ctx, v, controllerutil.RemoveFinalizer)
	default:
		return fmt.Errorf("unknown step %T", step)
	}
	return nil
}

func (a *actor) changeFinalizer(ctx context.Context, v *View, change func(client.Object, string) bool) error {
	app, err := patchFinalizer(ctx, a.client, v.Application, change)
	if err == nil {
		v.Application = app
	}
	return err
}

// patchFinalizer changes the finalizers, unless the resource has changed since it was read, and returns it as it is then.
func patchFinalizer(ctx context.Context, c client.Client, read *v1alpha1.Application, change func(client.Object, string) bool) (*v1alpha1.Application, error) {
	app := read.DeepCopy()
	change(app, v1alpha1.Finalizer)
	patch := client.MergeFromWithOptions(read.DeepCopy(), client.MergeFromWithOptimisticLock{})
	if err := c.Patch(ctx, app, patch, client.FieldOwner(FieldManager)); err != nil {
		return nil, fmt.Errorf("change finalizers: %w", err)
	}
	return app, nil
}

// createCandidate writes a new key down before anyone else knows of it: no crash can lose it from then on.
func (a *actor) createCandidate(ctx context.Context, v *View, s CreateCandidate) error {
	key, entry := s.Key, s.Entry
	if key == "" {
		key = apikey.New(a.settings.KeyEnv, v.Application.ClientID(), entry.ID)
		entry.SHA256 = digest(key)
	}
	r := renderCandidate(v.Application, key, entry)
	secret := r.object(v.Application)
	if err := a.client.Create(ctx, secret, client.FieldOwner(FieldManager)); err != nil {
		return fmt.Errorf("create Secret %s: %w", secret.Name, err)
	}
	v.Candidate = secret
	return nil
}

// publish creates the Secret, or applies it to the one that was seen and no other.
func (a *actor) publish(ctx context.Context, v *View, s Publish) error {
	if v.Issued == nil {
		secret := s.Rendering.object(v.Application)
		if err := a.client.Create(ctx, secret, client.FieldOwner(FieldManager)); err != nil {
			return fmt.Errorf("create Secret %s: %w", secret.Name, err)
		}
		v.Issued = secret
		a.events.published(v.Application, s)
		return nil
	}
	if err := a.ownFields(ctx, v.Issued); err != nil {
		return fmt.Errorf("take over fields of Secret %s: %w", v.Issued.Name, err)
	}
	applied := s.Rendering.configuration(v.Application, v.Issued)
	if err := a.client.Apply(ctx, applied, client.FieldOwner(FieldManager), client.ForceOwnership); err != nil {
		return fmt.Errorf("apply Secret %s: %w", v.Issued.Name, err)
	}
	secret, err := secretOf(applied)
	if err != nil {
		return err
	}
	v.Issued = secret
	a.events.published(v.Application, s)
	return nil
}

// ownFields makes what a Create wrote the fields of this manager's later Applies: else a key that a template no longer
// has would stay for ever.
func (a *actor) ownFields(ctx context.Context, secret *corev1.Secret) error {
	created := slices.ContainsFunc(secret.ManagedFields, func(f metav1.ManagedFieldsEntry) bool {
		return f.Manager == FieldManager && f.Operation == metav1.ManagedFieldsOperationUpdate
	})
	if !created {
		return nil
	}
	patch, err := csaupgrade.UpgradeManagedFieldsPatch(secret, sets.New(FieldManager), FieldManager)
	if err != nil {
		return err
	}
	return a.client.Patch(ctx, secret, client.RawPatch("application/json-patch+json", patch))
}

// secretOf is the Secret that the API server answered an Apply with.
func secretOf(applied *corev1ac.SecretApplyConfiguration) (*corev1.Secret, error) {
	text, err := json.Marshal(applied)
	if err != nil {
		return nil, fmt.Errorf("read applied Secret: %w", err)
	}
	secret := &corev1.Secret{}
	if err := json.Unmarshal(text, secret); err != nil {
		return nil, fmt.Errorf("read applied Secret: %w", err)
	}
	return secret, nil
}

func (a *actor) deleteSecret(ctx context.Context, v *View, s DeleteSecret) error {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: v.Application.Namespace, Name: s.Name}}
	err := a.client.Delete(ctx, secret, client.Preconditions{UID: &s.UID})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete Secret %s: %w", s.Name, err)
	}
	if v.Issued != nil && v.Issued.UID == s.UID {
		v.Issued = nil
	}
	if v.Candidate != nil && v.Candidate.UID == s.UID {
		v.Candidate = nil
	}
	v.Strays = slices.DeleteFunc(slices.Clone(v.Strays), func(stray *corev1.Secret) bool { return stray.UID == s.UID })
	return nil
}

// setCredential notes what auth now has of a credential; nil: nothing. The record itself is left as it was read.
func (v *View) setCredential(id string, c *registry.Credential) {
	record := *v.Auth
	record.Credentials = slices.DeleteFunc(slices.Clone(record.Credentials), func(k registry.Credential) bool { return k.ID == id })
	if c != nil {
		record.Credentials = append(record.Credentials, *c)
	}
	v.Auth = &record
	v.noteRevoked()
}
