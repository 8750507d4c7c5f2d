package v1alpha1

import (
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/apikey"
)

const (
	// Finalizer keeps a deleted Application until its credentials are revoked.
	Finalizer = "theeye.dev/revoke"

	// RotateAnnotation on an Application asks for new credentials whenever it has a new value.
	RotateAnnotation = "theeye.dev/rotate"
	// AdoptAnnotation on a Secret, with the name of an Application, lets the operator take the Secret over and write it.
	AdoptAnnotation = "theeye.dev/adopt"
	// CredentialsAnnotation on the Secret has id, hash and deadline of its credentials, as JSON: all that auth needs to
	// be rebuilt.
	CredentialsAnnotation = "theeye.dev/credentials" //nolint:gosec // a name

	// SecretLabel marks the Secrets that the operator may list and watch; it never asks for any other but by name.
	SecretLabel = "theeye.dev/secret" //nolint:gosec // a name
	// SecretIssued is the label's value on a Secret that applications read.
	SecretIssued = "issued"
	// SecretCandidate is its value on one that the operator keeps a new credential in until auth knows it.
	SecretCandidate = "candidate"
	// SecretExisting is its value on one made elsewhere: set it there, and changes are seen at once instead of within a
	// minute.
	SecretExisting = "existing"

	// SecretType is the type of the Secret (Service Binding for Kubernetes).
	SecretType = "servicebinding.io/theeye"
	// SecretProvider is the value of its key provider.
	SecretProvider = "theeye"

	// DefaultOverlap is how long a replaced credential stays valid.
	DefaultOverlap = 24 * time.Hour
)

// The keys of the Secret.
const (
	KeyType         = "type"
	KeyProvider     = "provider"
	KeyClientID     = "client-id"
	KeyClientSecret = "client-secret"
	KeyAPIKey       = "api-key"
	KeyURI          = "uri"       // where events are posted
	KeyTokenURI     = "token-uri" // where access tokens are had
)

// SecretName is the Secret that is written.
func (a *Application) SecretName() string {
	if c := a.Spec.Credentials; c != nil && c.SecretName != "" {
		return c.SecretName
	}
	return a.Name + "-theeye"
}

// CandidateName is the Secret that holds a new credential until auth knows it.
func (a *Application) CandidateName() string { return a.SecretName() + "-next" }

// ExistingSecret is the Secret that credentials come from, or "".
func (a *Application) ExistingSecret() string {
	if c := a.Spec.Credentials; c != nil {
		return c.ExistingSecret
	}
	return ""
}

// ClientID derives the client id from the resource's UID. A UID that is none (it never comes from an API server) gives
// that of the zero UUID.
func (a *Application) ClientID() string { return apikey.ClientID(a.UUID()) }

// UUID is the resource's UID as auth knows it.
func (a *Application) UUID() uuid.UUID {
	uid, _ := uuid.Parse(string(a.UID))
	return uid
}

// RotationInterval is the age at which a credential is replaced; 0: never by age.
func (a *Application) RotationInterval() time.Duration {
	if c := a.Spec.Credentials; c != nil && c.Rotation != nil && c.Rotation.Interval != nil {
		return c.Rotation.Interval.Duration
	}
	return 0
}

// RotationOverlap is how long a replaced credential stays valid.
func (a *Application) RotationOverlap() time.Duration {
	if c := a.Spec.Credentials; c != nil && c.Rotation != nil && c.Rotation.Overlap != nil {
		return c.Rotation.Overlap.Duration
	}
	if interval := a.RotationInterval(); interval > 0 {
		return min(interval, DefaultOverlap)
	}
	return DefaultOverlap
}
