package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// ApplicationPolicy is what an application's events may be, and how its credentials stand.
type ApplicationPolicy struct {
	UID         string       `json:"uid"`
	Namespace   string       `json:"namespace"`
	Name        string       `json:"name"`
	Policy      Policy       `json:"policy"`
	Credentials []Credential `json:"credentials"`
}

// Credential is how a credential stands: never a secret, and no hash of one.
type Credential struct {
	ID        string    `json:"id"`
	State     string    `json:"state"`      // active, expiring or expired
	ExpiresAt time.Time `json:"expires_at"` // zero: it has no end
}

// Policy is what the Application resource asks for; what is zero was not asked for, and has its default. What each field means
// is told by api/openapi.yaml.
type Policy struct {
	DisplayName   string      `json:"displayName"`
	Suspended     bool        `json:"suspended"` // its events are refused
	Origins       []string    `json:"origins"`
	Limits        Limits      `json:"limits"`
	Timestamps    Timestamps  `json:"timestamps"`
	Retention     Duration    `json:"retention"`     // zero: for ever
	UnknownEvents string      `json:"unknownEvents"` // Accept or Reject; "": Accept
	EventTypes    []EventType `json:"eventTypes"`
}

// Limits bound what an application may send; 0 is no limit but the global one.
type Limits struct {
	EventsPerSecond int `json:"eventsPerSecond"`
	Burst           int `json:"burst"`         // events
	MaxEventBytes   int `json:"maxEventBytes"` // as it was sent, decompressed
}

// Timestamps bound how far an event's timestamp may be from the time of its receipt.
type Timestamps struct {
	MaxFuture Duration `json:"maxFuture"` // zero: five minutes
	MaxAge    Duration `json:"maxAge"`    // zero: a week, or retention where that is shorter
}

// EventType is a type of event that an application declares.
type EventType struct {
	Category string `json:"category"`
	Name     string `json:"name"`
	// Schema is a JSON Schema (2020-12) of the event's data; nil: any data will do.
	Schema            json.RawMessage `json:"schema"`
	SchemaUnavailable bool            `json:"schemaUnavailable"` // it is faulty, and events of this type are refused
}

// Duration is a time.Duration that is written as text, like 720h0m0s.
type Duration struct{ time.Duration }

// UnmarshalText reads what MarshalText writes, and whatever else time.ParseDuration takes.
func (d *Duration) UnmarshalText(text []byte) (err error) {
	if d.Duration, err = time.ParseDuration(string(text)); err != nil {
		return fmt.Errorf("read duration: %w", err)
	}
	return nil
}

// MarshalText writes it as TheEye does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// Policy reads the policy of an application as it holds now, by its UID.
func (r *Reader) Policy(ctx context.Context, uid string) (p ApplicationPolicy, err error) {
	err = r.ask(ctx, http.MethodGet, "applications/"+segment(uid)+"/policy", nil, &p)
	return p, err
}
