package persistence

import (
	"context"
	"errors"
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
	// recheckPeople is how often that of people is, about whom Kubernetes' answers are remembered for longer anyway.
	recheckPeople = 2 * time.Second
	// writePatience is how long a listener may take no byte at all.
	writePatience = 10 * time.Second
	// seenFor is how old a place is that a heartbeat gives: by then every replica's outcomes of that time are here, however
	// clocks differ. It comes from the clock alone, and tells nothing of what others send.
	seenFor = time.Minute
	// staleTail is how long ago a replica must have read the tail to its end to have listeners: some times as long as one read
	// waits.
	staleTail = 5 * tailBlock
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
	resumed
	by    uuid.UUID // whose listeners are counted together; uuid.Nil: administrators, of whom there are few
	whole bool      // may be told how many outcomes of all applications were missed
	again func(context.Context, Scope) (Scope, error)
	every time.Duration // between two looks at the right
	now   func() time.Time
	head  bool // asks for the header alone

	ear   *ear
	leave func()
}

// streamFilters are the parameters of a stream: those of events that say which, and what became of them. What comes has no
// pages and no order but its own.
func streamFilters() []string {
	return []string{"session_id", "application", "category", "name", "from", "to", "data.<path>", "outcome"}
}

// decodeStream reads who listens, and for what.
func (r *Reader) decodeStream(ctx context.Context, req *http.Request) (*listening, error) {
	who, err := r.sender(ctx, req)
	if err != nil {
		return nil, err
	}
	given, err := kit.Parameters(req, streamFilters()...)
	if err != nil {
		return nil, err
	}
	outcomes, listed := given["outcome"]
	delete(given, "outcome") // of counts it is another one
	q, err := r.question(ctx, who, given, VerbWatch)
	if err != nil {
		return nil, err
	}
	l := &listening{now: r.Now, head: req.Method == http.MethodHead, choice: choice{Query: q}, again: r.again(req, VerbWatch, &q)}
	l.by, l.every = listenerOf(who)
	l.whole = l.by == uuid.Nil || q.scope().All
	if listed {
		l.outcomes, err = parseOutcomes(outcomes)
		err = fault.OfParameter("outcome", err)
	}
	if err == nil {
		l.resumed, err = retried(r.resumed)(ctx, req.Header.Get("Last-Event-ID"))
	}
	return l, err
}

// listenerOf tells by what a sender's listeners are counted, and how often their right is looked at.
func listenerOf(who sender) (by uuid.UUID, every time.Duration) {
	if _, ok := who.(person); ok {
		return seatOf(who), recheckPeople
	}
	return seatOf(who), recheck
}

// look looks at the right again. What somebody may listen to can have become more, or less by what was deleted.
func (l *listening) look(ctx context.Context) error {
	scope, err := l.again(ctx, l.scope())
	if err == nil && scope.Among != nil {
		l.Among = scope.Among
	}
	return err
}

// parseOutcomes reads a list with commas.
func parseOutcomes(list string) (wanted []Outcome, err error) {
	for one := range strings.SplitSeq(list, ",") {
		switch o := Outcome(one); o {
		case Stored, Duplicate, Conflict, Failed, Refused:
			wanted = append(wanted, o)
		default:
			return nil, fault.New(fault.CodeParameter, "outcome must be a list, with commas, of stored, duplicate, conflict, failed and refused")
		}
	}
	return wanted, nil
}

// listen admits a listener where there is something to hear. One that comes back would be told from a memory that may not have
// heard what was erased, and a new one would take silence for quiet; another replica may hear more.
func (r *Reader) listen(ctx context.Context, l *listening) (*listening, error) {
	if !r.Tail.isLoaded() || r.Tail.stale(r.Now()) {
		return nil, errTailAway()
	}
	leave, err := r.Tail.listeners.enter(l.by)
	if err != nil {
		return nil, err
	}
	if l.ear, err = r.Tail.listen(ctx, l.after); err != nil {
		leave()
		return nil, err
	}
	l.leave = leave
	return l, nil
}

func errTailAway() error {
	return fault.New(fault.CodeUnavailable, "the live tail cannot be followed now")
}

// encodeStream tells a listener what it asked for, until it goes, its right ends, or the process is to stop.
func encodeStream(ctx context.Context, w http.ResponseWriter, l *listening) error {
	defer l.leave()
	out := &events{writer: w, control: http.NewResponseController(w), counted: l.whole, seal: l.seal}
	_ = out.control.SetReadDeadline(time.Time{}) // the server's is for requests that end
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would collect what is small
	tellPartial(w, l.partial())
	if l.head {
		return nil
	}
	out.begin(l.beginning())
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
	right, beats := time.NewTicker(l.every), time.NewTicker(heartbeat)
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
			if err := l.look(ctx); err != nil {
				return err
			}
			if l.ear.tail.stale(l.now()) {
				return errTailAway()
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
	return heardBy(now)
}

// beginning is where who is new begins; nil for who comes back. Nothing from before is owed to them, so that it is a place to
// go on from also where this replica has not heard all of it.
func (l *listening) beginning() *place {
	if l.after != nil {
		return nil
	}
	return new(heardBy(l.now()))
}

// heardBy is the place of a time that was over for every replica seenFor ago.
func heardBy(now time.Time) place { return placeAt(now.Add(-seenFor)) }
