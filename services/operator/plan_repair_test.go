package operator

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/theeye-dev/theeye/api/v1alpha1"
)

func loseBook(s *corev1.Secret) { delete(s.Annotations, v1alpha1.CredentialsAnnotation) }

// editing is a change of the Secret by hand.
func editing(change func(*corev1.Secret)) func(*model) {
	return func(m *model) { m.edit(modelIssued, change) }
}

func setting(keys ...string) func(*corev1.Secret) {
	return func(s *corev1.Secret) {
		for _, key := range keys {
			s.Data[key] = []byte("edited")
		}
	}
}

// repaired is what follows from a fault that costs no credential: key and book are the same afterwards.
func repaired(given func(*model), steps ...string) situation {
	var key, book string
	return situation{
		birth: func(m *model) { m.rotate("at birth") },
		given: func(m *model) {
			m.now = m.now.Add(time.Hour)
			key, book = m.key(), m.secrets[modelIssued].Annotations[v1alpha1.CredentialsAnnotation]
			given(m)
		},
		told: well, steps: steps, then: well,
		check: func(t *testing.T, m *model) {
			t.Helper()
			secret := m.secrets[m.app.SecretName()]
			if m.key() != key || string(secret.Data[v1alpha1.KeyClientSecret]) != key {
				t.Error("the key is another")
			}
			if got := secret.Annotations[v1alpha1.CredentialsAnnotation]; got != book {
				t.Errorf("the book is %s, was %s", got, book)
			}
			if len(secret.OwnerReferences) != 1 || secret.Labels[v1alpha1.SecretLabel] != v1alpha1.SecretIssued {
				t.Errorf("the Secret is %+v", secret.ObjectMeta)
			}
		},
	}
}

func TestDecideRepair(t *testing.T) {
	t.Parallel()
	const write = "Publish " + whyUpdated
	runAll(t, map[string]situation{
		"api-key edited":       repaired(editing(setting(v1alpha1.KeyAPIKey)), write),
		"client-secret edited": repaired(editing(setting(v1alpha1.KeyClientSecret)), write),
		"api-key removed":      repaired(editing(func(s *corev1.Secret) { delete(s.Data, v1alpha1.KeyAPIKey) }), write),
		"client-id and uri":    repaired(editing(setting(v1alpha1.KeyClientID, v1alpha1.KeyURI)), write),
		"annotation lost":      repaired(editing(loseBook), write),
		"label lost":           repaired(editing(func(s *corev1.Secret) { delete(s.Labels, v1alpha1.SecretLabel) }), write),
		"label changed":        repaired(editing(func(s *corev1.Secret) { s.Labels[v1alpha1.SecretLabel] = "other" }), write),
		"rendered lost":        repaired(editing(func(s *corev1.Secret) { delete(s.Annotations, renderedAnnotation) }), write),
		"what others added": repaired(editing(func(s *corev1.Secret) {
			s.Labels["their"], s.Annotations["their"], s.Data["their"] = "own", "own", []byte("own")
		})),
		"immutable, as it should be": repaired(editing(func(s *corev1.Secret) { s.Immutable = new(true) })),
		"template changed": repaired(func(m *model) {
			m.credentials().Template = &v1alpha1.SecretTemplate{Labels: map[string]string{"team": "web"}}
		}, write),
		"settings changed":  repaired(func(m *model) { m.settings.EventsURL = "https://other.example/v1/events" }, write),
		"a stray candidate": repaired(func(m *model) { m.create(renderCandidate(m.app, m.key(), Entry{ID: "1", SHA256: digest(m.key())})) }, "DeleteSecret "+modelNext),
	})
}

// replaced is what follows when nobody has the key any more: whoever still uses it may, for the overlap.
func replaced(told string, given func(*model), steps ...string) situation {
	return situation{given: given, told: told, steps: append(steps, rotated("2", "1 until 24h0m0s")...), then: well, next: 18 * time.Hour}
}

