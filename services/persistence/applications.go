package persistence

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/kit"
)

// handleApplications serves what the operator asks about applications.
func handleApplications(mux *http.ServeMux, r *Reader, observer *kit.Observer) {
	const usage, events = "/v1/applications/{uid}/usage", "/v1/applications/{uid}/events"
	mux.Handle("GET "+usage, observer.Route(usage, kit.Handler(retried(r.usage), r.decodeUsage, kit.JSON[registry.Usage])))
	mux.Handle(usage, kit.MethodNotAllowed(http.MethodGet))
	mux.Handle("DELETE "+events, observer.Route(events, kit.Handler(retried(r.Eraser.Erase), r.decodeErase, encodeErasure)))
	mux.Handle(events, kit.MethodNotAllowed(http.MethodDelete))
}

// usage of an application that is in the application log, or has left something: one that was deleted is read for as long
// as what it sent is kept.
func (r *Reader) usage(ctx context.Context, application uuid.UUID) (registry.Usage, error) {
	if r.Keys.Application(application.String()) == nil {
		left, err := r.Store.Left(ctx, application)
		if err != nil {
			return registry.Usage{}, err
		}
		if !left {
			return registry.Usage{}, r.unknownApplication()
		}
	}
	return r.Store.Usage(ctx, application, r.Now())
}

// unknownApplication is the fault of a question about an application that there is not. Whoever is told may read all:
// others are refused before. While the application log is not followed it may be there, and nobody knows.
func (r *Reader) unknownApplication() error {
	if err := r.Keys.Ready(); err != nil {
		return err
	}
	return fault.New(fault.CodeNotFound, "there is no application with this uid; of one that was deleted, "+
		"GET /v1/events and usage answer for as long as something of it is kept")
}

// decodeUsage lets those read an application's usage who may get its events, and the operator.
func (r *Reader) decodeUsage(ctx context.Context, req *http.Request) (uuid.UUID, error) {
	who, err := r.manager(ctx, req)
	if err != nil {
		return uuid.Nil, err
	}
	return decodeOne(ctx, req, who, VerbGet)
}

// decodeErase lets no application erase its own events: who has a stolen key could hide what was done with it.
func (r *Reader) decodeErase(ctx context.Context, req *http.Request) (uuid.UUID, error) {
	who, err := r.manager(ctx, req)
	if err != nil {
		return uuid.Nil, err
	}
	return decodeOne(ctx, req, who, VerbDelete)
}

// decodeOne reads the application of a path, if the sender may do something with it.
func decodeOne(ctx context.Context, req *http.Request, who sender, verb Verb) (uuid.UUID, error) {
	uid, err := decodeUID(req)
	if err != nil {
		return uuid.Nil, err
	}
	return who.one(ctx, verb, uid.String())
}

func decodeUID(req *http.Request) (uuid.UUID, error) {
	if _, err := kit.Parameters(req); err != nil {
		return uuid.Nil, err
	}
	text := req.PathValue("uid")
	uid, err := uuid.Parse(text)
	switch {
	case err != nil || uid.String() != text: // Parse takes other forms, too: one application, one path
		return uuid.Nil, fault.New(fault.CodeInvalid, "uid must be a UUID in lower case with hyphens")
	case uid == uuid.Nil:
		return uuid.Nil, fault.New(fault.CodeInvalid, "uid is the nil UUID, which is no application's")
	}
	return uid, nil
}

// encodeErasure answers 204 when everything is gone, else 202 with how far it is.
func encodeErasure(_ context.Context, w http.ResponseWriter, e Erasure) error {
	if e.State == EraseEnded {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	return json.NewEncoder(w).Encode(e)
}
