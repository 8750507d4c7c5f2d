package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// keyOf is the API key in a Secret.
func keyOf(secret *corev1.Secret) string { return string(secret.Data[v1alpha1.KeyAPIKey]) }

// rotating gives an Application's credentials a life; "" is none.
func rotating(interval, overlap string) func(*v1alpha1.Application) {
	parse := func(text string) *metav1.Duration {
		d, err := time.ParseDuration(text)
		if err != nil {
			return nil
		}
		return &metav1.Duration{Duration: d}
	}
	return credentialsSpec(func(c *v1alpha1.Credentials) {
		c.Rotation = &v1alpha1.Rotation{Interval: parse(interval), Overlap: parse(overlap)}
	})
}

// credentialsSpec edits spec.credentials.
func credentialsSpec(edit func(*v1alpha1.Credentials)) func(*v1alpha1.Application) {
	return func(app *v1alpha1.Application) {
		if app.Spec.Credentials == nil {
			app.Spec.Credentials = &v1alpha1.Credentials{}
		}
		edit(app.Spec.Credentials)
	}
}

// rotate asks for new credentials.
func (w *world) rotate(app *v1alpha1.Application, request string) {
	w.t.Helper()
	w.change(app, func(a *v1alpha1.Application) {
		metav1.SetMetaDataAnnotation(&a.ObjectMeta, v1alpha1.RotateAnnotation, request)
	})
}

// put stores a Secret that somebody else makes.
func (w *world) put(name string, secretType corev1.SecretType, data map[string]string, edit ...func(*corev1.Secret)) *corev1.Secret {
	w.t.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}, Type: secretType, StringData: data}
	for _, e := range edit {
		e(secret)
	}
	if err := w.client.Create(w.t.Context(), secret); err != nil {
		w.t.Fatal(err)
	}
	return secret
}

// edit changes a stored Secret as a person would, as often as it takes.
func (w *world) edit(name string, change func(*corev1.Secret)) {
	w.t.Helper()
	w.eventually(func() error {
		secret, err := w.secret(name)
		if err != nil {
			return err
		}
		change(secret)
		return w.client.Update(w.t.Context(), secret)
	})
}

// remove deletes a Secret by hand.
func (w *world) remove(name string) {
	w.t.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}}
	if err := w.client.Delete(w.t.Context(), secret); err != nil {
		w.t.Fatal(err)
	}
}

// awaitSecret waits until a Secret is there and as it should be.
func (w *world) awaitSecret(name string, check func(*corev1.Secret) error) *corev1.Secret {
	w.t.Helper()
	var secret *corev1.Secret
	w.eventually(func() (err error) {
		if secret, err = w.secret(name); err != nil {
			return err
		}
		return check(secret)
	})
	return secret
}

// awaitGone waits until there is no Secret of a name.
func (w *world) awaitGone(name string) {
	w.t.Helper()
	w.eventually(func() error {
		if _, err := w.secret(name); !apierrors.IsNotFound(err) {
			return fmt.Errorf("Secret %s: %w (%w)", name, errStillThere, err)
		}
		return nil
	})
}

// otherKey waits for another key than the given one, to be published and settled.
func (w *world) otherKey(app *v1alpha1.Application, before string) *corev1.Secret {
	w.t.Helper()
	w.awaitSecret(app.SecretName(), func(s *corev1.Secret) error {
		if _, err := apikey.Parse(keyOf(s)); keyOf(s) == before || err != nil {
			return errors.Join(errors.New("there is no other key"), err)
		}
		return nil
	})
	w.awaitGone(app.CandidateName())
	_, secret := w.ready(app)
	return secret
}

// awaitLive waits until auth has exactly these credentials: each id, with "" or the end that it has.
func (w *world) awaitLive(app *v1alpha1.Application, want ...string) {
	w.t.Helper()
	w.eventually(func() error {
		if got := live(w.record(app)); !slices.Equal(got, want) {
			return fmt.Errorf("auth has the credentials %q, want %q", got, want)
		}
		return nil
	})
}

// live names the credentials of a record: ID, or ID until END.
func live(record *registry.Application) []string {
	if record == nil {
		return nil
	}
	ids := make([]string, 0, len(record.Credentials))
	for _, c := range record.Credentials {
		ids = append(ids, until(c.ID, c.NotAfter))
	}
	slices.Sort(ids)
	return ids
}

func until(id string, end *time.Time) string {
	if end == nil {
		return id
	}
	return id + " until " + end.UTC().Format(time.RFC3339)
}

// counted makes an operator count its looks at the clock: a reconciliation begins and ends with one.
func counted(looks *atomic.Int64) func(*Options) {
	return func(o *Options) {
		now := o.Now
		o.Now = func() time.Time {
			looks.Add(1)
			return now()
		}
	}
}

// reconcile pokes an Application, and waits until it was reconciled from beginning to end. Nothing else may be going on.
func (w *world) reconcile(app *v1alpha1.Application, looks *atomic.Int64) {
	w.t.Helper()
	before := looks.Load()
	w.poke(app)
	w.eventually(func() error {
		if looks.Load() < before+2 {
			return errors.New("it was not reconciled")
		}
		return nil
	})
}

// events are those about an Application, of a reason, or of all when that is "".
func (w *world) events(app *v1alpha1.Application, reason string) ([]eventsv1.Event, error) {
	var list eventsv1.EventList
	if err := w.client.List(context.Background(), &list, client.InNamespace(w.namespace)); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list.Items, func(e eventsv1.Event) bool {
		return e.Regarding.UID != app.UID || reason != "" && e.Reason != reason
	}), nil
}

// awaitEvent waits for an event of a type and a reason whose note has a text in it.
func (w *world) awaitEvent(app *v1alpha1.Application, eventType, reason, text string) {
	w.t.Helper()
	w.eventually(func() error {
		all, err := w.events(app, reason)
		for _, e := range all {
			if e.Type == eventType && strings.Contains(e.Note, text) {
				return nil
			}
		}
		return errors.Join(fmt.Errorf("there is no %s event %s with %q among %d", eventType, reason, text, len(all)), err)
	})
}

// text is all of an object, for a search.
func text(t interface{ Fatal(...any) }, object any) string {
	encoded, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}
