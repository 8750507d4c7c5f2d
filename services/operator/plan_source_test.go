package operator

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// A foreign Secret of the candidate's name is in nobody's way until a candidate is needed, and then says so.
func TestForeignCandidateName(t *testing.T) {
	t.Parallel()
	m := issuedModel(t)
	m.foreign(modelNext, "")
	if steps, d := m.settle(); len(steps) > 0 || d.Published.Reason != v1alpha1.ReasonPublished || d.Stalled {
		t.Errorf("idle: %q, %+v", steps, d.Published)
	}
	m.rotate("now")
	steps, d := m.settle()
	if len(steps) > 0 || d.Published.Reason != v1alpha1.ReasonSecretTaken || !d.Stalled || !d.Next.Equal(m.now.Add(m.settings.PollInterval)) {
		t.Errorf("due: %q, %+v, next %s", steps, d.Published, d.Next)
	}
	delete(m.secrets, modelNext)
	want := []string{"CreateCandidate 2", "PutCredential 2", "Publish CredentialsRotated", "PutCredential 1 until 24h0m0s", "DeleteSecret " + modelNext}
	if steps, _ := m.settle(); !slices.Equal(steps, want) {
		t.Errorf("free: %q", steps)
	}
}

// An existing Secret that goes back to the key before keeps that key valid all the time, and gets a new id.
func TestExistingKeyReturns(t *testing.T) {
	t.Parallel()
	m := newModel(t)
	a, b := apikey.New("own", m.app.ClientID(), "a"), apikey.New("own", m.app.ClientID(), "b")
	newOracle(m)
	m.credentials().ExistingSecret = "own"
	for _, c := range []struct {
		key  string
		want []string
	}{
		{a, []string{"AddFinalizer", "PutApplication", "CreateCandidate 1", "PutCredential 1", "Publish CredentialsIssued", "DeleteSecret " + modelNext}},
		{b, []string{"CreateCandidate 2", "PutCredential 2", "Publish CredentialsRotated", "PutCredential 1 until 25h0m0s", "DeleteSecret " + modelNext}},
		{a, []string{"CreateCandidate 3", "PutCredential 3", "DeleteCredential 1", "Publish CredentialsRotated", "PutCredential 2 until 26h0m0s", "DeleteSecret " + modelNext}},
		{b, []string{"CreateCandidate 4", "PutCredential 4", "DeleteCredential 2", "Publish CredentialsRotated", "PutCredential 3 until 27h0m0s", "DeleteSecret " + modelNext}},
	} {
		m.bring("own", c.key)
		if steps, _ := m.settle(); !slices.Equal(steps, c.want) {
			t.Errorf("steps are %q, want %q", steps, c.want)
		}
		if m.key() != c.key {
			t.Errorf("the Secret has %q", m.key())
		}
		m.now = m.now.Add(time.Hour)
	}
}

// Every state of an existing Secret has its own reason, and what was published before stays.
func TestExistingSecret(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		key     string
		reason  string
		stalled bool
	}{
		"missing":              {reason: v1alpha1.ReasonWaitingForSecret},
		"without an api-key":   {key: "-", reason: v1alpha1.ReasonExistingSecretInvalid, stalled: true},
		"malformed":            {key: "eye_test_nothing", reason: v1alpha1.ReasonExistingSecretInvalid, stalled: true},
		"of another client id": {key: apikey.New("own", apikey.ClientID(uuid.Nil), "1"), reason: v1alpha1.ReasonExistingSecretInvalid, stalled: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := issuedModel(t)
			m.credentials().ExistingSecret = "own"
			if c.key != "" {
				m.bring("own", c.key)
			}
			if c.key == "-" {
				m.bring("own", "")
			}
			before := m.key()
			steps, d := m.settle()
			if len(steps) > 0 || d.Published.Status != metav1.ConditionFalse || d.Published.Reason != c.reason || d.Stalled != c.stalled {
				t.Errorf("steps %q, published %+v, stalled %t", steps, d.Published, d.Stalled)
			}
			if !d.Next.Equal(m.now.Add(m.settings.PollInterval)) || m.key() != before {
				t.Errorf("next %s, key changed %t", d.Next, m.key() != before)
			}
			m.bring("own", apikey.New("own", m.app.ClientID(), "x"))
			if _, d := m.settle(); d.Published.Reason != v1alpha1.ReasonPublished || m.key() == before {
				t.Errorf("with a good one: %+v", d.Published)
			}
		})
	}
}
