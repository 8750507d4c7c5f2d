package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/theeye-dev/theeye/api/registry"
)

// Application is one client app: what TheEye knows of it, and the Secret by which it sends events.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=eyeapp,categories=theeye
// +kubebuilder:metadata:labels="servicebinding.io/provisioned-service=true"
// +kubebuilder:selectablefield:JSONPath=`.spec.suspended`
// +kubebuilder:selectablefield:JSONPath=`.spec.credentials.existingSecret`
// +kubebuilder:selectablefield:JSONPath=`.status.clientID`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Client ID",type=string,JSONPath=`.status.clientID`
// +kubebuilder:printcolumn:name="Secret",type=string,JSONPath=`.status.binding.name`
// +kubebuilder:printcolumn:name="Last event",type=date,JSONPath=`.status.usage.lastEventAt`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Accepted 24h",type=integer,priority=1,JSONPath=`.status.usage.accepted24h`
// +kubebuilder:printcolumn:name="Failed 24h",type=integer,priority=1,JSONPath=`.status.usage.failed24h`
// +kubebuilder:printcolumn:name="Next rotation",type=string,priority=1,JSONPath=`.status.nextRotation`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type Application struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	Spec ApplicationSpec `json:"spec,omitempty"`
	// A newborn resource must never be read as reconciled.
	// +kubebuilder:default:={"observedGeneration":-1}
	// +optional
	Status ApplicationStatus `json:"status,omitempty"`
}

// ApplicationList is a list of Applications.
//
// +kubebuilder:object:root=true
type ApplicationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Application `json:"items"`
}

// ApplicationSpec is what a platform team asks for. Every field is optional.
type ApplicationSpec struct {
	// DisplayName is the application's name for people.
	DisplayName string `json:"displayName,omitempty"`
	// Suspended refuses the application's events with 403, within a second.
	Suspended bool `json:"suspended,omitempty"`
	// Credentials says where the application finds its credentials and how they rotate.
	Credentials *Credentials `json:"credentials,omitempty"`
	// Origins are the web origins from which browsers may post with the public client id alone.
	Origins []string `json:"origins,omitempty"`
	// Limits bounds what the application may send; absent: none but the global ones.
	Limits *Limits `json:"limits,omitempty"`
	// Timestamps bounds how far an event's timestamp may be from its receipt.
	Timestamps *Timestamps `json:"timestamps,omitempty"`
	// Retention is how long events are kept, counted from their timestamp.
	Retention *metav1.Duration `json:"retention,omitempty"`
	// DeletionPolicy says what becomes of the events when the resource is deleted: Retain (default) or Erase.
	DeletionPolicy registry.DeletionPolicy `json:"deletionPolicy,omitempty"`
	// UnknownEvents says what becomes of events of a type without a schema: Accept (default) or Reject.
	UnknownEvents registry.UnknownEvents `json:"unknownEvents,omitempty"`
	// EventTypes are the types of event the application declares, with their JSON Schemas.
	EventTypes []EventType `json:"eventTypes,omitempty"`
}

// Credentials is the part of the spec about the application's Secret.
type Credentials struct {
	// SecretName is the Secret that is written; default <name>-theeye. A Secret of that name that belongs to somebody else
	// is never touched, unless it has the annotation theeye.dev/adopt with this Application's name.
	SecretName string `json:"secretName,omitempty"`
	// ExistingSecret is a Secret, made elsewhere and waited for, whose api-key is registered in place of a generated one.
	// It is read and never written. When its api-key changes, the one before stays valid during the overlap.
	ExistingSecret string `json:"existingSecret,omitempty"`
	// Template adds metadata and keys to the Secret.
	Template *SecretTemplate `json:"template,omitempty"`
	// Rotation makes new credentials periodically.
	Rotation *Rotation `json:"rotation,omitempty"`
}

// SecretTemplate shapes the written Secret.
type SecretTemplate struct {
	// Labels and Annotations are added to the Secret. Keys under theeye.dev/ are the operator's own.
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	// Keys are keys added to the Secret: each value is a text in which $(client-id), $(client-secret), $(api-key), $(uri),
	// $(token-uri), $(type) and $(provider) stand for the values of these keys. A standard key with the value "" is left
	// out, so {CLIENT_ID: $(client-id), client-id: ""} renames it.
	Keys map[string]string `json:"keys,omitempty"`
}

