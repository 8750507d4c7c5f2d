package operator

import (
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// brings names the Secret that somebody else brings.
func brings(name string) func(*v1alpha1.Application) {
	return credentialsSpec(func(c *v1alpha1.Credentials) { c.ExistingSecret = name })
}

// inSight labels an existing Secret, so that the operator may see it change.
func inSight(s *corev1.Secret) {
	s.Labels = map[string]string{v1alpha1.SecretLabel: v1alpha1.SecretExisting}
}

// ownKey is a key that somebody makes for an Application.
func ownKey(app *v1alpha1.Application, id string) string {
	return apikey.New("own", app.ClientID(), id)
}

// awaitKey waits until the Secret has a key, and everything is settled.
func (w *world) awaitKey(app *v1alpha1.Application, key string) {
	w.t.Helper()
	w.awaitSecret(app.SecretName(), func(s *corev1.Secret) error {
		if keyOf(s) != key || string(s.Data[v1alpha1.KeyClientSecret]) != key {
			return errors.New("the Secret has another key")
		}
		return nil
	})
	w.awaitGone(app.CandidateName())
	w.ready(app)
}

// An existing Secret is waited for, and its key becomes the credential: registered, and copied for the application to
// read. The Secret itself is only read. A new key in it is a rotation.
func TestExistingSecretIsFollowed(t *testing.T) {
	t.Parallel()
	for name, label := range map[string]func(*corev1.Secret){
		"watched": inSight, // and never polled, in this test
		"polled":  func(*corev1.Secret) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(o *Options) {
				if name == "watched" {
					o.PollInterval = time.Hour
				}
			})
			app := w.apply("shop", brings("own"))
			waiting := w.await(app, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonWaitingForSecret)
			w.await(app, v1alpha1.ConditionCredentialsPublished, metav1.ConditionFalse, v1alpha1.ReasonWaitingForSecret)
			if meta.FindStatusCondition(waiting.Status.Conditions, v1alpha1.ConditionStalled) != nil || waiting.Status.Binding != nil {
				t.Errorf("status is %+v", waiting.Status)
			}
			w.awaitLive(app)

			first, second := ownKey(app, "1"), ownKey(app, "2")
			own := w.put("own", corev1.SecretTypeOpaque, map[string]string{v1alpha1.KeyAPIKey: first}, label)
			w.awaitKey(app, first)
			w.untouched(own)
			w.awaitLive(app, "1")

			w.edit("own", func(s *corev1.Secret) { s.Data[v1alpha1.KeyAPIKey] = []byte(second) })
			w.awaitKey(app, second)
			end := secondAfter(w, v1alpha1.DefaultOverlap)
			w.awaitLive(app, until("1", &end), "2")
			if err := w.works(app, first); err != nil {
				t.Error(err)
			}

			w.remove(app.SecretName()) // it can be written again
			w.awaitKey(app, second)
			w.awaitLive(app, until("1", &end), "2")

			w.change(app, brings("")) // from now on the operator makes them
			w.clock.advance(v1alpha1.DefaultOverlap)
			w.poke(app)
			generated := w.otherKey(app, second)
			end = secondAfter(w, v1alpha1.DefaultOverlap)
			w.awaitLive(app, until("2", &end), "3")
			if keyOf(generated) == first {
				t.Error("an old key came back")
			}
		})
	}
}

// secondAfter is the operator's time and something, as it writes times down.
func secondAfter(w *world, d time.Duration) time.Time { return second(w.clock.Now()).Add(d) }

