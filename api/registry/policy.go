package registry

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/theeye-dev/theeye/api/event"
)

// Policy is what an application asked for beside its credentials: what its events may be. Its JSON has the names of
// the Application resource's spec. The zero value is every default.
type Policy struct {
	DisplayName   string        `json:"displayName,omitempty"`
	Suspended     bool          `json:"suspended,omitempty"` // its events are refused with 403
	Origins       []string      `json:"origins,omitempty"`
	Limits        *Limits       `json:"limits,omitempty"`
	Timestamps    *Timestamps   `json:"timestamps,omitempty"`
	Retention     *Duration     `json:"retention,omitempty"`
	UnknownEvents UnknownEvents `json:"unknownEvents,omitempty"`
	EventTypes    []EventType   `json:"eventTypes,omitempty"`
}

// Limits bounds what an application may send; 0 is no limit but the global one.
type Limits struct {
	EventsPerSecond int `json:"eventsPerSecond,omitempty"`
	Burst           int `json:"burst,omitempty"`
	MaxEventBytes   int `json:"maxEventBytes,omitempty"`
}

// Timestamps bounds how far a timestamp may be from the time of receipt.
type Timestamps struct {
	MaxFuture *Duration `json:"maxFuture,omitempty"`
	MaxAge    *Duration `json:"maxAge,omitempty"`
}

// UnknownEvents says what becomes of events whose type has no schema.
type UnknownEvents string

// The two ways; the empty value is Accept.
const (
	AcceptUnknown UnknownEvents = "Accept"
	RejectUnknown UnknownEvents = "Reject"
)

// EventType is a type of event that the application declares.
type EventType struct {
	Category string `json:"category"`
	Name     string `json:"name"`
	Schema   Schema `json:"schema,omitempty"`
}

// Defaults and bounds of a policy.
const (
	DefaultMaxFuture = 5 * time.Minute
	DefaultMaxAge    = 168 * time.Hour
	LimitMaxFuture   = 24 * time.Hour   // partitions are made that far ahead
	LimitMaxAge      = 8760 * time.Hour // a year of daily partitions
	MaxEventTypes    = 128
	MaxOrigins       = 64
)

// MaxEventBytes returns the size one event may have, in bytes.
func (p *Policy) MaxEventBytes() int {
	if p.Limits == nil || p.Limits.MaxEventBytes == 0 {
		return event.MaxEventBytes
	}
	return p.Limits.MaxEventBytes
}

// MaxFuture returns how far ahead of its receipt an event may lie.
func (p *Policy) MaxFuture() time.Duration {
	if p.Timestamps == nil || p.Timestamps.MaxFuture == nil {
		return DefaultMaxFuture
	}
	return time.Duration(*p.Timestamps.MaxFuture)
}

// MaxAge returns how far before its receipt an event may lie.
func (p *Policy) MaxAge() time.Duration {
	if p.Timestamps != nil && p.Timestamps.MaxAge != nil {
		return time.Duration(*p.Timestamps.MaxAge)
	}
	if p.Retention != nil {
		return min(DefaultMaxAge, time.Duration(*p.Retention))
	}
	return DefaultMaxAge
}

// Validate returns every fault of a policy, joined. A schema's inside is not looked at: a faulty schema stops only its
// own type.
func (p *Policy) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	if l := p.Limits; l != nil {
		check(l.EventsPerSecond >= 0 && l.Burst >= 0, "limits must not be negative")
		check(l.MaxEventBytes >= 0 && l.MaxEventBytes <= event.MaxEventBytes,
			"limits.maxEventBytes must be between 0 and %d", event.MaxEventBytes)
	}
	check(p.MaxFuture() >= 0 && p.MaxFuture() <= LimitMaxFuture, "timestamps.maxFuture must be between 0 and %s", LimitMaxFuture)
	check(p.MaxAge() > 0 && p.MaxAge() <= LimitMaxAge, "timestamps.maxAge must be above 0 and at most %s", LimitMaxAge)
	if p.Retention != nil {
		check(time.Duration(*p.Retention) >= p.MaxAge(), "timestamps.maxAge must not exceed retention")
	}
	check(len(p.Origins) <= MaxOrigins, "at most %d origins", MaxOrigins)
	for i, origin := range p.Origins {
		u, err := url.Parse(origin)
		check(err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.Scheme+"://"+u.Host == origin,
			"origins[%d] must be scheme://host[:port]", i)
	}
	check(p.UnknownEvents == "" || p.UnknownEvents == AcceptUnknown || p.UnknownEvents == RejectUnknown,
		"unknownEvents must be Accept or Reject")
	check(len(p.EventTypes) <= MaxEventTypes, "at most %d eventTypes", MaxEventTypes)
	seen := map[[2]string]bool{}
	for i, t := range p.EventTypes {
		key := [2]string{t.Category, t.Name}
		check(t.Category != "" && t.Name != "", "eventTypes[%d] needs category and name", i)
		check(!seen[key], "eventTypes[%d] repeats %q", i, event.Type(t.Category, t.Name))
		seen[key] = true
	}
	return errors.Join(errs...)
}
