// Package check holds the rules by which an application's policy judges an event. It is pure: the door applies it
// when an event arrives, and a replay applies it again with the policy of the day.
package check

import (
	"fmt"
	"time"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/event/jsonb"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/schema"
)

// Rules are a policy, made ready to judge events. They are safe for concurrent use.
type Rules struct {
	policy *registry.Policy
	types  map[typeKey]*declared // nil when the application declares none
	closed bool                  // to events of other types
}

type typeKey struct{ category, name string }

// Of returns the rules of a policy, which must not change any more. From earlier rules of the application, which may be
// nil, it takes over the schemas that are still the same: they are not compiled again.
func Of(policy *registry.Policy, earlier *Rules) *Rules {
	r := &Rules{policy: policy, closed: policy.UnknownEvents == registry.RejectUnknown}
	if len(policy.EventTypes) > 0 {
		r.types = make(map[typeKey]*declared, len(policy.EventTypes))
	}
	for i := range policy.EventTypes {
		t := &policy.EventTypes[i]
		key := typeKey{t.Category, t.Name}
		if earlier != nil && earlier.types[key].same(t) {
			r.types[key] = earlier.types[key]
		} else {
			r.types[key] = &declared{text: t.Schema, unavailable: t.SchemaUnavailable}
		}
	}
	return r
}

// Schemas calls yield with every schema that is declared, by its digest.
func (r *Rules) Schemas(yield func(event.SchemaDigest, registry.Schema) bool) {
	for _, d := range r.types {
		if digest := d.name(); digest != nil && !yield(*digest, d.text) {
			return
		}
	}
}

// SchemaOf is the digest of the schema that is declared for a type; nil where there is none.
func (r *Rules) SchemaOf(category, name string) *event.SchemaDigest {
	return r.types[typeKey{category, name}].name()
}

// Judge judges events, one request after another, and keeps the memory that it needs for that. It is not safe for
// concurrent use.
type Judge struct {
	rules   *Rules
	scanner jsonb.Scanner
	account schema.Account // of the request
	err     error          // of the account's functions
}

// Err tells why there was no memory or no turn for a check of the request that was begun last, or nil. If there was none,
// what Event returned since says nothing.
func (j *Judge) Err() error { return j.err }

// Begin begins a request. What large checks hold is reserved, and costly ones wait for a turn; nil: nobody counts.
func (j *Judge) Begin(rules *Rules, reserve schema.Reserve, turn func() error) {
	j.rules, j.account, j.err = rules, schema.Account{Left: schema.RequestWork, Reserve: reserve, Turn: turn}, nil
}

// End lets go of the request.
func (j *Judge) End() { j.rules, j.account = nil, schema.Account{} }

// Event judges a decoded event of a request that arrived, and whose body was received, at these times. It returns the
// time the event occurred: its timestamp, corrected by sent_at where that shows a wrong clock, or the time of its
// receipt when it has none.
func (j *Judge) Event(e *event.Event, arrivedAt, receivedAt time.Time) (occurredAt time.Time, refusal *event.Refusal) {
	occurredAt = receivedAt
	if !e.Timestamp.IsZero() {
		occurredAt = occurred(e, arrivedAt)
		refusal = j.rules.timestamp(e, occurredAt, receivedAt)
	}
	if refusal == nil && (j.rules.types != nil || j.rules.closed) {
		refusal = j.eventType(e)
	}
	return occurredAt, refusal
}

// eventType judges an event by what the application declares of its type. A declared type is known, also without a
// schema: its data may be anything.
func (j *Judge) eventType(e *event.Event) *event.Refusal {
	declared := j.rules.types[typeKey{e.Category, e.Name}]
	switch {
	case declared == nil && j.rules.closed:
		return &event.Refusal{
			Code: event.CodeTypeUnknown,
			Detail: fmt.Sprintf("the application declares no events of the type %q and refuses those that it does not declare "+
				"(spec.unknownEvents)", e.Type()),
		}
	case declared == nil:
		return nil
	case declared.unavailable:
		return declared.refused(unavailable(e))
	case len(declared.text) == 0:
		return nil
	}
	if s := declared.schema(); s != nil {
		return j.data(e, declared, s)
	}
	return declared.refused(unavailable(e))
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