// What cannot be this Application's key is refused, with words that help and do not repeat it. Once it is put right,
// all is well.
func TestExistingSecretIsInvalid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other, _ := w.ready(w.apply("other"))
	for name, c := range map[string]struct {
		key  func(*v1alpha1.Application) string
		want []string
	}{
		"empty":  {func(*v1alpha1.Application) string { return "" }, []string{"has no key api-key"}},
		"words":  {func(*v1alpha1.Application) string { return "hunter2-hunter2" }, []string{"wrong form or checksum"}},
		"broken": {func(a *v1alpha1.Application) string { return mistyped(ownKey(a, "1")) }, []string{"wrong form or checksum"}},
		"alien":  {func(*v1alpha1.Application) string { return ownKey(other, "1") }, []string{other.ClientID(), "this Application's is "}},
	} {
		app := w.apply(name, brings(name+"-own"))
		w.await(app, v1alpha1.ConditionCredentialsPublished, metav1.ConditionFalse, v1alpha1.ReasonWaitingForSecret)
		key := c.key(app)
		w.put(name+"-own", corev1.SecretTypeOpaque, map[string]string{v1alpha1.KeyAPIKey: key}, inSight)
		current := w.await(app, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonExistingSecretInvalid)
		published := meta.FindStatusCondition(current.Status.Conditions, v1alpha1.ConditionCredentialsPublished)
		for _, want := range append(c.want, name+"-own") {
			if !strings.Contains(published.Message, want) {
				t.Errorf("%s: %q does not say %q", name, published.Message, want)
			}
		}
		if !meta.IsStatusConditionTrue(current.Status.Conditions, v1alpha1.ConditionStalled) {
			t.Errorf("%s: Stalled is not true", name)
		}
		w.awaitEvent(app, corev1.EventTypeWarning, v1alpha1.ReasonExistingSecretInvalid, c.want[0])
		w.awaitLive(app)
		w.tellsNothing(current, key)

		w.edit(name+"-own", func(s *corev1.Secret) { s.Data = map[string][]byte{v1alpha1.KeyAPIKey: []byte(ownKey(app, "1"))} })
		w.awaitKey(app, ownKeyIn(w, name+"-own"))
	}
}

// mistyped is a key with one letter changed.
func mistyped(key string) string {
	last := "a"
	if strings.HasSuffix(key, last) {
		last = "b"
	}
	return key[:len(key)-1] + last
}

func ownKeyIn(w *world, name string) string {
	secret, err := w.secret(name)
	if err != nil {
		w.t.Fatal(err)
	}
	return keyOf(secret)
}

// tellsNothing fails when a text is in an Application's status or events.
func (w *world) tellsNothing(app *v1alpha1.Application, secret string) {
	w.t.Helper()
	events, err := w.events(app, "")
	if err != nil || len(events) == 0 {
		w.t.Errorf("%d events: %v", len(events), err)
	}
	current, err := w.read(app)
	if err != nil {
		w.t.Fatal(err)
	}
	if secret != "" && strings.Contains(text(w.t, events)+text(w.t, current), secret) {
		w.t.Error("a secret is told")
	}
}

// A bad key in place of a good one changes nothing: what was published stays valid.
func TestExistingSecretTurnsBad(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.apply("shop", brings("own"))
	key := ownKey(app, "1")
	w.put("own", corev1.SecretTypeOpaque, map[string]string{v1alpha1.KeyAPIKey: key}, inSight)
	w.awaitKey(app, key)
	for reason, spoil := range map[string]func(){
		v1alpha1.ReasonExistingSecretInvalid: func() { w.edit("own", func(s *corev1.Secret) { s.Data[v1alpha1.KeyAPIKey] = []byte("x") }) },
		v1alpha1.ReasonWaitingForSecret:      func() { w.remove("own") },
	} {
		spoil()
		current := w.await(app, v1alpha1.ConditionCredentialsPublished, metav1.ConditionFalse, reason)
		secret, err := w.secret(app.SecretName())
		if err != nil || keyOf(secret) != key || current.Status.Binding == nil {
			t.Errorf("%s: the Secret is another one: %v; %+v", reason, err, current.Status)
		}
		w.awaitLive(app, "1")
		if reason == v1alpha1.ReasonExistingSecretInvalid {
			w.edit("own", func(s *corev1.Secret) { s.Data[v1alpha1.KeyAPIKey] = []byte(key) })
		} else {
			w.put("own", corev1.SecretTypeOpaque, map[string]string{v1alpha1.KeyAPIKey: key}, inSight)
		}
		w.awaitKey(app, key)
	}
}
