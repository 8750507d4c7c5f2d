package persistence

import (
	"context"
	"encoding/hex"
	"net/http"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/kit"
)

// handleFailures serves what could not be stored, and what becomes of it.
func handleFailures(mux *http.ServeMux, r *Reader, observer *kit.Observer) {
	const all, one = "/v1/failures", "/v1/failures/{id}"
	serve(mux, observer, http.MethodGet, all, kit.Handler(retried(r.Store.Failures), r.decodeFailures, reply[FailurePage]))
	serve(mux, observer, http.MethodGet, one, kit.Handler(retried(r.failure), r.decodeFailure, reply[*Failure]))
	serve(mux, observer, http.MethodPost, one+"/replay", kit.Handler(retried(r.replayOne), r.decodeReplayOne, reply[*Attempt]))
	serve(mux, observer, http.MethodPost, one+"/discard", kit.Handler(retried(r.discard), r.decodeFailure, kit.Nothing))
}

// handleReplays serves replays by a filter.
func handleReplays(mux *http.ServeMux, r *Reader, observer *kit.Observer) {
	const all, one = "/v1/replays", "/v1/replays/{id}"
	mux.Handle("GET "+all, observer.Route(all, kit.Handler(retried(r.Store.Replays), r.decodeReplays, reply[ReplayPage])))
	mux.Handle("POST "+all, observer.Route(all, kit.Handler(retried(r.Replays.Begin), r.decodeBegin, encodeBegun)))
	mux.Handle(all, kit.MethodNotAllowed(http.MethodGet+", "+http.MethodPost))
	serve(mux, observer, http.MethodGet, one, kit.Handler(retried(r.replay), r.decodeReplay, reply[*Replay]))
	serve(mux, observer, http.MethodPost, one+"/cancel", kit.Handler(retried(r.cancel), r.decodeReplay, reply[*Replay]))
}

// serve routes a path that has one method.
func serve(mux *http.ServeMux, observer *kit.Observer, method, path string, handler http.Handler) {
	mux.Handle(method+" "+path, observer.Route(path, handler))
	mux.Handle(path, kit.MethodNotAllowed(method))
}

func (r *Reader) decodeFailures(ctx context.Context, req *http.Request) (Query, error) {
	q, err := r.decode(ctx, req, VerbList, "application", "code", "stage", "state", "from", "to", "limit", "cursor")
	if err == nil {
		err = q.checkState(stateOpen, stateReplayed, stateDiscarded)
	}
	if err == nil {
		err = q.resume(listFailures)
	}
	return q, err
}

// decodeFailure reads which one is asked for. Whether the sender may get it is found out where it is looked for.
func (r *Reader) decodeFailure(ctx context.Context, req *http.Request) (q failureQuestion, err error) {
	if q, err = r.failureOf(ctx, req); err == nil {
		_, err = kit.Parameters(req)
	}
	return q, err
}

func (r *Reader) failureOf(ctx context.Context, req *http.Request) (q failureQuestion, err error) {
	if q.who, err = r.sender(ctx, req); err != nil {
		return q, err
	}
	q.id = pathUUID(req)
	return q, bodiless(req)
}

// bodiless refuses a body: who sends dry_run in one must not have it left out.
func bodiless(req *http.Request) error {
	if req.ContentLength != 0 {
		return fault.New(fault.CodeParameter, "a body is not read: parameters belong in the query of the address")
	}
	return nil
}

// pathUUID reads the id in a path. What is none is nothing's: uuid.Nil.
func pathUUID(req *http.Request) uuid.UUID {
	text := req.PathValue("id")
	if id, err := uuid.Parse(text); err == nil && id.String() == text {
		return id
	}
	return uuid.Nil
}

// gets narrows a question to where the sender may get the Failure, or tells that there is none for them. It returns whose
// it is.
func (r *Reader) gets(ctx context.Context, q *failureQuestion) (of owned, err error) {
	of, err = r.Store.ownerOf(ctx, "failure", "SELECT application FROM persistence.failures WHERE sequence = $1", q.id)
	if err == nil {
		q.scope, err = scopeFor(ctx, q.who, VerbGet, of, errNoFailure)
	}
	return of, err
}

// changes is gets for who may also say what becomes of it.
func (r *Reader) changes(ctx context.Context, q *failureQuestion) error {
	of, err := r.gets(ctx, q)
	if err == nil {
		err = may(ctx, q.who, VerbUpdate, of.application)
	}
	return err
}

// failure shows one with the schema that refused it, and whether it is the one of today's policy, as far as that is known.
func (r *Reader) failure(ctx context.Context, q failureQuestion) (*Failure, error) {
	if _, err := r.gets(ctx, &q); err != nil {
		return nil, err
	}
	f, err := r.Store.Failure(ctx, q)
	switch {
	case err != nil:
		return nil, err
	case f == nil:
		return nil, errNoFailure
	case f.SchemaDigest != "" && f.Application != nil:
		f.SchemaCurrent = r.isCurrent(f)
	}
	return f, nil
}

