package registry

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

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

// UnknownEvents says what becomes of events whose type the application does not declare. A type that is declared without
// a schema is known.
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
	// SchemaUnavailable says that the declared schema is faulty and no earlier one is known: until it is mended, events of
	// this type are refused as schema.unavailable.
	SchemaUnavailable bool `json:"schemaUnavailable,omitempty"`
}

// Defaults and bounds of a policy.
const (
	DefaultMaxFuture = 5 * time.Minute
	DefaultMaxAge    = 168 * time.Hour
	LimitMaxFuture   = 24 * time.Hour     // partitions are made that far ahead
	LimitMaxAge      = 8760 * time.Hour   // a year of daily partitions
	LimitRetention   = 876000 * time.Hour // a hundred years
	MaxEventTypes    = 128
	MaxOrigins       = 64
	MaxOriginBytes   = 267 // https://, a DNS name of 253, and a port
	MaxDisplayName   = 256 // characters
	MaxRate          = math.MaxInt32
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
	var f faults
	f.check(p.UnknownEvents == "" || p.UnknownEvents == AcceptUnknown || p.UnknownEvents == RejectUnknown,
		"unknownEvents must be Accept or Reject")
	f.check(utf8.RuneCountInString(p.DisplayName) <= MaxDisplayName, "displayName may have at most %d characters", MaxDisplayName)
	p.checkLimits(&f)
	p.checkTimes(&f)
	p.checkOrigins(&f)
	p.checkEventTypes(&f)
	return errors.Join(f...)
}

type faults []error

func (f *faults) check(ok bool, format string, args ...any) {
	if !ok {
		*f = append(*f, fmt.Errorf(format, args...))
	}
}

func (p *Policy) checkLimits(f *faults) {
	if l := p.Limits; l != nil {
		f.check(l.EventsPerSecond >= 0 && l.Burst >= 0, "limits must not be negative")
		f.check(l.EventsPerSecond <= MaxRate && l.Burst <= MaxRate, "limits must be at most %d", MaxRate)
		f.check(l.MaxEventBytes >= 0 && l.MaxEventBytes <= event.MaxEventBytes,
			"limits.maxEventBytes must be between 0 and %d", event.MaxEventBytes)
	}
}

func (p *Policy) checkTimes(f *faults) {
	f.check(p.MaxFuture() >= 0 && p.MaxFuture() <= LimitMaxFuture,
		"timestamps.maxFuture must be between 0 and %s", LimitMaxFuture)
	if p.Retention != nil && (*p.Retention <= 0 || time.Duration(*p.Retention) > LimitRetention) {
		f.check(false, "retention must be above 0 and at most %s", LimitRetention)
		return // the default of maxAge follows retention
	}
	f.check(p.MaxAge() > 0 && p.MaxAge() <= LimitMaxAge, "timestamps.maxAge must be above 0 and at most %s", LimitMaxAge)
	f.check(p.Retention == nil || p.MaxAge() <= time.Duration(*p.Retention), "timestamps.maxAge must not exceed retention")
}

func (p *Policy) checkOrigins(f *faults) {
	f.check(len(p.Origins) <= MaxOrigins, "at most %d origins are allowed", MaxOrigins)
	for i, origin := range p.Origins {
		f.check(validOrigin(origin),
			"origins[%d] must be scheme://host[:port] as browsers send it: lower case, punycode, no default port", i)
		f.check(!slices.Contains(p.Origins[:min(i, MaxOrigins)], origin), "origins[%d] repeats %q", i, origin)
	}
}

// validOrigin tells whether a browser could send this Origin header (RFC 6454, section 6.2). Another spelling would be
// accepted here and never match.
func validOrigin(origin string) bool {
	u, err := url.Parse(origin)
	if err != nil || len(origin) > MaxOriginBytes || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" {
		return false
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if u.Port() != "" && (err != nil || port == 0 || strconv.FormatUint(port, 10) != u.Port()) ||
		u.Scheme == "https" && port == 443 || u.Scheme == "http" && port == 80 {
		return false
	}
	for i := range len(u.Host) {
		if c := u.Host[i]; c <= ' ' || c >= 0x7f || 'A' <= c && c <= 'Z' || c == '*' || c == '%' {
			return false
		}
	}
	return u.Scheme+"://"+u.Host == origin && u.Host[len(u.Host)-1] != ':'
}

func (p *Policy) checkEventTypes(f *faults) {
	f.check(len(p.EventTypes) <= MaxEventTypes, "at most %d eventTypes are allowed", MaxEventTypes)
	seen := make(map[[2]string]bool, len(p.EventTypes))
	for i, t := range p.EventTypes {
		key := [2]string{t.Category, t.Name}
		f.check(validName(t.Category) && validName(t.Name),
			"eventTypes[%d] needs category and name of 1 to %d characters", i, event.MaxNameChars)
		f.check(!seen[key], "eventTypes[%d] repeats %q", i, event.Type(t.Category, t.Name))
		seen[key] = true
	}
}

func validName(s string) bool {
	n := utf8.RuneCountInString(s)
	return n >= 1 && n <= event.MaxNameChars
}
