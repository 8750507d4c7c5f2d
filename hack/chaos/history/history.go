// Package history is what the clients of a chaos run know: what they were about to send, written to disk before it was
// sent, and what they were answered, written before anything is built on it. It is one file of JSON lines, which the
// checker holds against what is stored.
package history

import (
	"time"
	"unicode/utf8"
)

// Line is one line of the file; one of its fields is set.
type Line struct {
	Intent     *Intent     `json:"intent,omitempty"`
	Outcome    *Outcome    `json:"outcome,omitempty"`
	Credential *Credential `json:"credential,omitempty"`
	Fault      *Fault      `json:"fault,omitempty"`
}

// Intent is one request that is about to be sent, once.
type Intent struct {
	Send        int64     `json:"send"` // its number, from 1
	At          time.Time `json:"at"`
	Application string    `json:"application"` // UID
	Credential  string    `json:"credential"`  // id of the one it is sent with; "": one that was never valid
	Via         string    `json:"via"`         // the replica it is sent to
	Reason      Reason    `json:"reason"`
	Items       []Item    `json:"items"`
	// IdempotencyKey gives its events their ids.
	IdempotencyKey string `json:"idempotency_key,omitempty"`
	// Form is how the body is written.
	Form string `json:"form,omitempty"`
	// Malformed says that the body cannot be split into events: the request is to be refused whole.
	Malformed bool `json:"malformed,omitempty"`
}

// Reason says why something is sent.
type Reason string

// The reasons.
const (
	New         Reason = "new"
	AfterAck    Reason = "resend after ack"
	AfterDoubt  Reason = "resend after unknown outcome"
	AtOnce      Reason = "same id at two replicas at once"
	Conflicting Reason = "same id, other content"
	Hostile     Reason = "hostile"
	Forged      Reason = "wrong credential"
	Retired     Reason = "revoked credential"
)

// Item is one event of a request.
type Item struct {
	ID    string `json:"id,omitempty"`
	Text  string `json:"text,omitempty"`  // the event as sent, unless
	Bytes []byte `json:"bytes,omitempty"` // it is no UTF-8
	// Valid says that the event is as the contract wants it: it must not be refused for itself.
	Valid bool `json:"valid,omitempty"`
	// Session and N are set for an event of a session that is sent in order: N counts from 0.
	Session string `json:"session,omitempty"`
	N       int    `json:"n,omitempty"`
}

// NewItem returns an item with the bytes of an event.
func NewItem(id string, original []byte, valid bool) Item {
	if utf8.Valid(original) {
		return Item{ID: id, Text: string(original), Valid: valid}
	}
	return Item{ID: id, Bytes: original, Valid: valid}
}

// Original returns the event as sent.
func (i Item) Original() string {
	if i.Bytes != nil {
		return string(i.Bytes)
	}
	return i.Text
}

// Outcome is the answer to a request, or that there was none.
type Outcome struct {
	Send     int64     `json:"send"`
	At       time.Time `json:"at"`
	Status   int       `json:"status"` // 0: no answer, or not all of it
	Code     string    `json:"code,omitempty"`
	Verdicts []Verdict `json:"verdicts,omitempty"`
	Error    string    `json:"error,omitempty"`
}

// Verdict is the answer about one event; Code is empty when it was accepted.
type Verdict struct {
	ID   string `json:"id"`
	Code string `json:"code,omitempty"`
}

// Credential is a step in the life of a credential, written when auth has answered.
type Credential struct {
	At          time.Time `json:"at"`
	Application string    `json:"application"`
	ID          string    `json:"id"`
	Step        Step      `json:"step"`
}

// Step of a credential's life.
type Step string

// The steps. Between Revoking and Revoked nobody knows.
const (
	Issued   Step = "issued"
	Revoking Step = "revoking"
	Revoked  Step = "revoked"
)

// Fault is something that was done to the installation.
type Fault struct {
	At     time.Time `json:"at"`
	Until  time.Time `json:"until"`
	Name   string    `json:"name"`
	Target string    `json:"target,omitempty"`
	Effect string    `json:"effect,omitempty"` // what shows that it took effect; "": it did not
	Error  string    `json:"error,omitempty"`  // why it could not be done
}

// History is a whole file.
type History struct {
	Intents     []Intent
	Outcomes    map[int64]Outcome // by send; none for one that was never answered
	Credentials []Credential
	Faults      []Fault
}

// Add takes a line in.
func (h *History) Add(l Line) {
	switch {
	case l.Intent != nil:
		h.Intents = append(h.Intents, *l.Intent)
	case l.Outcome != nil:
		if h.Outcomes == nil {
			h.Outcomes = map[int64]Outcome{}
		}
		h.Outcomes[l.Outcome.Send] = *l.Outcome
	case l.Credential != nil:
		h.Credentials = append(h.Credentials, *l.Credential)
	case l.Fault != nil:
		h.Faults = append(h.Faults, *l.Fault)
	}
}
