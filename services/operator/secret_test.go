package operator

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// template gives the Secret a shape.
func template(t v1alpha1.SecretTemplate) func(*v1alpha1.Application) {
	return credentialsSpec(func(c *v1alpha1.Credentials) { c.Template = &t })
}

// shaped tells whether a Secret has these data keys exactly, and these labels and annotations beside the operator's own.
func shaped(secret *corev1.Secret, keys, labels, annotations []string) error {
	labels = append(slices.Clone(labels), v1alpha1.SecretLabel)
	annotations = append(slices.Clone(annotations), v1alpha1.CredentialsAnnotation, renderedAnnotation)
	slices.Sort(keys)
	slices.Sort(labels)
	slices.Sort(annotations)
	return joinDiffs(
		cmp.Diff(keys, slices.Sorted(maps.Keys(secret.Data))),
		cmp.Diff(labels, slices.Sorted(maps.Keys(secret.Labels))),
		cmp.Diff(annotations, slices.Sorted(maps.Keys(secret.Annotations))),
	)
}

func joinDiffs(diffs ...string) error {
	for _, d := range diffs {
		if d != "" {
			return fmt.Errorf("the Secret has another shape:\n%s", d)
		}
	}
	return nil
}

// A template adds to the Secret, and what it drops goes again, after the first write as after later ones. What others
// added stays.
func TestTemplateShapesTheSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app, secret := w.ready(w.apply("shop", template(v1alpha1.SecretTemplate{
		Labels: map[string]string{"team": "shop", "tier": "front"}, Annotations: map[string]string{"note": "hello"},
		Keys: map[string]string{"CLIENT_ID": "$(client-id)", "client-id": "", "endpoint": "$(uri)?of=$(client-id)", "region": "north"},
	})))
	key := keyOf(secret)
	if err := shaped(secret, []string{"type", "provider", "client-secret", "api-key", "uri", "token-uri", "CLIENT_ID", "endpoint", "region"},
		[]string{"team", "tier"}, []string{"note"}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"CLIENT_ID": app.ClientID(), "endpoint": eventsURL + "?of=" + app.ClientID(), "region": "north"} {
		if got := string(secret.Data[name]); got != want {
			t.Errorf("key %s is %q, want %q", name, got, want)
		}
	}
	if secret.Labels["team"] != "shop" || secret.Annotations["note"] != "hello" {
		t.Errorf("labels %v, annotations %v", secret.Labels, secret.Annotations)
	}

	w.edit(secret.Name, func(s *corev1.Secret) {
		s.Labels["theirs"], s.Annotations["theirs"], s.Data["theirs"] = "1", "1", []byte("1")
	})
	for _, step := range []struct {
		now                       v1alpha1.SecretTemplate
		keys, labels, annotations []string
	}{
		{ // of what was created, some goes and some comes
			v1alpha1.SecretTemplate{Labels: map[string]string{"tier": "back", "zone": "a"}, Keys: map[string]string{"region": "south", "token-uri": ""}},
			[]string{"type", "provider", "client-id", "client-secret", "api-key", "uri", "region", "theirs"},
			[]string{"tier", "zone", "theirs"},
			[]string{"theirs"},
		},
		{ // and of what was applied
			v1alpha1.SecretTemplate{},
			[]string{"type", "provider", "client-id", "client-secret", "api-key", "uri", "token-uri", "theirs"},
			[]string{"theirs"},
			[]string{"theirs"},
		},
	} {
		w.change(app, template(step.now))
		changed := w.awaitSecret(secret.Name, func(s *corev1.Secret) error { return shaped(s, step.keys, step.labels, step.annotations) })
		if keyOf(changed) != key || changed.UID != secret.UID || changed.Labels["tier"] != step.now.Labels["tier"] {
			t.Errorf("another key or Secret, or label: %v", changed.ObjectMeta)
		}
	}
	w.awaitLive(app, "1")
}

