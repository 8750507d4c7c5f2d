package check

import (
	"fmt"
	"time"

	"github.com/theeye-dev/theeye/api/event"
)

// maxSkew is how far sent_at may be from the arrival of its request before the client's clock is taken for wrong. The
// difference has the way of the request in it, another one at every try: correcting by that would change the places of
// events whose clock is right, between two batches of a session. Clocks that are kept by NTP are right within a second,
// and new connections, lost packets and a proxy that collects a body take some more; ten seconds are beyond them and
// are little beside what a clock is off that nobody keeps.
const maxSkew = 10 * time.Second

// occurred is when an event with a timestamp happened by the server's clock. A wrong clock still tells how long before
// sending that was: as long before the request arrived, for it was sent at once.
func occurred(e *event.Event, arrivedAt time.Time) time.Time {
	if e.SentAt.IsZero() || arrivedAt.Sub(e.SentAt).Abs() <= maxSkew {
		return e.Timestamp
	}
	return arrivedAt.Add(e.Timestamp.Sub(e.SentAt))
}

// timestamp judges when an event occurred by when it was received.
func (r *Rules) timestamp(e *event.Event, occurredAt, receivedAt time.Time) *event.Refusal {
	if age := receivedAt.Sub(occurredAt); age > r.policy.MaxAge() {
		return &event.Refusal{Code: event.CodeTooOld, Pointer: e.TimePointer(), Detail: fmt.Sprintf("%s is %s before its receipt; the application allows %s",
			judged(e, occurredAt), age.Round(time.Second), r.policy.MaxAge())}
	}
	if ahead := occurredAt.Sub(receivedAt); ahead > r.policy.MaxFuture() {
		return &event.Refusal{Code: event.CodeInFuture, Pointer: e.TimePointer(), Detail: fmt.Sprintf("%s is %s after its receipt; the application allows %s",
			judged(e, occurredAt), ahead.Round(time.Second), r.policy.MaxFuture())}
	}
	return nil
}

// judged names the time that is judged.
func judged(e *event.Event, occurredAt time.Time) string {
	if occurredAt.Equal(e.Timestamp) {
		return "timestamp"
	}
	return "timestamp, corrected by sent_at to " + event.FormatTimestamp(occurredAt) + ","
}