// Rotation is how often credentials change and how long the one before stays valid beside the new one.
type Rotation struct {
	// Interval is the age at which a credential is replaced; absent: only on demand, by the annotation theeye.dev/rotate.
	Interval *metav1.Duration `json:"interval,omitempty"`
	// Overlap is how long the replaced credential stays valid; default 24h, or the interval when that is shorter. 0s ends it
	// at once.
	Overlap *metav1.Duration `json:"overlap,omitempty"`
}

// Limits bounds what the application may send; 0 is no limit but the global one.
type Limits struct {
	EventsPerSecond int32 `json:"eventsPerSecond,omitempty"`
	Burst           int32 `json:"burst,omitempty"`
	MaxEventBytes   int32 `json:"maxEventBytes,omitempty"`
}

// Timestamps bounds how far ahead of its receipt (default 5m) and how far before it (default 168h, or the retention when
// that is shorter) an event may lie.
type Timestamps struct {
	MaxFuture *metav1.Duration `json:"maxFuture,omitempty"`
	MaxAge    *metav1.Duration `json:"maxAge,omitempty"`
}

// EventType is a type of event with the schema of its data.
type EventType struct {
	Category string `json:"category"`
	Name     string `json:"name"`
	// Schema is a JSON Schema (2020-12) for the event's data; absent: any data. A faulty one shows in the condition
	// SchemasValid and stops only its own type, which keeps its last good schema.
	Schema *runtime.RawExtension `json:"schema,omitempty"`
}

// ApplicationStatus is what the operator observed and did.
type ApplicationStatus struct {
	// ObservedGeneration is the generation of the spec that the status is about.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// ClientID is the application's client id; it never changes.
	ClientID string `json:"clientID,omitempty"`
	// Binding names the Secret, as Service Binding for Kubernetes wants it of a provisioned service.
	Binding *Binding `json:"binding,omitempty"`
	// Credentials are the live credentials, the newest first.
	// +listType=map
	// +listMapKey=id
	Credentials []CredentialStatus `json:"credentials,omitempty"`
	// NextRotation is when the credentials will be replaced.
	NextRotation *metav1.Time `json:"nextRotation,omitempty"`
	// Usage is what the application sent lately, at most five minutes old.
	Usage *Usage `json:"usage,omitempty"`
	// Conditions are Ready, CredentialsPublished, Registered and SchemasValid, and PreviousSecretInUse during an overlap.
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Binding names a Secret in the resource's namespace.
type Binding struct {
	Name string `json:"name"`
}

// CredentialState is what a credential is good for.
type CredentialState string

// The states of a credential.
const (
	CredentialActive   CredentialState = "Active"   // the Secret has it
	CredentialExpiring CredentialState = "Expiring" // replaced, and valid until expiresAt
	CredentialPending  CredentialState = "Pending"  // made, and not yet in the Secret
)

// CredentialStatus is one live credential.
type CredentialStatus struct {
	ID string `json:"id"`
	// State is Active, Expiring or Pending.
	State CredentialState `json:"state"`
	// IssuedAt is when it was made.
	IssuedAt *metav1.Time `json:"issuedAt,omitempty"`
	// ExpiresAt is when it ends.
	ExpiresAt *metav1.Time `json:"expiresAt,omitempty"`
	// LastUsedAt is when a request was last sent with it, at most five minutes old.
	LastUsedAt *metav1.Time `json:"lastUsedAt,omitempty"`
}

// Usage is what an application sent lately.
type Usage struct {
	// LastEventAt is when its newest event was received.
	LastEventAt *metav1.Time `json:"lastEventAt,omitempty"`
	// Accepted24h is how many events were stored in the last 24 hours.
	Accepted24h int64 `json:"accepted24h"`
	// Failed24h is how many events became a Failure in the last 24 hours.
	Failed24h int64 `json:"failed24h"`
}
