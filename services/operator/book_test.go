package operator

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// Whoever may edit the Secret may write anything into its annotation: it is none, or one that can be written again and
// gives the same, to auth as well.
func FuzzReadBook(f *testing.F) {
	const hash = `"sha256":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"`
	for _, text := range []string{
		"", "null", "[]", "{}", "[{}]", `[{"id":"1",` + hash + `}]`, `[{"id":"-",` + hash + `}]`, `[{"id":"1"},{"id":"2"}]`,
		`[{"id":"2",` + hash + `,"issuedAt":"2026-03-01T12:00:00Z"},{"id":"1",` + hash + `,"replacedAt":"2026-03-01T12:00:00Z","notAfter":"2026-03-02T12:00:00Z"}]`,
		`[{"id":"2",` + hash + `},{"id":"1",` + hash + `,"notAfter":"2026-03-02T12:00:00+02:00"}]`,
		`[{"id":"2",` + hash + `},{"id":"1",` + hash + `,"replacedAt":"9999-12-31T23:59:59Z","notAfter":"9999-12-31T23:59:59Z"}]`,
		`[{"id":"2",` + hash + `},{"id":"1",` + hash + `,"replacedAt":"2026-03-01T12:00:00.0000000001+14:00","notAfter":"2026-03-02T12:00:00Z"}]`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m := issuedModel(t)
		m.edit(modelIssued, func(s *corev1.Secret) {
			metav1.SetMetaDataAnnotation(&s.ObjectMeta, v1alpha1.CredentialsAnnotation, text)
		})
		book := readBook(m.secrets[modelIssued])
		if len(book) > 2 || book != nil && len(book) < 1 {
			t.Fatalf("%d entries", len(book))
		}
		for i, e := range book {
			if !apikey.ValidCredentialID(e.ID) || i == 0 && e.ReplacedAt != nil || i == 1 && e.NotAfter == nil {
				t.Fatalf("entry %d is %+v", i, e)
			}
		}
		m.settle() // it is repaired, whatever it said, and stays so
		if again, _ := m.settle(); len(again) > 0 {
			t.Fatalf("it never rests: %q", again)
		}
	})
}

// An overlap may be any duration; deadlines are whole seconds, as auth and the operator's clock keep them.
func TestOddOverlap(t *testing.T) {
	t.Parallel()
	m := issuedModel(t, func(m *model) { m.rotation(-1, time.Hour+time.Nanosecond) })
	m.rotate("now")
	m.settle()
	if again, _ := m.settle(); len(again) > 0 {
		t.Errorf("it never rests: %q", again)
	}
}
