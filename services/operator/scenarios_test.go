package operator

import (
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// scenarios are what an operator does in several effects; each has as many Applications as it has crashes.
var scenarios = []scenario{ //nolint:gochecknoglobals // a table
	{"issue", 6, func(w *world, _ *saboteur, name string, armed func()) func() error {
		armed()
		app := w.apply(name)
		return func() error { return w.settled(app) }
	}},
	{"rotation", 5, func(w *world, s *saboteur, name string, armed func()) func() error {
		app, key := w.inUse(s, name)
		armed()
		w.change(app, rotate("now"))
		return func() error { return w.replaced(app, key) }
	}},
	{"overlap-ends", 3, func(w *world, s *saboteur, name string, armed func()) func() error {
		app, key := w.inUse(s, name)
		w.change(app, rotate("now"))
		w.eventually(func() error { return w.replaced(app, key) })
		armed()
		w.clock.advance(v1alpha1.DefaultOverlap)
		w.poke(app)
		return func() error {
			if w.works(app, key) == nil {
				return errors.New("the replaced key outlives its overlap")
			}
			return w.settled(app)
		}
	}},
	{"secret-deleted", 5, func(w *world, s *saboteur, name string, armed func()) func() error {
		app, key := w.inUse(s, name)
		armed()
		w.delete(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: app.SecretName()}})
		return func() error { return w.replaced(app, key) }
	}},
	{"secret-renamed", 3, func(w *world, s *saboteur, name string, armed func()) func() error {
		app, key := w.inUse(s, name)
		armed()
		w.change(app, func(a *v1alpha1.Application) {
			a.Spec.Credentials = &v1alpha1.Credentials{SecretName: name + "-renamed"}
		})
		return func() error {
			if err := w.settled(app); err != nil {
				return err
			}
			renamed, err := w.secret(name + "-renamed")
			if err == nil && string(renamed.Data[v1alpha1.KeyAPIKey]) != key {
				err = errors.New("a new name is no reason for a new key")
			}
			return err
		}
	}},
	{"existing-appears", 5, func(w *world, s *saboteur, name string, armed func()) func() error {
		app, key := w.inUse(s, name)
		w.change(app, func(a *v1alpha1.Application) {
			a.Spec.Credentials = &v1alpha1.Credentials{ExistingSecret: name + "-own"}
		})
		w.await(app, v1alpha1.ConditionCredentialsPublished, metav1.ConditionFalse, v1alpha1.ReasonWaitingForSecret)
		armed()
		own := w.bring(app, name+"-own")
		return func() error {
			if err := w.works(app, own); err != nil {
				return err
			}
			return w.replaced(app, key)
		}
	}},
	{"deletion", 2, func(w *world, s *saboteur, name string, armed func()) func() error {
		app, _ := w.inUse(s, name)
		s.hold(app, "", time.Time{})
		armed()
		w.delete(app)
		return func() error { return w.gone(app) }
	}},
	{"erasure", 5, func(w *world, s *saboteur, name string, armed func()) func() error {
		app, _ := w.inUse(s, name)
		w.change(app, func(a *v1alpha1.Application) { a.Spec.DeletionPolicy = registry.Erase })
		w.eventually(func() error { return w.settled(app) })
		s.hold(app, "", time.Time{})
		armed()
		w.delete(app)
		return func() error {
			if err := w.gone(app); err != nil {
				return errors.Join(err, w.nudge(app))
			}
			return w.erased(app)
		}
	}},
}

// inUse makes an Application whose key clients have, who may rely on it for the default overlap.
func (w *world) inUse(s *saboteur, name string) (app *v1alpha1.Application, key string) {
	w.t.Helper()
	app, secret := w.ready(w.apply(name))
	key = string(secret.Data[v1alpha1.KeyAPIKey])
	s.hold(app, key, second(w.clock.Now()).Add(v1alpha1.DefaultOverlap))
	return app, key
}

// bring makes a Secret with a key of the Application's client id, as somebody who brings their own would.
func (w *world) bring(app *v1alpha1.Application, name string) (key string) {
	w.t.Helper()
	key = apikey.New("test", app.ClientID(), "own")
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: w.namespace, Name: name, Labels: map[string]string{v1alpha1.SecretLabel: v1alpha1.SecretExisting},
		},
		StringData: map[string]string{v1alpha1.KeyAPIKey: key},
	}
	if err := w.client.Create(w.t.Context(), secret); err != nil {
		w.t.Fatal(err)
	}
	return key
}

func rotate(value string) func(*v1alpha1.Application) {
	return func(a *v1alpha1.Application) {
		metav1.SetMetaDataAnnotation(&a.ObjectMeta, v1alpha1.RotateAnnotation, value)
	}
}

func (w *world) delete(o client.Object) {
	w.t.Helper()
	if err := w.client.Delete(w.t.Context(), o); err != nil {
		w.t.Fatal(err)
	}
}

// owned are the Secrets of an Application, whatever they are called.
func (w *world) owned(app *v1alpha1.Application) (secrets []corev1.Secret, err error) {
	var list corev1.SecretList
	if err := w.client.List(w.t.Context(), &list, client.InNamespace(app.Namespace)); err != nil {
		return nil, fmt.Errorf("list Secrets: %w", err)
	}
	for i := range list.Items {
		if metav1.IsControlledBy(&list.Items[i], app) {
			secrets = append(secrets, list.Items[i])
		}
	}
	return secrets, nil
}

func conditionTrue(app *v1alpha1.Application, condition string) bool {
	return meta.IsStatusConditionTrue(app.Status.Conditions, condition)
}
