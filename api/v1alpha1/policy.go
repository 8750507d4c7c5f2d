package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/theeye-dev/theeye/api/registry"
)

// Policy is the part of the spec that auth is told. What the API server accepts of it is what Policy.Validate accepts:
// services/application_policy_test.go holds the one against the other.
func (s *ApplicationSpec) Policy() registry.Policy {
	p := registry.Policy{
		DisplayName:   s.DisplayName,
		Suspended:     s.Suspended,
		Origins:       s.Origins,
		Retention:     duration(s.Retention),
		UnknownEvents: s.UnknownEvents,
	}
	if l := s.Limits; l != nil {
		p.Limits = &registry.Limits{EventsPerSecond: int(l.EventsPerSecond), Burst: int(l.Burst), MaxEventBytes: int(l.MaxEventBytes)}
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
