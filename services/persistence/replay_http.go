package persistence

import (
	"context"
	"encoding/hex"
	"net/http"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/services/internal/kit"
)

// handleFailures serves what could not be stored, and what becomes of it.
func handleFailures(mux *http.ServeMux, r *Reader, observer *kit.Observer) {
	const all, one = "/v1/failures", "/v1/failures/{id}"
	serve(mux, observer, http.MethodGet, all, kit.Handler(retried(r.Store.Failures), r.decodeFailures, reply[FailurePage]))
	serve(mux, observer, http.MethodGet, one, kit.Handler(retried(r.failure), r.decodeFailure, reply[*Failure]))
	serve(mux, observer, http.MethodPost, one+"/replay", kit.Handler(retried(r.Replays.One), r.decodeReplayOne, reply[*Attempt]))
	serve(mux, observer, http.MethodPost, one+"/discard", kit.Handler(retried(r.Replays.Discard), r.decodeDiscard, kit.Nothing))
}

// handleReplays serves replays by a filter.
func handleReplays(mux *http.ServeMux, r *Reader, observer *kit.Observer) {
	const all, one = "/v1/replays", "/v1/replays/{id}"
	mux.Handle("GET "+all, observer.Route(all, kit.Handler(retried(r.Store.Replays), r.decodeReplays, reply[ReplayPage])))
	mux.Handle("POST "+all, observer.Route(all, kit.Handler(retried(r.Replays.Begin), r.decodeBegin, encodeBegun)))
	mux.Handle(all, kit.MethodNotAllowed(http.MethodGet+", "+http.MethodPost))
	serve(mux, observer, http.MethodGet, one, kit.Handler(retried(r.Store.Replay), r.decodeReplay, reply[*Replay]))
	serve(mux, observer, http.MethodPost, one+"/cancel", kit.Handler(retried(r.Replays.Cancel), r.decodeCancel, reply[*Replay]))
}

// serve routes a path that has one method.
func serve(mux *http.ServeMux, observer *kit.Observer, method, path string, handler http.Handler) {
	mux.Handle(method+" "+path, observer.Route(path, handler))
	mux.Handle(path, kit.MethodNotAllowed(method))
}

// mayReplay tells whose Failures the sender may replay and discard, and whose replays he may cancel; uuid.Nil stands for
// everybody's.
func (r *Reader) mayReplay(ctx context.Context, req *http.Request) (own uuid.UUID, err error) {
	return r.authorize(ctx, req)
}

func (r *Reader) decodeFailures(ctx context.Context, req *http.Request) (Query, error) {
	q, err := r.decode(ctx, req, "application", "code", "stage", "state", "from", "to", "limit", "cursor")
	if err == nil && (q.AfterSession != nil || q.afterOther) {
		err = errCursor
	}
	return q, err
}

// decodeFailure lets the sender see one of those that he may list.
func (r *Reader) decodeFailure(ctx context.Context, req *http.Request) (q failureQuestion, err error) {
	if q.own, err = r.authorize(ctx, req); err != nil {
		return q, err
	}
	if _, err := kit.Parameters(req); err != nil {
		return q, err
	}
	q.id, err = failureID(req)
	return q, err
}

// failureID reads the id in a path. What is none is no Failure's.
func failureID(req *http.Request) (uuid.UUID, error) {
	text := req.PathValue("id")
	id, err := uuid.Parse(text)
	if err != nil || id.String() != text {
		return uuid.Nil, errNoFailure
	}
	return id, nil
}

// failure shows one with the schema that refused it, and whether it is the one of today's policy, as far as that is known.
func (r *Reader) failure(ctx context.Context, q failureQuestion) (*Failure, error) {
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
	if q.own, err = r.mayReplay(ctx, req); err != nil {
		return q, err
	}
	given, err := kit.Parameters(req, "dry_run")
	if err != nil {
		return q, err
	}
	parsed, _, err := parseQuery(given)
	if err != nil {
		return q, err
	}
	q.dryRun = parsed.DryRun
	q.id, err = failureID(req)
	return q, err
}

func (r *Reader) decodeDiscard(ctx context.Context, req *http.Request) (q failureQuestion, err error) {
	if q.own, err = r.mayReplay(ctx, req); err != nil {
		return q, err
	}
	if _, err := kit.Parameters(req); err != nil {
		return q, err
	}
	q.id, err = failureID(req)
	return q, err
}

// decodeBegin reads which Failures are to be replayed: those that the sender may replay, and may read.
func (r *Reader) decodeBegin(ctx context.Context, req *http.Request) (Query, error) {
	if _, err := r.mayReplay(ctx, req); err != nil {
		return Query{}, err
	}
	return r.decode(ctx, req, "application", "code", "stage", "from", "to", "dry_run")
}

// encodeBegun answers 202: the replay goes on by itself.
func encodeBegun(ctx context.Context, w http.ResponseWriter, replay *Replay) error {
	w.Header().Set("Location", "/v1/replays/"+replay.ID.String())
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	return reply(ctx, w, replay)
}

func (r *Reader) decodeReplays(ctx context.Context, req *http.Request) (own uuid.UUID, err error) {
	if own, err = r.authorize(ctx, req); err != nil {
		return own, err
	}
	_, err = kit.Parameters(req)
	return own, err
}

func (r *Reader) decodeReplay(ctx context.Context, req *http.Request) (replayQuestion, error) {
	own, err := r.authorize(ctx, req)
	return replayOf(req, own, err)
}

func (r *Reader) decodeCancel(ctx context.Context, req *http.Request) (replayQuestion, error) {
	own, err := r.mayReplay(ctx, req)
	return replayOf(req, own, err)
}

// replayOf reads the id in a path; err is why the sender may not ask.
func replayOf(req *http.Request, own uuid.UUID, err error) (replayQuestion, error) {
	if err != nil {
		return replayQuestion{}, err
	}
	if _, err := kit.Parameters(req); err != nil {
		return replayQuestion{}, err
	}
	text := req.PathValue("id")
	id, err := uuid.Parse(text)
	if err != nil || id.String() != text {
		return replayQuestion{}, errNoReplay
	}
	return replayQuestion{id, own}, nil
}
