package operator

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// A clock that was far ahead for a while puts nothing off: what was written by it counts from now.
func TestClockThatWasAhead(t *testing.T) {
	t.Parallel()
	m := issuedModel(t)
	m.rotation(time.Hour, 10*time.Minute)
	m.now = m.now.Add(400 * 24 * time.Hour)
	m.settle()
	m.now = m.now.Add(-400 * 24 * time.Hour)
	_, d := m.settle()
	if at := d.credentials.dueAt; at.After(m.now.Add(time.Hour)) {
		t.Errorf("next rotation is at %s, now is %s", at, m.now)
	}
	if p := d.credentials.previous; p == nil || p.NotAfter.After(m.now.Add(10*time.Minute)) {
		t.Errorf("previous is %+v, now is %s", p, m.now)
	}
	for _, c := range m.auth.Credentials {
		if c.NotAfter != nil && c.NotAfter.After(m.now.Add(10*time.Minute)) {
			t.Errorf("auth has %+v", c)
		}
	}
	if steps, _ := m.settle(); len(steps) > 0 {
		t.Errorf("it does not settle: %q", steps)
	}
}

// An id of sixteen digits, by hand in the annotation or at auth, leaves room to count on.
func TestLargestID(t *testing.T) {
	t.Parallel()
	m := issuedModel(t)
	m.edit(m.app.SecretName(), func(s *corev1.Secret) {
		s.Annotations[v1alpha1.CredentialsAnnotation] = strings.Replace(s.Annotations[v1alpha1.CredentialsAnnotation], `"id":"1"`, `"id":"9999999999999999"`, 1)
	})
	m.rotate("now")
	if _, d := m.settle(); d.credentials.current == nil || !apikey.ValidCredentialID(d.credentials.current.ID) || d.credentials.current.Request != "now" {
		t.Errorf("current is %+v", d.credentials.current)
	}
}

// However long the value of theeye.dev/rotate is, annotations stay short.
func TestLongRequest(t *testing.T) {
	t.Parallel()
	m := issuedModel(t)
	m.rotation(-1, 0)
	for _, request := range []string{strings.Repeat("a", 150_000), strings.Repeat("a", 150_000) + "b", "short"} {
		m.rotate(request)
		if steps, _ := m.settle(); !slices.Contains(steps, "Publish CredentialsRotated") {
			t.Errorf("steps are %q", steps)
		}
		if n := len(m.secrets[m.app.SecretName()].Annotations[v1alpha1.CredentialsAnnotation]); n > 2000 {
			t.Errorf("the annotation has %d bytes", n)
		}
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"short": "short", "exactly ten": "exactly…", "ääääää": "äää…"} {
		if got := cut(text, 10); got != want {
			t.Errorf("%q is cut to %q, want %q", text, got, want)
		}
	}
}

// Large Secrets are cached without what is large; a key that could be one stays.
func TestLargeSecretsAreCachedSmall(t *testing.T) {
	t.Parallel()
	s := &corev1.Secret{Data: map[string][]byte{"bulk": make([]byte, maxCached), v1alpha1.KeyAPIKey: []byte("key"), v1alpha1.KeyClientSecret: make([]byte, 1000)}}
	if _, err := withoutBulk(s); err != nil || len(s.Data) != 1 || string(s.Data[v1alpha1.KeyAPIKey]) != "key" {
		t.Errorf("kept is %v (%v)", s.Data, err)
	}
}

// A Secret that is lost again and again costs auth no more than a credential in a while, says so, and heals.
func TestSecretIsLostAgainAndAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app, _ := w.ready(w.apply("shop"))
	for range issueBurst {
		w.remove(app.SecretName())
		w.eventually(func() error {
			if current, err := w.read(app); err == nil && current.Status.Conditions != nil {
				for _, c := range current.Status.Conditions {
					if c.Reason == v1alpha1.ReasonReplacedTooOften {
						return nil
					}
				}
			}
			_, err := w.secret(app.SecretName())
			return err
		})
	}
	w.await(app, v1alpha1.ConditionCredentialsPublished, metav1.ConditionFalse, v1alpha1.ReasonReplacedTooOften)
	w.clock.advance(issueEvery)
	w.poke(app)
	w.ready(app)
}

// What an Application was told to erase is erased although auth, which would have known it, is away until the end.
func TestEraseWithoutAuth(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app, _ := w.ready(w.apply("shop"))
	w.auth.Kill()
	w.change(app, func(a *v1alpha1.Application) { a.Spec.DeletionPolicy = "Erase" })
	w.clock.advance(2 * w.options.RevokeTimeout) // so that it is overdue from the start
	if err := w.client.Delete(context.Background(), app); err != nil {
		t.Fatal(err)
	}
	w.eventually(func() error {
		if _, err := w.read(app); err == nil {
			return errStillThere
		}
		return nil
	})
	w.archive.set(func(f *fakeArchive) {
		if !slices.Contains(f.erased, app.UUID()) {
			t.Error("its events were not erased")
		}
	})
}
