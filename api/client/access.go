package client

import (
	"context"
	"net/http"
	"time"
)

// Access is whose key it is, and what may be done with it.
type Access struct {
	User string `json:"user"`
	Kind string `json:"kind"` // admin, kubernetes or application
	// All events may be listed. Else Events, Sessions, Failures, Replays, Listen and Export have those of some applications,
	// and there may be others.
	All          bool    `json:"all"`
	Applications []Grant `json:"applications"`
	Partial      bool    `json:"partial"` // there are more of them
	// Unlisted verbs are in no Grant: with what they are allowed is too much to be told of all. Ask about one application.
	Unlisted []string `json:"unlisted"`
}

// Grant is what may be done with an application's events.
type Grant struct {
	UID       string   `json:"uid"`
	Namespace string   `json:"namespace"`
	Name      string   `json:"name"`
	Suspended bool     `json:"suspended"`
	Verbs     []string `json:"verbs"` // get, list, watch, update, delete
}

// Access tells what may be done with an application, a UID or namespace/name; "": with all.
func (r *Reader) Access(ctx context.Context, application string) (a Access, err error) {
	err = r.ask(ctx, http.MethodGet, "access", of(application), &a)
	return a, err
}

// Usage is what an application sent lately.
type Usage struct {
	LastEventAt time.Time        `json:"last_event_at"` // zero: nothing was ever stored
	Accepted24h int64            `json:"accepted_24h"`
	Failed24h   int64            `json:"failed_24h"`
	Outcomes24h map[string]int64 `json:"outcomes_24h"`
	Credentials []CredentialUse  `json:"credentials"`
}

// CredentialUse is when a credential was used last.
type CredentialUse struct {
	ID         string    `json:"id"`
	LastUsedAt time.Time `json:"last_used_at"`
}

// Usage tells what an application sent in the last 24 hours, by its UID; zeros where it never sent anything.
func (r *Reader) Usage(ctx context.Context, uid string) (u Usage, err error) {
	err = r.ask(ctx, http.MethodGet, "applications/"+segment(uid)+"/usage", nil, &u)
	return u, err
}
