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
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 241",message="the name may have at most 241 characters: the names of Secrets derive from it"
// +kubebuilder:validation:XValidation:rule=`[self.spec.?credentials.?secretName.orValue("")].map(s, s != "" ? s : self.metadata.name + "-theeye").all(s, !(self.spec.?credentials.?existingSecret.orValue("") in [s, s + "-next"]))`,fieldPath=".spec.credentials.existingSecret",message="must not be a Secret that the operator writes: secretName (default <name>-theeye), or that with -next"
type Application struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +kubebuilder:default:={}
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
//
// +kubebuilder:validation:XValidation:rule="!has(self.retention) || !has(self.timestamps) || !has(self.timestamps.maxAge) || ![self.retention, self.timestamps.maxAge].all(d, size(d) > 1 && d.matches('^([0-9]{1,6}([.][0-9]{1,9})?h)?([0-9]{1,6}([.][0-9]{1,9})?m)?([0-9]{1,9}([.][0-9]{1,9})?s)?([0-9]{1,9}([.][0-9]{1,9})?(ms|us|µs|ns))?$')) || duration(self.timestamps.maxAge) <= duration(self.retention)",fieldPath=".timestamps.maxAge",message="must not exceed retention"
type ApplicationSpec struct {
	// DisplayName is the application's name for people.
	// +kubebuilder:validation:MaxLength=256
	DisplayName string `json:"displayName,omitempty"`
	// Suspended refuses the application's events with 403, within a second.
	Suspended bool `json:"suspended,omitempty"`
	// Credentials says where the application finds its credentials and how they rotate.
	Credentials *Credentials `json:"credentials,omitempty"`
	// Origins are the web origins from which browsers may post with the public client id alone.
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=267
	// +kubebuilder:validation:items:XValidation:rule="isURL(self) && url(self).getHostname() != '' && self.matches('^https?://[!-~]+$') && !self.matches('//.*[A-Z*%/?#@]|//[^[].*:.*:|:$|^https:.*:443$|^http:.*:80$') && (!self.matches(':[0-9]+$') || self.matches(':[1-9][0-9]{0,4}$') && int(url(self).getPort()) <= 65535)",message="must be scheme://host[:port] as browsers send it: lower case, punycode, no default port"
	// +listType=set
	Origins []string `json:"origins,omitempty"`
	// Limits bounds what the application may send; absent: none but the global ones.
	Limits *Limits `json:"limits,omitempty"`
	// Timestamps bounds how far an event's timestamp may be from its receipt.
	Timestamps *Timestamps `json:"timestamps,omitempty"`
	// Retention is how long events are kept, counted from their timestamp.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="size(self) > 1 && self.matches('^-?([0-9]{1,6}([.][0-9]{1,9})?h)?([0-9]{1,6}([.][0-9]{1,9})?m)?([0-9]{1,9}([.][0-9]{1,9})?s)?([0-9]{1,9}([.][0-9]{1,9})?(ms|us|µs|ns))?$') && duration(self) > duration('0s') && duration(self) <= duration('876000h')",message="must be a duration above 0 and at most 876000h, such as 2160h"
	Retention *metav1.Duration `json:"retention,omitempty"`
	// DeletionPolicy says what becomes of the events when the resource is deleted: Retain (default) or Erase.
	// +kubebuilder:validation:Enum=Retain;Erase
	// +kubebuilder:default:=Retain
	DeletionPolicy registry.DeletionPolicy `json:"deletionPolicy,omitempty"`
	// UnknownEvents says what becomes of events of a type without a schema: Accept (default) or Reject.
	// +kubebuilder:validation:Enum=Accept;Reject
	// +kubebuilder:default:=Accept
	UnknownEvents registry.UnknownEvents `json:"unknownEvents,omitempty"`
	// EventTypes are the types of event the application declares, with their JSON Schemas.
	// +kubebuilder:validation:MaxItems=128
	// +listType=map
	// +listMapKey=category
	// +listMapKey=name
	EventTypes []EventType `json:"eventTypes,omitempty"`
}

