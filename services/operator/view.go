package operator

import (
	"cmp"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// View is all that a decision is made from. Nothing else is asked: the same View always gives the same Decision.
type View struct {
	Application *v1alpha1.Application
	// Issued and Candidate are the Secrets of these two names, whoever owns them; nil when there are none.
	Issued, Candidate *corev1.Secret
	// Strays are Secrets of this Application under other names: of a secretName that it had before.
	Strays []*corev1.Secret
	// Existing is the Secret that spec.credentials.existingSecret names; nil when it is not there.
	Existing *corev1.Secret
	// Faults are the schemas that do not compile, by the index of their event type.
	Faults map[int]SchemaFault
	// Auth is auth's record; nil when auth does not know the Application.
	Auth *registry.Application
	Now  time.Time

	// RevokedAt is when a deleted Application was first seen to have no credentials in auth; Erased tells that persistence
	// has taken its erasure on.
	RevokedAt time.Time
	Erased    bool
}

// SchemaFault is what is wrong with a declared schema, and where in it (a JSON pointer).
type SchemaFault struct{ Pointer, Detail string }

// Settings are what the operator was started with and decisions depend on.
type Settings struct {
	// Cluster is the id of this cluster in auth's records.
	Cluster string
	// EventsURL is where applications post events, and TokenURL where they get access tokens: what Secrets say.
	EventsURL, TokenURL string
	// KeyEnv is the word of the installation in API keys.
	KeyEnv string
	// RevokeTimeout is how long a deleted Application waits for auth and persistence before it goes without them.
	RevokeTimeout time.Duration
	// PollInterval is how often a Secret that the operator may not watch is looked at.
	PollInterval time.Duration
}

// ours tells whether a Secret is this Application's: it owns it, or, where a backup or a person took the owner away, the
// Secret has the operator's label and a key of this client.
func (v *View) ours(secret *corev1.Secret) bool {
	if secret == nil {
		return false
	}
	if owner := metav1.GetControllerOf(secret); owner != nil {
		return owner.UID == v.Application.UID
	}
	label := secret.Labels[v1alpha1.SecretLabel]
	if label != v1alpha1.SecretIssued && label != v1alpha1.SecretCandidate {
		return false
	}
	id, err := apikey.Parse(readKey(secret, v.templateKeys()))
	return err == nil && id.ClientID == v.Application.ClientID()
}

// foreign tells whether a Secret belongs to somebody else, who has not offered it either.
func (v *View) foreign(secret *corev1.Secret) bool {
	return secret != nil && !v.ours(secret) && secret.Annotations[v1alpha1.AdoptAnnotation] != v.Application.Name
}

// holder is the Secret whose book counts: the one of the right name, unless one that was written under another name
// has newer credentials.
func (v *View) holder() *corev1.Secret {
	var holder *corev1.Secret
	if v.ours(v.Issued) {
		holder = v.Issued
	}
	for _, stray := range v.Strays {
		if stray.Labels[v1alpha1.SecretLabel] == v1alpha1.SecretIssued && newer(stray, holder) {
			holder = stray
		}
	}
	return holder
}

// newer tells whether a Secret has a book, and one that was begun after another's.
func newer(a, b *corev1.Secret) bool {
	first := readBook(a)
	if first == nil || b == nil {
		return first != nil
	}
	second := readBook(b)
	return second != nil && cmp.Or(first[0].IssuedAt.Compare(second[0].IssuedAt), cmp.Compare(number(first[0].ID), number(second[0].ID))) > 0
}

// templateKeys are the keys that the spec adds to the Secret.
func (v *View) templateKeys() map[string]string {
	if c := v.Application.Spec.Credentials; c != nil && c.Template != nil {
		return c.Template.Keys
	}
	return nil
}

// existingKey reads the API key of the existing Secret, or says why there is none that can be used.
func (v *View) existingKey() (key, reason, message string) {
	name := v.Application.ExistingSecret()
	if v.Existing == nil {
		return "", v1alpha1.ReasonWaitingForSecret, "waiting for the Secret " + name
	}
	key = readKey(v.Existing, nil)
	id, err := apikey.Parse(key)
	switch {
	case key == "":
		return "", v1alpha1.ReasonExistingSecretInvalid, "the Secret " + name + " has no key api-key"
	case err != nil:
		return "", v1alpha1.ReasonExistingSecretInvalid, "the api-key of the Secret " + name + " is no API key of TheEye: wrong form or checksum"
	case id.ClientID != v.Application.ClientID():
		return "", v1alpha1.ReasonExistingSecretInvalid,
			"the api-key of the Secret " + name + " is of client id " + id.ClientID + ", this Application's is " + v.Application.ClientID()
	}
	return key, "", ""
}