// isCurrent tells whether today's policy has the schema that refused a Failure; nil while policies are not known.
func (r *Reader) isCurrent(f *Failure) *bool {
	if r.Keys.Read() != nil {
		return nil
	}
	current := false
	if _, rules := r.Keys.Rules(*f.Application); rules != nil {
		if digest := rules.SchemaOf(f.category, f.name); digest != nil {
			current = f.SchemaDigest == hex.EncodeToString(digest[:])
		}
	}
	return &current
}

func (r *Reader) decodeReplayOne(ctx context.Context, req *http.Request) (q oneReplay, err error) {
	if q.failureQuestion, err = r.failureOf(ctx, req); err != nil {
		return q, err
	}
	given, err := kit.Parameters(req, "dry_run")
	if err != nil {
		return q, err
	}
	parsed, err := parseQuery(given)
	q.dryRun = parsed.DryRun
	return q, err
}

// replayOne replays a Failure, or tells whoever may get it what would become of it.
func (r *Reader) replayOne(ctx context.Context, q oneReplay) (*Attempt, error) {
	allowed := r.changes
	if q.dryRun {
		allowed = func(ctx context.Context, q *failureQuestion) error { _, err := r.gets(ctx, q); return err }
	}
	if err := allowed(ctx, &q.failureQuestion); err != nil {
		return nil, err
	}
	return r.Replays.One(ctx, q)
}

func (r *Reader) discard(ctx context.Context, q failureQuestion) (struct{}, error) {
	if err := r.changes(ctx, &q); err != nil {
		return struct{}{}, err
	}
	return r.Replays.Discard(ctx, q)
}

// decodeBegin reads which Failures are to be replayed. A dry run is for whoever may list them.
func (r *Reader) decodeBegin(ctx context.Context, req *http.Request) (Query, error) {
	if err := bodiless(req); err != nil {
		return Query{}, err
	}
	verb := VerbUpdate
	if req.URL.Query().Get("dry_run") == "true" {
		verb = VerbList
	}
	q, err := r.decode(ctx, req, verb, "application", "code", "stage", "from", "to", "dry_run")
	if err == nil && q.partial() {
		err = errOneOrAll
	}
	return q, err
}

var errOneOrAll = fault.New(fault.CodeParameter, "application is missing: who may not replay everybody's failures replays those of one application at a time")

// encodeBegun answers 202: the replay goes on by itself.
func encodeBegun(ctx context.Context, w http.ResponseWriter, replay *Replay) error {
	w.Header().Set("Location", "/v1/replays/"+replay.ID.String())
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	return reply(ctx, w, replay)
}

func (r *Reader) decodeReplays(ctx context.Context, req *http.Request) (Query, error) {
	q, err := r.decode(ctx, req, VerbList, "application", "state", "dry_run", "limit", "cursor")
	if err == nil {
		err = q.checkState(stateRunning, stateFinished, stateCancelled)
	}
	if err == nil {
		err = q.resume(listReplays)
	}
	return q, err
}

// decodeReplay reads which one is asked for. Whether the sender may list it is found out where it is looked for.
func (r *Reader) decodeReplay(ctx context.Context, req *http.Request) (q replayQuestion, err error) {
	if q.who, err = r.sender(ctx, req); err != nil {
		return q, err
	}
	if _, err := kit.Parameters(req); err != nil {
		return q, err
	}
	q.id = pathUUID(req)
	return q, bodiless(req)
}

// found is a replay as its reader sees it, with the question narrowed to where they may list it.
func (r *Reader) found(ctx context.Context, q *replayQuestion) (*Replay, error) {
	of, err := r.Store.ownerOf(ctx, "replay", "SELECT application FROM persistence.replays WHERE id = $1", q.id)
	if err != nil {
		return nil, err
	}
	if q.scope, err = scopeFor(ctx, q.who, VerbList, of, errNoReplay); err != nil {
		return nil, err
	}
	replay, err := r.Store.Replay(ctx, *q)
	if err == nil {
		replay.seenBy(askerOf(q.who))
	}
	return replay, err
}

func (r *Reader) replay(ctx context.Context, q replayQuestion) (*Replay, error) {
	return r.found(ctx, &q)
}

// cancel ends a replay. A dry run may be ended by whoever has begun it, and any replay by whoever may update what it is of:
// who may only read ends nobody else's.
func (r *Reader) cancel(ctx context.Context, q replayQuestion) (*Replay, error) {
	replay, err := r.found(ctx, &q)
	if err == nil && !(replay.DryRun && replay.Yours) {
		err = may(ctx, q.who, VerbUpdate, replay.Application)
	}
	if err != nil {
		return nil, err
	}
	ended, err := r.Replays.Cancel(ctx, q)
	if err == nil {
		ended.Yours = replay.Yours
	}
	return ended, err
}
