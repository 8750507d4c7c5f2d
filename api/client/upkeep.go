package client

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Backlog is what is accepted and not yet stored, of all applications.
type Backlog struct {
	OldestAgeSeconds float64   `json:"oldest_age_seconds"` // since the oldest was accepted; 0: nothing waits
	PendingEntries   int64     `json:"pending_entries"`    // of the streams, of a request or several, that are being stored
	MeasuredAt       time.Time `json:"measured_at"`        // seconds ago; while Redis is away, up to half a minute
}

// Backlog tells how far storing is behind. It needs the right to list everything, and comes back for Config.RetryFor while
// nothing was measured of late.
func (r *Reader) Backlog(ctx context.Context) (b Backlog, err error) {
	err = r.ask(ctx, http.MethodGet, "backlog", nil, &b)
	return b, err
}

// Due is what retention would delete if it ran now.
type Due struct {
	At           time.Time        `json:"at"`
	Mode         string           `json:"mode"` // enforce, or report: nothing is ever deleted
	Days         []DueDay         `json:"days"`
	Applications []DueApplication `json:"applications"` // that have anything
}

// DueDay is a day of events that would be dropped whole.
type DueDay struct {
	Day   string `json:"day"`   // 2026-05-04, in UTC
	Bytes int64  `json:"bytes"` // on disk, with indexes
	State string `json:"state"` // due, or detached: nobody reads it any more, and it is about to go
}

// DueApplication is what of an application is due.
type DueApplication struct {
	Application string    `json:"application"` // its UID
	Name        string    `json:"name"`        // namespace/name; "": it has been gone for long
	Gone        bool      `json:"gone"`        // its resource is; the last known retention holds
	Known       bool      `json:"known"`       // false: nobody has told its retention, and all is kept
	Retention   Duration  `json:"retention"`   // zero: for ever
	Before      time.Time `json:"before"`      // events with an earlier timestamp are due; zero: none is
	Events      int64     `json:"events"`      // that are due, of the oldest 10,000
	Failures    int64     `json:"failures"`    // that are due, of the oldest 10,000
	More        bool      `json:"more"`        // there are more than those, which are not looked at
}

// Retention tells what retention would delete if it ran now; nothing is deleted. With an application, a UID or namespace/name,
// it tells what would be due if that application kept its events for so long; with "" what is due as things are, and kept
// must be 0 then. It needs the right to list everything.
func (r *Reader) Retention(ctx context.Context, application string, kept time.Duration) (d Due, err error) {
	query := of(application)
	if kept != 0 || query != nil { // one without the other is refused
		if query == nil {
			query = url.Values{}
		}
		query.Set("retention", kept.String())
	}
	err = r.ask(ctx, http.MethodGet, "retention", query, &d)
	return d, err
}
