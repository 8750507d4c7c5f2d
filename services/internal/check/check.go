// Package check holds the rules by which an application's policy judges an event. It is pure: the door applies it
// when an event arrives, and a replay applies it again with the policy of the day.
package check

import (
	"fmt"
	"time"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/registry"
)

// Rules are a policy, made ready to judge the events of a request.
type Rules struct {
	Policy *registry.Policy // must not be changed
	// unavailable are the declared types whose schema was never good. There are hardly ever any: what most events pay is
	// the look at an empty list.
	unavailable []*registry.EventType
}

// Of returns the rules of a policy, which must not change while they are used.
func Of(policy *registry.Policy) Rules {
	rules := Rules{Policy: policy}
	for i := range policy.EventTypes {
		if t := &policy.EventTypes[i]; t.SchemaUnavailable {
			rules.unavailable = append(rules.unavailable, t)
		}
	}
	return rules
}

// Event judges a decoded event. It returns the time the event occurred: its timestamp, or the time of its receipt when
// it has none.
func (r *Rules) Event(e *event.Event, receivedAt time.Time) (occurredAt time.Time, refusal *event.Refusal) {
	occurredAt = receivedAt
	if !e.Timestamp.IsZero() {
		occurredAt, refusal = e.Timestamp, r.timestamp(e.Timestamp, receivedAt)
	}
	if refusal == nil && len(r.unavailable) > 0 {
		refusal = r.schema(e)
	}
	return occurredAt, refusal
}

func (r *Rules) timestamp(timestamp, receivedAt time.Time) *event.Refusal {
	if age := receivedAt.Sub(timestamp); age > r.Policy.MaxAge() {
		return &event.Refusal{
			Code:    event.CodeTooOld,
			Detail:  fmt.Sprintf("timestamp is %s before its receipt; the application allows %s", age.Round(time.Second), r.Policy.MaxAge()),
			Pointer: "/timestamp",
		}
	}
	if ahead := timestamp.Sub(receivedAt); ahead > r.Policy.MaxFuture() {
		return &event.Refusal{
			Code:    event.CodeInFuture,
			Detail:  fmt.Sprintf("timestamp is %s after its receipt; the application allows %s", ahead.Round(time.Second), r.Policy.MaxFuture()),
			Pointer: "/timestamp",
		}
	}
	return nil
}

// schema refuses events of a type whose declared schema never compiled. Accepting them unchecked would store for good
// what the application wanted checked; as Failures they can be replayed when the schema is mended.
func (r *Rules) schema(e *event.Event) *event.Refusal {
	for _, t := range r.unavailable {
		if t.Name == e.Name && t.Category == e.Category {
			return &event.Refusal{
				Code: event.CodeSchemaUnavailable,
				Detail: fmt.Sprintf("the schema that the application declares for %q is faulty, and no earlier one was good; "+
					"the SchemasValid condition of its resource tells the fault", e.Type()),
			}
		}
	}
	return nil
}