func TestDecideLostKey(t *testing.T) {
	t.Parallel()
	both := setting(v1alpha1.KeyAPIKey, v1alpha1.KeyClientSecret)
	frozen := func(edit func(*corev1.Secret)) func(*model) {
		return func(m *model) { m.edit(modelIssued, edit); m.edit(modelIssued, setting(v1alpha1.KeyURI)) }
	}
	frozenRotation := situation{
		given: func(m *model) {
			m.edit(modelIssued, func(s *corev1.Secret) { s.Immutable = new(true) })
			m.rotate("one")
		},
		told: "Rotating Registered", then: well, next: 18 * time.Hour,
		steps: []string{
			"CreateCandidate 2", "PutCredential 2", "DeleteSecret " + modelIssued, "Publish " + whyRotated,
			"PutCredential 1 until 24h0m0s", "DeleteSecret " + modelNext,
		},
	}
	runAll(t, map[string]situation{
		"Secret deleted":                         replaced("Pending Registered", func(m *model) { delete(m.secrets, modelIssued) }),
		"both keys edited":                       replaced("Pending Registered", editing(both)),
		"both keys edited, annotation lost":      replaced("Pending Registered", editing(func(s *corev1.Secret) { both(s); loseBook(s) })),
		"immutable, and not as it should be":     replaced(well, frozen(func(s *corev1.Secret) { s.Immutable = new(true) }), "DeleteSecret "+modelIssued),
		"of another type, not as it should be":   replaced(well, frozen(func(s *corev1.Secret) { s.Type = "Opaque" }), "DeleteSecret "+modelIssued),
		"immutable, and a new credential is due": frozenRotation,
	})
}

func TestDecideForeignSecret(t *testing.T) {
	t.Parallel()
	taken := "SecretTaken Registered Stalled"
	instead := func(adopter string, edits ...func(*corev1.Secret)) func(*model) {
		return func(m *model) {
			m.foreign(modelIssued, adopter)
			for _, edit := range edits {
				m.edit(modelIssued, edit)
			}
		}
	}
	untouched := situation{
		given: instead(""), told: taken, then: taken, next: 30 * time.Second,
		check: func(t *testing.T, m *model) {
			t.Helper()
			if s := m.secrets[modelIssued]; len(s.Data) != 1 || len(s.Labels)+len(s.OwnerReferences) > 0 {
				t.Errorf("it was touched: %+v", s)
			}
		},
	}
	offered := untouched
	offered.given = instead("another")
	due := untouched
	due.given = func(m *model) { instead("")(m); m.rotate("one") }
	runAll(t, map[string]situation{
		"somebody else's":                 untouched,
		"offered to another Application":  offered,
		"somebody else's, with a request": due,
		"offered":                         replaced("Pending Registered", instead(modelName)),
		"offered, and of another type": {
			given: instead(modelName, func(s *corev1.Secret) { s.Type = "Opaque" }), told: "Pending Registered", then: well, next: 18 * time.Hour,
			steps: []string{
				"CreateCandidate 2", "PutCredential 2", "DeleteSecret " + modelIssued, "Publish " + whyRotated,
				"PutCredential 1 until 24h0m0s", "DeleteSecret " + modelNext,
			},
		},
	})
}

func TestDecideRename(t *testing.T) {
	t.Parallel()
	rename := func(m *model) { m.credentials().SecretName = "other" }
	moved := repaired(rename, "Publish "+whyUpdated, "DeleteSecret "+modelIssued)
	moved.told = "Pending Registered"
	overlap := situation{
		given: overlapping(time.Hour, rename), told: "Pending Registered", then: well, next: 17 * time.Hour,
		steps: []string{"Publish " + whyUpdated, "DeleteSecret " + modelIssued},
	}
	taken := situation{
		given: func(m *model) { rename(m); m.foreign("other", "") }, told: "SecretTaken Registered Stalled",
		then: "SecretTaken Registered Stalled", next: 30 * time.Second,
		check: func(t *testing.T, m *model) {
			t.Helper()
			if m.secrets[modelIssued] == nil {
				t.Error("the Secret under the old name is gone, and there is no other")
			}
		},
	}
	runAll(t, map[string]situation{
		"moved": moved, "moved during an overlap": overlap, "to a name that is taken": taken,
		"and back before anyone looked": repaired(func(m *model) { rename(m); m.credentials().SecretName = "" }),
	})
}
