package operator

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// called gives the Secret a name.
func called(name string) func(*v1alpha1.Application) {
	return credentialsSpec(func(c *v1alpha1.Credentials) { c.SecretName = name })
}

// adoptable offers a Secret to an Application.
func adoptable(name string) func(*corev1.Secret) {
	return func(s *corev1.Secret) { metav1.SetMetaDataAnnotation(&s.ObjectMeta, v1alpha1.AdoptAnnotation, name) }
}

// taken waits until an Application says that its Secret's name is taken, in every way that it should.
func (w *world) taken(app *v1alpha1.Application, name string) {
	w.t.Helper()
	current := w.await(app, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonSecretTaken)
	published := meta.FindStatusCondition(current.Status.Conditions, v1alpha1.ConditionCredentialsPublished)
	if published.Status != metav1.ConditionFalse || published.Reason != v1alpha1.ReasonSecretTaken {
		w.t.Errorf("CredentialsPublished is %+v", published)
	}
	if !meta.IsStatusConditionTrue(current.Status.Conditions, v1alpha1.ConditionStalled) {
		w.t.Errorf("Stalled is not true: %+v", current.Status.Conditions)
	}
	if current.Status.Binding != nil {
		w.t.Errorf("it is bound to %v", current.Status.Binding)
	}
	w.awaitEvent(app, corev1.EventTypeWarning, v1alpha1.ReasonSecretTaken, "Secret "+name+" belongs to somebody else")
}

// untouched fails when a Secret is not as it was.
func (w *world) untouched(was *corev1.Secret) {
	w.t.Helper()
	if now, err := w.secret(was.Name); err != nil || now.UID != was.UID || now.ResourceVersion != was.ResourceVersion {
		w.t.Errorf("Secret %s was touched: %v", was.Name, err)
	}
}

// Somebody else's Secret is left alone, whether it has the Secret's name or the candidate's, and even with the
// operator's label on it. When it goes, all is well by itself.
func TestForeignSecretIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, foreign := range map[string]*corev1.Secret{
		"plain":    w.put("plain-theeye", corev1.SecretTypeOpaque, map[string]string{"password": "x"}),
		"alike":    w.put("alike-theeye", v1alpha1.SecretType, map[string]string{v1alpha1.KeyAPIKey: "x"}),
		"labelled": w.put("labelled-theeye", corev1.SecretTypeOpaque, nil, func(s *corev1.Secret) { s.Labels = map[string]string{v1alpha1.SecretLabel: "issued"} }),
		"next":     w.put("next-theeye-next", corev1.SecretTypeOpaque, map[string]string{"password": "x"}),
		"offered":  w.put("offered-theeye", corev1.SecretTypeOpaque, nil, adoptable("another")),
	} {
		app := w.apply(name)
		w.taken(app, foreign.Name)
		w.untouched(foreign)
		w.awaitLive(app)
		w.remove(foreign.Name)
		w.clock.advance(w.options.PollInterval)
		if current, _ := w.ready(app); meta.FindStatusCondition(current.Status.Conditions, v1alpha1.ConditionStalled) != nil {
			t.Errorf("%s is still stalled: %+v", name, current.Status.Conditions)
		}
	}
}

// A Secret that is offered by the annotation is taken over: as it is, with what is in it, when its type is right, and
// else by a new one.
func TestOfferedSecretIsAdopted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, secretType := range map[string]corev1.SecretType{"same": v1alpha1.SecretType, "other": corev1.SecretTypeOpaque} {
		foreign := w.put(name+"-theeye", secretType, map[string]string{"mine": "x", v1alpha1.KeyURI: "y"})
		app := w.apply(name)
		w.taken(app, foreign.Name)
		w.edit(foreign.Name, adoptable(name))
		w.clock.advance(w.options.PollInterval)
		app, secret := w.ready(app)
		keys := slices.Sorted(maps.Keys(secret.Data))
		if kept := slices.Contains(keys, "mine"); kept != (name == "same") || kept != (secret.UID == foreign.UID) {
			t.Errorf("%s: keys %v, same Secret: %t", name, keys, secret.UID == foreign.UID)
		}
		if !metav1.IsControlledBy(secret, app) || secret.Type != v1alpha1.SecretType || string(secret.Data[v1alpha1.KeyURI]) != eventsURL {
			t.Errorf("%s: type %s, owners %v", name, secret.Type, secret.OwnerReferences)
		}
	}
}

// An offered Secret under a name to which an Application moves takes the key over, not a new one.
func TestMoveToAnOfferedSecretKeepsTheKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app, before := w.ready(w.apply("shop"))
	w.put("offered", v1alpha1.SecretType, map[string]string{v1alpha1.KeyAPIKey: "mine"}, adoptable("shop"))
	w.change(app, called("offered"))
	w.awaitGone(before.Name)
	if _, after := w.ready(app); keyOf(after) != keyOf(before) {
		t.Error("the key is another one")
	}
	w.awaitLive(app, "1")
}

// Two Applications that want one Secret: the second one says so, and the first one never notices.
func TestTwoWantOneSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, secret := w.ready(w.apply("first", called("shared")))
	second := w.apply("second", called("shared"))
	w.taken(second, "shared")
	w.untouched(secret)
	w.rotate(first, "now")
	w.otherKey(first, keyOf(secret))
	w.awaitLive(second)

	w.change(first, called(""))
	w.awaitGone("shared") // the first moves, and the name is free
	w.clock.advance(w.options.PollInterval)
	if _, published := w.ready(second); published.UID == secret.UID {
		t.Error("the second one has the first one's Secret")
	}
	w.ready(first)
}

// An Application that is deleted while its Secret's name is taken leaves the Secret to whom it belongs.
func TestTakenSecretOutlivesTheApplication(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	foreign := w.put("shop-theeye", corev1.SecretTypeOpaque, map[string]string{"password": "x"})
	app := w.apply("shop")
	w.taken(app, foreign.Name)
	if err := w.client.Delete(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	w.eventually(func() error {
		if _, err := w.read(app); err == nil {
			return fmt.Errorf("application: %w", errStillThere)
		}
		return nil
	})
	w.untouched(foreign)
}
