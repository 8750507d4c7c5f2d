package client

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// History is all that became of what was sent under an id.
type History struct {
	ID          string    `json:"id"`
	Application string    `json:"application"` // its UID
	Event       *Stored   `json:"event"`       // nil: nothing is stored
	Failures    []Failure `json:"failures"`    // the newest first
	Steps       []Step    `json:"history"`     // the earliest first
	More        bool      `json:"more"`        // there are more than 100 Failures or repetitions
}

// Step is one thing that happened to what was sent under an id.
type Step struct {
	At       time.Time `json:"at"`
	What     string    `json:"what"` // received, stored, duplicate, conflict, failed, refused, erased or discarded
	Sequence string    `json:"sequence"`
	Code     string    `json:"code"`   // of a Failure, or why it stays open
	Replay   bool      `json:"replay"` // a Failure was replayed
	TraceID  string    `json:"trace_id"`
}

// History tells what became of an event. An id belongs to its application: a UID or namespace/name, "" for the one whose
// key it is.
func (r *Reader) History(ctx context.Context, application, id string) (h History, err error) {
	path, query := one("events", id, of(application))
	err = r.ask(ctx, http.MethodGet, path, query, &h)
	return h, err
}

// of names an application in a query, if there is one to name.
func of(application string) url.Values {
	if application == "" {
		return nil
	}
	return url.Values{"application": {application}}
}

// Counts tell how much was received, by time.
type Counts struct {
	Bucket  string    `json:"bucket"` // hour, day or all
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Counts  []Count   `json:"counts"`  // none is zero
	Partial bool      `json:"partial"` // there may be applications that the key may not read
}

// Count is how many events were received. What is not counted apart is empty.
type Count struct {
	At          time.Time `json:"at"`          // the beginning of a bucket
	Application string    `json:"application"` // its UID
	Category    string    `json:"category"`
	Name        string    `json:"name"`
	Outcome     string    `json:"outcome"`
	Events      int64     `json:"events"`
}

// Stats asks with the parameters of GET /v1/stats: url.Values{"by": {"type,outcome"}, "bucket": {"day"}}.
func (r *Reader) Stats(ctx context.Context, filter url.Values) (c Counts, err error) {
	err = r.ask(ctx, http.MethodGet, "stats", filter, &c)
	return c, err
}
