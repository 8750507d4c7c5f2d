package install

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/api/v1alpha1"
	ac "github.com/theeye-dev/theeye/api/v1alpha1/applyconfiguration/api/v1alpha1"
)

// trialLabel marks the Applications of trials: no other is ever deleted.
const trialLabel = "theeye.dev/trial"

// sweep deletes what a trial has left, and waits until it is gone.
func (t *Trial) sweep(ctx context.Context) error {
	told := false
	return t.Progress.await(ctx, func(ctx context.Context) (string, error) {
		left, err := t.current(ctx)
		switch {
		case err != nil || left == nil:
			return "", err
		case left.Labels[trialLabel] == "":
			return "", final("Application %s is there and no trial made it: choose another name", t.Application)
		case !told:
			told = true
			t.Progress.say("deleting the Application that a trial left")
		}
		if left.DeletionTimestamp.IsZero() {
			if err := t.Client.Delete(ctx, left, client.Preconditions{UID: &left.UID}); client.IgnoreNotFound(err) != nil {
				return "", fmt.Errorf("delete Application: %w", err)
			}
		}
		return "the operator to let go of Application " + describe(left), nil
	})
}

// current is the Application as it is now; nil: there is none.
func (t *Trial) current(ctx context.Context) (*v1alpha1.Application, error) {
	app := &v1alpha1.Application{}
	err := t.Client.Get(ctx, t.Application, app)
	switch {
	case meta.IsNoMatchError(err):
		return nil, final("the cluster has no Applications: install the CustomResourceDefinition of TheEye (crds.enabled)")
	case apierrors.IsNotFound(err):
		return nil, nil //nolint:nilnil // not to be there is an answer
	case err != nil:
		return nil, fmt.Errorf("read Application: %w", err)
	}
	return app, nil
}

// apply creates the Application. Its events go with it.
func (t *Trial) apply(ctx context.Context) error {
	wanted := ac.Application(t.Application.Name, t.Application.Namespace).
		WithLabels(map[string]string{trialLabel: "true"}).
		WithSpec(ac.ApplicationSpec().WithDisplayName("A trial of this installation").WithDeletionPolicy(registry.Erase))
	err := t.Progress.await(ctx, func(ctx context.Context) (string, error) {
		err := t.Client.Apply(ctx, wanted, client.FieldOwner("theeye-try"))
		if apierrors.IsInvalid(err) {
			return "", final("apply Application: %w", err)
		}
		return "", err
	})
	if err != nil {
		return err
	}
	t.app = &v1alpha1.Application{ObjectMeta: metav1.ObjectMeta{
		Namespace: t.Application.Namespace, Name: t.Application.Name, UID: *wanted.UID, Generation: *wanted.Generation,
	}}
	return nil
}

// ready waits until all is as the Application wants it.
func (t *Trial) ready(ctx context.Context) error {
	return t.Progress.await(ctx, func(ctx context.Context) (string, error) {
		app, err := t.current(ctx)
		switch {
		case err != nil:
			return "", err
		case app == nil || app.UID != t.app.UID || !app.DeletionTimestamp.IsZero():
			return "", final("somebody deleted Application %s", t.Application)
		case app.Status.ObservedGeneration == app.Generation && meta.IsStatusConditionTrue(app.Status.Conditions, v1alpha1.ConditionReady):
			return "", nil
		case app.Status.ObservedGeneration < 0:
			return "the operator to see Application " + t.Application.String(), nil
		}
		return "Application " + describe(app), nil
	})
}

// gone waits until this trial's Application is no more.
func (t *Trial) gone(ctx context.Context) (missing string, err error) {
	app, err := t.current(ctx)
	if err != nil || app == nil || app.UID != t.app.UID {
		return "", err
	}
	return "the operator to let go of Application " + describe(app), nil
}

// describe says how an Application stands: every condition that is not true, with its reason.
func describe(app *v1alpha1.Application) string {
	var faults []string
	for _, c := range app.Status.Conditions {
		if (c.Status == metav1.ConditionTrue) == (c.Type == v1alpha1.ConditionStalled) {
			faults = append(faults, fmt.Sprintf("%s is %s, %s: %s", c.Type, c.Status, c.Reason, c.Message))
		}
	}
	name := client.ObjectKeyFromObject(app).String()
	if len(faults) == 0 {
		return name
	}
	return name + " (" + strings.Join(faults, "; ") + ")"
}

// credentials are what an application reads in its Secret.
type credentials struct{ clientID, key, uri string }

func (t *Trial) secret(ctx context.Context) (c credentials, missing string, err error) {
	secret := &corev1.Secret{}
	key := client.ObjectKey{Namespace: t.Application.Namespace, Name: t.app.SecretName()}
	err = t.Client.Get(ctx, key, secret)
	switch {
	case apierrors.IsNotFound(err):
		return c, "Secret " + key.String(), nil
	case err != nil:
		return c, "", fmt.Errorf("read Secret %s: %w", key, err)
	}
	c = credentials{
		clientID: string(secret.Data[v1alpha1.KeyClientID]), key: string(secret.Data[v1alpha1.KeyAPIKey]), uri: string(secret.Data[v1alpha1.KeyURI]),
	}
	if uid, _ := uuid.Parse(string(t.app.UID)); c.clientID != apikey.ClientID(uid) || c.key == "" || c.uri == "" {
		return c, "", final("Secret %s has not client-id, api-key and uri of the Application: its client id is %q", key, c.clientID)
	}
	return c, "", nil
}

// wrong is a key of the same application, credential and form, with another secret in it.
func (c credentials) wrong() (string, error) {
	id, err := apikey.Parse(c.key)
	if err != nil {
		return "", fmt.Errorf("read api-key of the Secret: %w", err)
	}
	return apikey.New("try", id.ClientID, id.Credential), nil
}
