package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/theeye-dev/theeye/api/registry"
)

// GroupVersion and Kind of the resource, as manifests write them.
const (
	GroupVersion = "theeye.dev/v1alpha1"
	Kind         = "Application"
)

// Application is one client app.
type Application struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec ApplicationSpec `json:"spec,omitempty"`
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
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`
	// UnknownEvents says what becomes of events of a type without a schema: Accept (default) or Reject.
	UnknownEvents registry.UnknownEvents `json:"unknownEvents,omitempty"`
	// EventTypes are the types of event the application declares, with their JSON Schemas.
	EventTypes []EventType `json:"eventTypes,omitempty"`
}

// Credentials is the part of the spec about the application's Secret.
type Credentials struct {
	// SecretName is the Secret that is written; default <name>-theeye.
	SecretName string `json:"secretName,omitempty"`
	// ExistingSecret is a Secret with an api-key made elsewhere, which is waited for instead.
	ExistingSecret string `json:"existingSecret,omitempty"`
	// Template adds metadata to the Secret and renames or adds keys.
	Template *SecretTemplate `json:"template,omitempty"`
	// Rotation makes new credentials periodically.
	Rotation *Rotation `json:"rotation,omitempty"`
}

// SecretTemplate shapes the written Secret.
type SecretTemplate struct {
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Keys        map[string]string `json:"keys,omitempty"`
}

// Rotation is how often credentials change and how long the old one stays valid beside the new one.
type Rotation struct {
	Interval metav1.Duration `json:"interval,omitempty"`
	Overlap  metav1.Duration `json:"overlap,omitempty"`
}

// Limits bounds what the application may send.
type Limits struct {
	EventsPerSecond int `json:"eventsPerSecond,omitempty"`
	Burst           int `json:"burst,omitempty"`
	MaxEventBytes   int `json:"maxEventBytes,omitempty"`
}

// Timestamps bounds how far ahead of its receipt (default 5m) and how far before it (default 168h) an event may lie.
type Timestamps struct {
	MaxFuture *metav1.Duration `json:"maxFuture,omitempty"`
	MaxAge    *metav1.Duration `json:"maxAge,omitempty"`
}

// DeletionPolicy says what becomes of an application's events with it.
type DeletionPolicy string

// The deletion policies.
const (
	Retain DeletionPolicy = "Retain"
	Erase  DeletionPolicy = "Erase"
)

// EventType is a type of event with the schema of its data.
type EventType struct {
	Category string `json:"category"`
	Name     string `json:"name"`
	// Schema is a JSON Schema (2020-12) for the event's data; absent: any data.
	Schema *runtime.RawExtension `json:"schema,omitempty"`
}

// Policy is the part of the spec that auth is told.
func (s *ApplicationSpec) Policy() registry.Policy {
	p := registry.Policy{
		DisplayName:   s.DisplayName,
		Suspended:     s.Suspended,
		Origins:       s.Origins,
		Retention:     duration(s.Retention),
		UnknownEvents: s.UnknownEvents,
	}
	if l := s.Limits; l != nil {
		p.Limits = &registry.Limits{EventsPerSecond: l.EventsPerSecond, Burst: l.Burst, MaxEventBytes: l.MaxEventBytes}
	}
	if t := s.Timestamps; t != nil {
		p.Timestamps = &registry.Timestamps{MaxFuture: duration(t.MaxFuture), MaxAge: duration(t.MaxAge)}
	}
	for _, t := range s.EventTypes {
		declared := registry.EventType{Category: t.Category, Name: t.Name}
		if t.Schema != nil {
			declared.Schema = t.Schema.Raw
		}
		p.EventTypes = append(p.EventTypes, declared)
	}
	return p
}

func duration(d *metav1.Duration) *registry.Duration {
	if d == nil {
		return nil
	}
	converted := registry.Duration(d.Duration)
	return &converted
}
