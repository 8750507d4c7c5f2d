// Package check holds the rules by which an application's policy judges an event. It is pure: the door applies it
// when an event arrives, and a replay applies it again with the policy of the day.
package check

import (
	"fmt"
	"time"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/registry"
)

// Rules are a policy, made ready to judge events. They are safe for concurrent use.
type Rules struct {
	policy *registry.Policy
	types  map[typeKey]*registry.EventType // those that the application declares; nil when it declares none
	closed bool                            // to events of other types
}

type typeKey struct{ category, name string }

// Of returns the rules of a policy, which must not change any more.
func Of(policy *registry.Policy) *Rules {
	r := &Rules{policy: policy, closed: policy.UnknownEvents == registry.RejectUnknown}
	if len(policy.EventTypes) > 0 {
		r.types = make(map[typeKey]*registry.EventType, len(policy.EventTypes))
	}
	for i := range policy.EventTypes {
		t := &policy.EventTypes[i]
		r.types[typeKey{t.Category, t.Name}] = t
	}
	return r
}

// Event judges a decoded event. It returns the time the event occurred: its timestamp, or the time of its receipt when
// it has none.
func (r *Rules) Event(e *event.Event, receivedAt time.Time) (occurredAt time.Time, refusal *event.Refusal) {
	occurredAt = receivedAt
	if !e.Timestamp.IsZero() {
		occurredAt, refusal = e.Timestamp, r.timestamp(e.Timestamp, receivedAt)
	}
	if refusal == nil && (r.types != nil || r.closed) {
		refusal = r.eventType(e)
	}
	return occurredAt, refusal
}

func (r *Rules) timestamp(timestamp, receivedAt time.Time) *event.Refusal {
	if age := receivedAt.Sub(timestamp); age > r.policy.MaxAge() {
		return &event.Refusal{
			Code:    event.CodeTooOld,
			Detail:  fmt.Sprintf("timestamp is %s before its receipt; the application allows %s", age.Round(time.Second), r.policy.MaxAge()),
			Pointer: "/timestamp",
		}
	}
	if ahead := timestamp.Sub(receivedAt); ahead > r.policy.MaxFuture() {
		return &event.Refusal{
			Code:    event.CodeInFuture,
			Detail:  fmt.Sprintf("timestamp is %s after its receipt; the application allows %s", ahead.Round(time.Second), r.policy.MaxFuture()),
			Pointer: "/timestamp",
		}
	}
	return nil
}

// eventType judges an event by what the application declares of its type. A declared type is known, also without a
// schema: its data may be anything.
func (r *Rules) eventType(e *event.Event) *event.Refusal {
	declared, known := r.types[typeKey{e.Category, e.Name}]
	switch {
	case known && declared.SchemaUnavailable:
		return unavailable(e)
	case !known && r.closed:
		return &event.Refusal{
			Code: event.CodeTypeUnknown,
			Detail: fmt.Sprintf("the application declares no events of the type %q and refuses those that it does not declare "+
				"(spec.unknownEvents)", e.Type()),
		}
	}
	return nil
}

// unavailable refuses events of a type whose declared schema never compiled. Accepting them unchecked would store for
// good what the application wanted checked; as Failures they can be replayed when the schema is mended.
func unavailable(e *event.Event) *event.Refusal {
	return &event.Refusal{
		Code: event.CodeSchemaUnavailable,
		Detail: fmt.Sprintf("the schema that the application declares for %q is faulty, and no earlier one was good; "+
			"the SchemasValid condition of its resource tells the fault", e.Type()),
	}
}
