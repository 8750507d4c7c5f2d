package client

import (
	"context"
	"encoding/json"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"time"
)

// Failure is an event that was refused or could not be stored. What each field means is told by api/openapi.yaml.
type Failure struct {
	ID             string    `json:"id"`
	Application    string    `json:"application"` // its UID; "" where that could not be read
	Credential     string    `json:"credential"`
	Public         bool      `json:"public"`
	EventID        string    `json:"event_id"`
	Code           string    `json:"code"`
	Count          int64     `json:"count"` // events it stands for
	Detail         string    `json:"detail"`
	Pointers       []string  `json:"pointers"`
	Stage          string    `json:"stage"` // ingest or persistence
	State          string    `json:"state"` // open, replayed or discarded
	ReceivedAt     time.Time `json:"received_at"`
	Original       string    `json:"original"`
	OriginalBase64 []byte    `json:"original_base64"` // instead of Original where that is no UTF-8
	Truncated      bool      `json:"original_truncated"`
	LeftOut        bool      `json:"original_left_out"`
	Format         string    `json:"format"` // "": native
	TraceID        string    `json:"trace_id"`
	Attempt        *Attempt  `json:"attempt"` // nil: it was neither replayed nor discarded
	SchemaDigest   string    `json:"schema_digest"`

	// Of one Failure alone, and in a History: what was tried with it, the earliest first; the last ten.
	Attempts []Attempt `json:"attempts"`

	// Of one Failure alone, where a schema refused it.
	Schema        json.RawMessage `json:"schema"`
	SchemaCurrent bool            `json:"schema_current"`
}

// Attempt is what became of a Failure that was replayed or discarded, or would become of it.
type Attempt struct {
	At       time.Time `json:"at"` // zero in the answer to a replay
	DryRun   bool      `json:"dry_run"`
	Outcome  string    `json:"outcome"` // stored, duplicate, conflict, refused, failed, erased; discarded
	Code     string    `json:"code"`    // why it stays open
	Detail   string    `json:"detail"`
	Pointers []string  `json:"pointers"`
}

// Replay is a replay of all open Failures that a filter finds, as far as it is.
type Replay struct {
	ID          string           `json:"id"`
	State       string           `json:"state"` // running, finished or cancelled
	DryRun      bool             `json:"dry_run"`
	Application string           `json:"application"` // "": of all
	Code        string           `json:"code"`
	Stage       string           `json:"stage"`
	From        time.Time        `json:"from"` // zero: from the first
	To          time.Time        `json:"to"`
	Total       int64            `json:"total"`
	Done        int64            `json:"done"`
	Outcomes    map[string]int64 `json:"outcomes"`
	Codes       map[string]int64 `json:"codes"`
	RequestedAt time.Time        `json:"requested_at"`
	FinishedAt  time.Time        `json:"finished_at"` // zero: it runs
	Yours       bool             `json:"yours"`       // it was begun with this key
}

// Failures asks with the parameters of GET /v1/failures, the newest first, as Events does.
func (r *Reader) Failures(ctx context.Context, filter url.Values) iter.Seq2[Failure, error] {
	return pages[Failure](ctx, r, "failures", filter)
}

// Failure reads one, with the schema that refused it.
func (r *Reader) Failure(ctx context.Context, id string) (f Failure, err error) {
	err = r.ask(ctx, http.MethodGet, "failures/"+segment(id), nil, &f)
	return f, err
}

// ReplayFailure sends one Failure through the door once more; a dry run only tells. It may be repeated: one that is replayed
// answers what became of it.
func (r *Reader) ReplayFailure(ctx context.Context, id string, dryRun bool) (a Attempt, err error) {
	err = r.ask(ctx, http.MethodPost, "failures/"+segment(id)+"/replay", dry(nil, dryRun), &a)
	return a, err
}

// DiscardFailure closes a Failure that nobody wants.
func (r *Reader) DiscardFailure(ctx context.Context, id string) error {
	return r.ask(ctx, http.MethodPost, "failures/"+segment(id)+"/discard", nil, nil)
}

// BeginReplay asks for a replay with the parameters of POST /v1/replays, of which dryRun is one whatever the filter says. After
// an outage it may have begun twice: the second one finds what the first has left.
func (r *Reader) BeginReplay(ctx context.Context, filter url.Values, dryRun bool) (replay Replay, err error) {
	err = r.ask(ctx, http.MethodPost, "replays", dry(filter, dryRun), &replay)
	return replay, err
}

// Replays lists replays, the newest first, with the parameters of GET /v1/replays.
func (r *Reader) Replays(ctx context.Context, filter url.Values) iter.Seq2[Replay, error] {
	return pages[Replay](ctx, r, "replays", filter)
}

// Replay tells how far a replay is.
func (r *Reader) Replay(ctx context.Context, id string) (replay Replay, err error) {
	err = r.ask(ctx, http.MethodGet, "replays/"+segment(id), nil, &replay)
	return replay, err
}

// CancelReplay ends a replay where it is.
func (r *Reader) CancelReplay(ctx context.Context, id string) (replay Replay, err error) {
	err = r.ask(ctx, http.MethodPost, "replays/"+segment(id)+"/cancel", nil, &replay)
	return replay, err
}

// dry adds the parameter of a dry run.
func dry(filter url.Values, dryRun bool) url.Values {
	with := url.Values{}
	maps.Copy(with, filter)
	with.Del("dry_run")
	if dryRun {
		with.Set("dry_run", "true")
	}
	return with
}