// Credentials is the part of the spec about the application's Secret.
type Credentials struct {
	// SecretName is the Secret that is written; default <name>-theeye. A Secret of that name that belongs to somebody else
	// is never touched, unless it has the annotation theeye.dev/adopt with this Application's name.
	// +kubebuilder:validation:MaxLength=248
	// +kubebuilder:validation:XValidation:rule="self.matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*)?$')",message="must be the name of a Secret: lower-case letters, digits, '-' and '.'"
	SecretName string `json:"secretName,omitempty"`
	// ExistingSecret is a Secret, made elsewhere and waited for, whose api-key is registered in place of a generated one.
	// It is read and never written. When its api-key changes, the one before stays valid during the overlap.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*)?$')",message="must be the name of a Secret: lower-case letters, digits, '-' and '.'"
	ExistingSecret string `json:"existingSecret,omitempty"`
	// Template adds metadata and keys to the Secret.
	Template *SecretTemplate `json:"template,omitempty"`
	// Rotation makes new credentials periodically.
	Rotation *Rotation `json:"rotation,omitempty"`
}

// SecretTemplate shapes the written Secret.
type SecretTemplate struct {
	// Labels are added to the Secret. Keys under theeye.dev/ are the operator's own.
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, !format.qualifiedName().validate(k).hasValue())",message="a key is no label key: [prefix/]name, the name of at most 63 letters, digits, '-', '_' and '.'"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !format.labelValue().validate(self[k]).hasValue())",message="a value is no label value: at most 63 letters, digits, '-', '_' and '.'"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('theeye.dev/'))",message="keys under theeye.dev/ are the operator's own"
	Labels map[string]string `json:"labels,omitempty"`
	// Annotations are added to the Secret. Keys under theeye.dev/ are the operator's own.
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, !format.qualifiedName().validate(k.lowerAscii()).hasValue())",message="a key is no annotation key: [prefix/]name, the name of at most 63 letters, digits, '-', '_' and '.'"
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(self[k]) <= 1024)",message="a value may have at most 1024 characters"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('theeye.dev/'))",message="keys under theeye.dev/ are the operator's own"
	Annotations map[string]string `json:"annotations,omitempty"`
	// Keys are keys added to the Secret: each value is a text in which $(client-id), $(client-secret), $(api-key), $(uri),
	// $(token-uri), $(type) and $(provider) stand for the values of these keys. A standard key with the value "" is left
	// out, so {CLIENT_ID: $(client-id), client-id: ""} renames it.
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 253 && k.matches('^[-._a-zA-Z0-9]+$'))",message="a key is no key of a Secret: at most 253 letters, digits, '-', '_' and '.'"
	// +kubebuilder:validation:XValidation:rule="self.all(k, self[k].matches('^([^$]|[$]+[^$(]|[$]+[(](client-id|client-secret|api-key|uri|token-uri|type|provider)[)])*[$]*$'))",message="a value may refer to $(client-id), $(client-secret), $(api-key), $(uri), $(token-uri), $(type) and $(provider) only"
	// +kubebuilder:validation:XValidation:rule="!self.exists(k, k in ['type', 'provider'])",message="type and provider cannot be changed or left out"
	// +kubebuilder:validation:XValidation:rule="['client-id', 'client-secret', 'api-key', 'uri', 'token-uri'].all(k, !(k in self) || self[k] == '')",message="a standard key can only be left out, by the value ''; give what replaces it another key"
	// +kubebuilder:validation:XValidation:rule="!('api-key' in self && 'client-secret' in self) || self.exists(k, self[k] in ['$(api-key)', '$(client-secret)'])",message="api-key and client-secret can be left out only when another key is exactly $(api-key) or $(client-secret)"
	Keys map[string]string `json:"keys,omitempty"`
}

