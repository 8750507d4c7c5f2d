package persistence

import (
	"context"
	"net/http"
	"time"

	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/kit"
	"github.com/theeye-dev/theeye/services/internal/stream"
)

// Backlog is what is accepted and not yet stored, of all applications: what theeye_oldest_unpersisted_seconds and
// theeye_pending_entries show.
type Backlog struct {
	// OldestAge is how long ago the oldest was appended to its stream, in seconds; 0: nothing waits.
	OldestAge float64 `json:"oldest_age_seconds"`
	Pending   int64   `json:"pending_entries"` // of the streams, of a request or several, that are being stored
	// MeasuredAt is from when this is: while Redis does not answer it is shown for half a minute.
	MeasuredAt time.Time `json:"measured_at"`
}

// backlogger measures it; *stream.Keeper does.
type backlogger interface {
	Measured() (b stream.Backlog, at time.Time, known bool)
}

// handleBacklog serves how far storing is behind.
func handleBacklog(mux *http.ServeMux, r *Reader, observer *kit.Observer) {
	const path = "/v1/backlog"
	mux.Handle("GET "+path, observer.Route(path, kit.Handler(r.backlog, r.decodeBacklog, reply[Backlog])))
	mux.Handle(path, kit.MethodNotAllowed(http.MethodGet))
}

func (r *Reader) backlog(context.Context, struct{}) (Backlog, error) {
	b, at, known := r.Backlog.Measured()
	if !known {
		return Backlog{}, fault.New(fault.CodeUnavailable, "the streams have not been measured of late")
	}
	return Backlog{OldestAge: b.OldestAge.Seconds(), Pending: b.Pending, MeasuredAt: at.UTC()}, nil
}

// decodeBacklog lets those ask who may read everything: the streams are everybody's.
func (r *Reader) decodeBacklog(ctx context.Context, req *http.Request) (none struct{}, err error) {
	who, err := r.sender(ctx, req)
	if err != nil {
		return none, err
	}
	if err := who.everywhere(ctx, VerbList); err != nil {
		return none, err
	}
	_, err = kit.Parameters(req)
	return none, err
}
