// Package check holds the rules by which an application's policy judges an event. It is pure: the door applies it
// when an event arrives, and a replay applies it again with the policy of the day.
package check

import (
	"fmt"
	"time"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/registry"
)

// Event judges a decoded event by a policy. It returns the time the event occurred: its timestamp, or the time of its
// receipt when it has none.
func Event(e *event.Event, policy *registry.Policy, receivedAt time.Time) (occurredAt time.Time, refusal *event.Refusal) {
	if e.Timestamp.IsZero() {
		return receivedAt, nil
	}
	if age := receivedAt.Sub(e.Timestamp); age > policy.MaxAge() {
		return e.Timestamp, &event.Refusal{
			Code:    event.CodeTooOld,
			Detail:  fmt.Sprintf("timestamp is %s before its receipt; the application allows %s", age.Round(time.Second), policy.MaxAge()),
			Pointer: "/timestamp",
		}
	}
	if ahead := e.Timestamp.Sub(receivedAt); ahead > policy.MaxFuture() {
		return e.Timestamp, &event.Refusal{
			Code:    event.CodeInFuture,
			Detail:  fmt.Sprintf("timestamp is %s after its receipt; the application allows %s", ahead.Round(time.Second), policy.MaxFuture()),
			Pointer: "/timestamp",
		}
	}
	return e.Timestamp, nil
}