// The only key with the secret in it may get another name: that is no reason for another secret.
func TestRenamedKeyKeepsTheCredential(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	renamed := func(name string) func(*v1alpha1.Application) {
		return template(v1alpha1.SecretTemplate{Keys: map[string]string{name: "$(api-key)", "api-key": "", "client-secret": ""}})
	}
	app := w.await(w.apply("shop", renamed("FIRST")), v1alpha1.ConditionReady, metav1.ConditionTrue, "")
	before, err := w.secret(app.SecretName())
	if err != nil {
		t.Fatal(err)
	}
	w.change(app, renamed("SECOND"))
	after := w.awaitSecret(app.SecretName(), func(s *corev1.Secret) error {
		return shaped(s, []string{"type", "provider", "client-id", "uri", "token-uri", "SECOND"}, nil, nil)
	})
	if string(after.Data["SECOND"]) != string(before.Data["FIRST"]) {
		t.Error("the key is another one")
	}
	w.await(app, v1alpha1.ConditionReady, metav1.ConditionTrue, "")
	w.awaitLive(app, "1")
}

// Whatever is changed in the Secret by hand is put right, with the same key as long as that is there.
func TestEditedSecretIsRepaired(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app, secret := w.ready(w.apply("shop", template(v1alpha1.SecretTemplate{
		Labels: map[string]string{"team": "shop"}, Annotations: map[string]string{"note": "hello"}, Keys: map[string]string{"region": "north"},
	})))
	want := secret.DeepCopy()
	for what, edit := range map[string]func(*corev1.Secret){
		"uri":              func(s *corev1.Secret) { s.Data[v1alpha1.KeyURI] = []byte("https://evil.example.com") },
		"client-id":        func(s *corev1.Secret) { delete(s.Data, v1alpha1.KeyClientID) },
		"api-key":          func(s *corev1.Secret) { s.Data[v1alpha1.KeyAPIKey] = []byte("x") },
		"client-secret":    func(s *corev1.Secret) { s.Data[v1alpha1.KeyClientSecret] = []byte("x") },
		"template's key":   func(s *corev1.Secret) { s.Data["region"] = []byte("x") },
		"label":            func(s *corev1.Secret) { s.Labels["team"] = "x" },
		"operator's label": func(s *corev1.Secret) { delete(s.Labels, v1alpha1.SecretLabel) },
		"label's value":    func(s *corev1.Secret) { s.Labels[v1alpha1.SecretLabel] = v1alpha1.SecretCandidate },
		"annotation":       func(s *corev1.Secret) { delete(s.Annotations, "note") },
		"book":             func(s *corev1.Secret) { delete(s.Annotations, v1alpha1.CredentialsAnnotation) },
		"book's text":      func(s *corev1.Secret) { s.Annotations[v1alpha1.CredentialsAnnotation] = "[]" },
	} {
		w.edit(secret.Name, edit)
		w.awaitSecret(secret.Name, func(s *corev1.Secret) error {
			if d := cmp.Diff(want.Data, s.Data) + cmp.Diff(want.Labels, s.Labels) + cmp.Diff(want.Annotations, s.Annotations); d != "" {
				return fmt.Errorf("%s is not repaired: %s", what, d)
			}
			return nil
		})
	}
	w.awaitEvent(app, corev1.EventTypeNormal, whyUpdated, secret.Name)
	w.awaitLive(app, "1")
}

// A key that was overwritten, or went with the Secret, is nobody's any more: there is a new one, and who still has the
// old one keeps it during the overlap.
func TestLostKeyIsReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, lose := range map[string]func(string){
		"deleted": w.remove,
		"edited": func(name string) {
			w.edit(name, func(s *corev1.Secret) {
				s.Data[v1alpha1.KeyAPIKey], s.Data[v1alpha1.KeyClientSecret] = []byte("mine"), []byte("mine")
			})
		},
		"emptied": func(name string) { w.edit(name, func(s *corev1.Secret) { s.Data = nil }) },
		"bared":   func(name string) { w.edit(name, func(s *corev1.Secret) { s.Annotations, s.Data = nil, nil }) },
	} {
		app, before := w.ready(w.apply(name))
		lose(before.Name)
		after := w.otherKey(app, keyOf(before))
		if keyOf(after) == "mine" || string(after.Data[v1alpha1.KeyClientID]) != app.Status.ClientID || after.Data[v1alpha1.KeyURI] == nil {
			t.Errorf("%s: the Secret is not whole again", name)
		}
		end := second(w.clock.Now()).Add(v1alpha1.DefaultOverlap)
		w.awaitLive(app, until("1", &end), "2")
		if err := w.works(app, keyOf(before)); err != nil {
			t.Errorf("%s: old key: %v", name, err)
		}
	}
}