// Rotation is how often credentials change and how long the one before stays valid beside the new one.
//
// +kubebuilder:validation:XValidation:rule="!has(self.interval) || !has(self.overlap) || ![self.interval, self.overlap].all(d, size(d) > 1 && d.matches('^([0-9]{1,6}([.][0-9]{1,9})?h)?([0-9]{1,6}([.][0-9]{1,9})?m)?([0-9]{1,9}([.][0-9]{1,9})?s)?([0-9]{1,9}([.][0-9]{1,9})?(ms|us|µs|ns))?$')) || duration(self.overlap) <= duration(self.interval)",fieldPath=".overlap",message="must not exceed interval"
type Rotation struct {
	// Interval is the age at which a credential is replaced; absent: only on demand, by the annotation theeye.dev/rotate.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="size(self) > 1 && self.matches('^-?([0-9]{1,6}([.][0-9]{1,9})?h)?([0-9]{1,6}([.][0-9]{1,9})?m)?([0-9]{1,9}([.][0-9]{1,9})?s)?([0-9]{1,9}([.][0-9]{1,9})?(ms|us|µs|ns))?$') && duration(self) >= duration('1h')",message="must be a duration of at least 1h, such as 720h"
	Interval *metav1.Duration `json:"interval,omitempty"`
	// Overlap is how long the replaced credential stays valid; default 24h, or the interval when that is shorter. 0s ends it
	// at once.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="size(self) > 1 && self.matches('^-?([0-9]{1,6}([.][0-9]{1,9})?h)?([0-9]{1,6}([.][0-9]{1,9})?m)?([0-9]{1,9}([.][0-9]{1,9})?s)?([0-9]{1,9}([.][0-9]{1,9})?(ms|us|µs|ns))?$') && duration(self) >= duration('0s')",message="must be a duration of at least 0s, such as 24h"
	Overlap *metav1.Duration `json:"overlap,omitempty"`
}

// Limits bounds what the application may send; 0 is no limit but the global one.
type Limits struct {
	// +kubebuilder:validation:Minimum=0
	EventsPerSecond int32 `json:"eventsPerSecond,omitempty"`
	// Burst is how many events may come at once, and so in one request; 0 is two seconds of eventsPerSecond.
	// +kubebuilder:validation:Minimum=0
	Burst int32 `json:"burst,omitempty"`
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1048576
	MaxEventBytes int32 `json:"maxEventBytes,omitempty"`
}

// Timestamps bounds how far ahead of its receipt (default 5m) and how far before it (default 168h, or the retention when
// that is shorter) an event may lie.
type Timestamps struct {
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="size(self) > 1 && self.matches('^-?([0-9]{1,6}([.][0-9]{1,9})?h)?([0-9]{1,6}([.][0-9]{1,9})?m)?([0-9]{1,9}([.][0-9]{1,9})?s)?([0-9]{1,9}([.][0-9]{1,9})?(ms|us|µs|ns))?$') && duration(self) >= duration('0s') && duration(self) <= duration('24h')",message="must be a duration between 0s and 24h, such as 5m"
	MaxFuture *metav1.Duration `json:"maxFuture,omitempty"`
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="size(self) > 1 && self.matches('^-?([0-9]{1,6}([.][0-9]{1,9})?h)?([0-9]{1,6}([.][0-9]{1,9})?m)?([0-9]{1,9}([.][0-9]{1,9})?s)?([0-9]{1,9}([.][0-9]{1,9})?(ms|us|µs|ns))?$') && duration(self) > duration('0s') && duration(self) <= duration('8760h')",message="must be a duration above 0 and at most 8760h, such as 168h"
	MaxAge *metav1.Duration `json:"maxAge,omitempty"`
}

// EventType is a type of event with the schema of its data.
type EventType struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Category string `json:"category"`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Name string `json:"name"`
	// Schema is a JSON Schema (2020-12) for the event's data; absent: any data. A faulty one shows in the condition
	// SchemasValid and stops only its own type, which keeps its last good schema.
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
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
//
// +kubebuilder:validation:Enum=Active;Expiring;Pending
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
