package persistence

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/keyring"
	"github.com/theeye-dev/theeye/services/internal/kit"
)

// authorizer decides who may read everything; *admin.Token does.
type authorizer interface {
	Authorize(ctx context.Context, r *http.Request) error
}

// Reader serves reads to whoever may read: an application its own data, people what RBAC allows them, an administrator all.
type Reader struct {
	Store *Postgres
	Keys  *keyring.Keyring
	// Failures limits wrong credentials by address; nil: nothing does.
	Failures *kit.Failures
	Admin    authorizer
	// Operator reads the usage of applications and erases them; nil: there is none.
	Operator authorizer
	// People may do what Kubernetes allows them; nil: its tokens are nobody's.
	People people
	Eraser *Eraser
	// Retention tells what it would delete.
	Retention *Retention
	// Replays sends Failures through the door once more.
	Replays *Replayer
	// Backlog knows what waits to be stored.
	Backlog backlogger
	// Tail has the final outcomes of all replicas.
	Tail *Tail
	Now  func() time.Time

	seal atomic.Pointer[seal] // of the ids of the tail, once it was read
}

// Handler serves persistence's public port.
func Handler(r *Reader, observer *kit.Observer) *http.ServeMux {
	mux := http.NewServeMux()
	get := func(pattern string, handler http.Handler) {
		mux.Handle("GET "+pattern, observer.Route(pattern, handler))
		mux.Handle(pattern, kit.MethodNotAllowed(http.MethodGet))
	}
	get("/v1/events", kit.Handler(retried(r.Store.Events), r.decodeEvents, reply[EventPage]))
	handleOne(mux, "/v1/events", map[string]http.Handler{
		http.MethodGet: observer.Route("/v1/events/{id}", kit.Handler(retried(r.history), r.decodeHistory, reply[*History])),
	})
	get("/v1/export", kit.Handler(r.exporter().begin, r.decodeExport, func(ctx context.Context, w http.ResponseWriter, x *export) error { return x.write(ctx, w) }))
	get("/v1/stats", kit.Handler(retried(r.Store.Stats), r.decodeStats, reply[Stats]))
	get("/v1/sessions", kit.Handler(retried(r.Store.Sessions), r.decodeSessions, reply[SessionPage]))
	handleSession(mux, r, observer)
	handleFailures(mux, r, observer)
	handleReplays(mux, r, observer)
	handleAccess(mux, r, observer)
	handleApplications(mux, r, observer)
	handleRetention(mux, r, observer)
	handleBacklog(mux, r, observer)
	handleStream(mux, r, observer)
	kit.ServeOpenAPI(mux)
	mux.Handle("/", kit.NotFound())
	return mux
}

// readTimeout bounds one read. PostgreSQL's own statement_timeout is shorter; this one holds when the server hangs.
const readTimeout = 20 * time.Second

// retried turns a store's trouble into 503: the request was right.
func retried[Question, Answer any](method func(context.Context, Question) (Answer, error)) func(context.Context, Question) (Answer, error) {
	return func(ctx context.Context, q Question) (Answer, error) {
		ctx, cancel := context.WithTimeout(holding(ctx), readTimeout)
		defer cancel()
		answer, err := method(ctx, q)
		if known := (*fault.Error)(nil); err != nil && !errors.As(err, &known) {
			err = fault.Wrap(fault.CodeUnavailable, "the store cannot answer now", err)
		}
		return answer, err
	}
}

// eventFilters are the parameters of every question for events.
func eventFilters(more ...string) []string {
	return append(more, "application", "category", "name", "from", "to", "data.<path>", "order", "select", "cursor")
}

func (r *Reader) decodeEvents(ctx context.Context, req *http.Request) (Query, error) {
	q, err := r.decode(ctx, req, VerbList, eventFilters("session_id", "limit")...)
	if err == nil {
		err = q.resume(listEvents)
	}
	return q, err
}

// decodeHistory needs an application: an id is one within its application.
func (r *Reader) decodeHistory(ctx context.Context, req *http.Request) (Query, error) {
	q, err := r.decode(ctx, req, VerbGet, "application", "id")
	if err == nil && q.Application == uuid.Nil {
		err = fault.OfParameter("application",
			fault.New(fault.CodeParameter, "application is missing: an id belongs to its application, and others may use the same"))
	}
	if err == nil {
		q.ID, err = pathID(req, "event id")
	}
	return q, err
}

func (r *Reader) history(ctx context.Context, q Query) (*History, error) {
	h, err := r.Store.History(ctx, q)
	if err == nil && h == nil {
		err = fault.New(fault.CodeNotFound, "no event of this id came to be stored, and none failed; what was accepted a moment ago may be on its way")
	}
	return h, err
}

func (r *Reader) decodeStats(ctx context.Context, req *http.Request) (Query, error) {
	q, err := r.decode(ctx, req, VerbList, "application", "category", "name", "outcome", "from", "to", "bucket", "by")
	if err == nil {
		err = q.timed(r.Now())
	}
	return q, err
}

// decode reads a query and narrows it to what the sender may do this with.
func (r *Reader) decode(ctx context.Context, req *http.Request, verb Verb, known ...string) (Query, error) {
	who, err := r.sender(ctx, req)
	if err != nil {
		return Query{}, err
	}
	given, err := kit.Parameters(req, known...)
	if err != nil {
		return Query{}, err
	}
	return r.question(ctx, who, given, verb)
}

// question reads parameters, and narrows what they ask for to what the sender may do this with.
func (r *Reader) question(ctx context.Context, who sender, given map[string]string, verb Verb) (Query, error) {
	q, err := parseQuery(given)
	if err != nil {
		return q, err
	}
	q.asker = askerOf(who)
	scope, err := askedScope(ctx, who, verb, q.reference)
	q.within(scope)
	if q.reference != "" {
		err = fault.OfParameter("application", err)
	}
	return q, err
}

// askerOf is who asks: of which kind, and their name.
func askerOf(who sender) string {
	user, kind := who.who()
	return string(kind) + " " + user
}

// reply writes JSON as it was stored: <, > and & are not escaped.
func reply[Answer any](_ context.Context, w http.ResponseWriter, answer Answer) error {
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(answer)
}