// A Secret that cannot be changed is replaced, when it has to be.
func TestImmutableSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app, before := w.ready(w.apply("shop"))
	immutable := true
	w.edit(before.Name, func(s *corev1.Secret) { s.Immutable = &immutable })
	w.rotate(app, "now")
	after := w.otherKey(app, keyOf(before))
	if after.UID == before.UID || after.Immutable != nil && *after.Immutable {
		t.Errorf("the Secret is the same one, or immutable again: %v", after.ObjectMeta)
	}
	end := second(w.clock.Now()).Add(v1alpha1.DefaultOverlap)
	w.awaitLive(app, until("1", &end), "2")
}

// A Secret moves with its key when it gets another name.
func TestSecretMoves(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app, before := w.ready(w.apply("shop"))
	w.change(app, credentialsSpec(func(c *v1alpha1.Credentials) { c.SecretName = "moved" }))
	w.awaitGone(before.Name)
	app, after := w.ready(app)
	if after.Name != "moved" || keyOf(after) != keyOf(before) || app.Status.Binding.Name != "moved" {
		t.Errorf("Secret %s, same key: %t, status %+v", after.Name, keyOf(after) == keyOf(before), app.Status)
	}
	if diff := cmp.Diff(before.Annotations, after.Annotations); diff != "" {
		t.Errorf("the book is another one: %s", diff)
	}
	w.awaitLive(app, "1")
}

// The Secret is owned so that it goes with its Application, which waits for it. An owner that was taken away comes back;
// whoever owns it instead has the Secret to himself.
func TestOwnership(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app, secret := w.ready(w.apply("shop"))
	yes := true
	want := []metav1.OwnerReference{{
		APIVersion: "theeye.dev/v1alpha1", Kind: "Application", Name: "shop", UID: app.UID, Controller: &yes, BlockOwnerDeletion: &yes,
	}}
	if diff := cmp.Diff(want, secret.OwnerReferences); diff != "" {
		t.Fatal(diff)
	}
	w.change(app, template(v1alpha1.SecretTemplate{Labels: map[string]string{"tier": "front"}}))
	applied := w.awaitSecret(secret.Name, func(s *corev1.Secret) error {
		return shaped(s, slices.Collect(maps.Keys(s.Data)), []string{"tier"}, nil)
	})
	if diff := cmp.Diff(want, applied.OwnerReferences); diff != "" {
		t.Fatalf("once applied: %s", diff)
	}
	w.edit(secret.Name, func(s *corev1.Secret) { s.OwnerReferences = nil })
	w.awaitSecret(secret.Name, func(s *corev1.Secret) error {
		if d := cmp.Diff(want, s.OwnerReferences) + cmp.Diff(applied.Data, s.Data); d != "" {
			return fmt.Errorf("not repaired: %s", d)
		}
		return nil
	})
	owner := w.put("owner", corev1.SecretTypeOpaque, nil) // one that exists: what is owned by nobody is collected
	other := want[0]
	other.Kind, other.APIVersion, other.Name, other.UID = "Secret", "v1", owner.Name, owner.UID
	w.edit(secret.Name, func(s *corev1.Secret) { s.OwnerReferences = []metav1.OwnerReference{other} })
	w.await(app, v1alpha1.ConditionCredentialsPublished, metav1.ConditionFalse, v1alpha1.ReasonSecretTaken)
	taken, err := w.secret(secret.Name)
	if err != nil {
		t.Fatal(err)
	}
	w.change(app, template(v1alpha1.SecretTemplate{Labels: map[string]string{"team": "shop"}}))
	w.await(app, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonSecretTaken)
	if now, err := w.secret(secret.Name); err != nil || now.ResourceVersion != taken.ResourceVersion {
		t.Errorf("the Secret was touched: %v", err)
	}
	w.awaitLive(app, "1") // what has it goes on working
}
