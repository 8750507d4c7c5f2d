package persistence

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/kit"
)

const (
	// heartbeat is less than proxies wait for a word: nginx 60 s, load balancers of clouds 60 s and more.
	heartbeat = 15 * time.Second
	// recheck is how often a listener's right is looked at again; with what a revocation takes to get here it ends the
	// stream within a second.
	recheck = 400 * time.Millisecond
	// writePatience is how long a listener may take no byte at all.
	writePatience = 10 * time.Second
	// seenFor is how old a place is that a heartbeat gives: by then every replica's outcomes of that time are here, however
	// clocks differ. It comes from the clock alone, and tells nothing of what others send.
	seenFor = time.Minute
)

// handleStream serves the live tail.
func handleStream(mux *http.ServeMux, r *Reader, observer *kit.Observer) {
	const path = "/v1/stream"
	mux.Handle("GET "+path, observer.Route(path, kit.Handler(r.listen, r.decodeStream, encodeStream)))
	mux.Handle(path, kit.MethodNotAllowed(http.MethodGet))
}

// listening is one listener: what it asked for, and the right by which it listens.
type listening struct {
	choice
	after *place // where it was before
	own   uuid.UUID
	again func(context.Context) error // looks at the right again
	now   func() time.Time

	ear   *ear
	leave func()
}

// decodeStream reads who listens, and for what.
func (r *Reader) decodeStream(ctx context.Context, req *http.Request) (*listening, error) {
	q, err := r.decode(ctx, withoutOutcome(req), "session_id", "application", "category", "name", "from", "to")
	if err != nil {
		return nil, err
	}
	own, err := r.authorize(ctx, req)
	if err != nil {
		return nil, err
	}
	l := &listening{own: own, now: r.Now, choice: choice{Query: q}}
	if l.outcomes, err = parseOutcomes(req); err != nil {
		return nil, err
	}
	if id := req.Header.Get("Last-Event-ID"); id != "" {
		at, ok := parsePlace(id)
		if !ok {
			return nil, fault.New(fault.CodeParameter, "Last-Event-ID is not an id that this service gave out")
		}
		l.after = &at
	}
	l.again = func(ctx context.Context) error {
		now, err := r.authorize(ctx, req)
		if err == nil && now != own {
			err = fault.New(fault.CodeUnauthenticated, "the credential is another application's now")
		}
		return err
	}
	return l, nil
}

// withoutOutcome hides the one parameter that reads don't have.
func withoutOutcome(req *http.Request) *http.Request {
	values := req.URL.Query()
	if _, ok := values["outcome"]; !ok {
		return req
	}
	values.Del("outcome")
	plain, address := *req, *req.URL
	address.RawQuery = values.Encode()
	plain.URL = &address
	return &plain
}

// parseOutcomes reads a list with commas.
func parseOutcomes(req *http.Request) (wanted []Outcome, err error) {
	given := req.URL.Query()["outcome"]
	if len(given) > 1 {
		return nil, fault.New(fault.CodeParameter, fmt.Sprintf("parameter %q is given %d times", "outcome", len(given)))
	}
	for _, list := range given {
		for one := range strings.SplitSeq(list, ",") {
			switch o := Outcome(one); o {
			case Stored, Duplicate, Conflict, Failed, Refused:
				wanted = append(wanted, o)
			default:
				return nil, fault.New(fault.CodeParameter, "outcome must be a list, with commas, of stored, duplicate, conflict, failed and refused")
			}
		}
	}
	return wanted, nil
}

// listen admits a listener.
func (r *Reader) listen(_ context.Context, l *listening) (*listening, error) {
	if !r.Tail.isLoaded() {
		return nil, fault.New(fault.CodeUnavailable, "the live tail cannot be followed now")
	}
	leave, err := r.Tail.listeners.enter(l.own)
	if err != nil {
		return nil, err
	}
	l.leave, l.ear = leave, r.Tail.listen(l.after)
	return l, nil
}

// encodeStream tells a listener what it asked for, until it goes, its right ends, or the process is to stop.
func encodeStream(ctx context.Context, w http.ResponseWriter, l *listening) error {
	defer l.leave()
	out := &events{writer: w, control: http.NewResponseController(w), counted: l.own == uuid.Nil}
	_ = out.control.SetReadDeadline(time.Time{}) // the server's is for requests that end
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would collect what is small
	out.begin()
	err := l.tell(ctx, out)
	if !errors.Is(err, errGone) && ctx.Err() == nil {
		out.end(fault.ProblemOf(err))
	}
	return nil // the answer has begun, and its end is told in it
}

// errGone says that a listener takes nothing any more.
var errGone = errors.New("the listener has gone")

// tell returns why it ended.
func (l *listening) tell(ctx context.Context, out *events) error {
	right, beats := time.NewTicker(recheck), time.NewTicker(heartbeat)
	defer right.Stop()
	defer beats.Stop()
	at := make(chan struct{})
	close(at)
	for {
		got := l.ear.take(&l.choice)
		out.taken(got)
		if err := out.flush(); err != nil {
			return errors.Join(errGone, err)
		}
		if got.ended && !got.more {
			return fault.New(fault.CodeShuttingDown, "this replica is about to stop; another one goes on from here")
		}
		news := got.beat
		if got.more {
			news = at
		}
		look := false
		select {
		case <-news:
		case <-right.C:
			look = true
		case <-beats.C:
			out.heartbeat(l.heard(got.more))
		case <-ctx.Done():
			return errors.Join(errGone, ctx.Err())
		}
		select {
		case <-right.C: // news that never stop keep no right alive
			look = true
		default:
		}
		if look {
			if err := l.again(ctx); err != nil {
				return err
			}
		}
	}
}

// heard returns a place before which nothing is left to tell; zero when that is not known.
func (l *listening) heard(more bool) place {
	now := l.now()
	if more || now.Sub(l.ear.tail.followed()) > seenFor/2 {
		return place{}
	}
	return place{ms: uint64(max(0, now.Add(-seenFor).UnixMilli()))}
}
