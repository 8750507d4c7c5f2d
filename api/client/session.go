package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// Session is all events that carry one session id, as far as the key may read them.
type Session struct {
	SessionID    string    `json:"session_id"`
	FirstAt      time.Time `json:"first_at"`
	LastAt       time.Time `json:"last_at"`
	Count        int64     `json:"count"`
	Applications []string  `json:"applications"` // their UIDs

	// Of one session alone.
	Partial    bool     `json:"partial"` // there may be applications that the key may not read
	Events     []Stored `json:"events"`  // a page of them
	NextCursor string   `json:"next_cursor"`
}

// Sessions asks with the parameters of GET /v1/sessions, those that began last first, as Events does. One that turns out
// to have begun earlier may come twice, and of those that have a type one of more than 200 events.
func (r *Reader) Sessions(ctx context.Context, filter url.Values) iter.Seq2[Session, error] {
	return pages[Session](ctx, r, "sessions", filter)
}

// Session reads one with a page of its events in order, by the parameters of GET /v1/sessions/{id}. All of its events are
// read by Events with session_id.
func (r *Reader) Session(ctx context.Context, id string, filter url.Values) (s Session, err error) {
	path, query := one("sessions", id, filter)
	err = r.ask(ctx, http.MethodGet, path, query, &s)
	return s, err
}

// Erasure is how far an erasure is.
type Erasure struct {
	State       string    `json:"state"` // erasing or erased; "" of EraseSession: nothing is left
	RequestedAt time.Time `json:"requested_at"`
	FinishedAt  time.Time `json:"finished_at"` // of what is erased
	ErasedRows  int64     `json:"erased_rows"`
}

// EraseSession erases all that belongs to a session, of any application, and was received until now. Once it is answered
// without an error it will be done, whatever is killed; SessionErasure tells how far it is, and asking again erases what came
// since as well. It needs the admin token, or the right to delete in all namespaces.
func (r *Reader) EraseSession(ctx context.Context, id string) (e Erasure, err error) {
	path, query := one("sessions", id, nil)
	err = r.ask(ctx, http.MethodDelete, path, query, &e)
	return e, err
}

// SessionErasure tells how far the latest erasure of a session is, or when it ended. It needs the rights of EraseSession, and
// fails with not_found where there never was one.
func (r *Reader) SessionErasure(ctx context.Context, id string) (e Erasure, err error) {
	path, query := one("sessions", id, nil)
	err = r.ask(ctx, http.MethodGet, path+"/erasure", query, &e)
	return e, err
}
