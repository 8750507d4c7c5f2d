package persistence

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/keyring"
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

func (r *Reader) usage(ctx context.Context, application uuid.UUID) (registry.Usage, error) {
	return r.Store.Usage(ctx, application, r.Now())
}

// decodeUsage lets an application read its own usage, and who manages applications that of all.
func (r *Reader) decodeUsage(ctx context.Context, req *http.Request) (uuid.UUID, error) {
	own, err := r.manages(ctx, req)
	if err != nil {
		return uuid.Nil, err
	}
	uid, err := decodeUID(req)
	if err == nil && own != uuid.Nil && uid != own {
		err = fault.New(fault.CodeForbidden, "an application's credential reads that application's usage only; the operator's token or the admin token is missing")
	}
	return uid, err
}

// decodeErase lets no application erase its own events: who has a stolen key could hide what was done with it.
func (r *Reader) decodeErase(ctx context.Context, req *http.Request) (uuid.UUID, error) {
	own, err := r.manages(ctx, req)
	if err != nil {
		return uuid.Nil, err
	}
	if own != uuid.Nil {
		return uuid.Nil, fault.New(fault.CodeForbidden, "an application's credential erases nothing; the operator's token or the admin token is missing")
	}
	return decodeUID(req)
}

func decodeUID(req *http.Request) (uuid.UUID, error) {
	if _, err := kit.Parameters(req); err != nil {
		return uuid.Nil, err
	}
	text := req.PathValue("uid")
	uid, err := uuid.Parse(text)
	if err != nil || uid.String() != text || uid == uuid.Nil { // Parse takes other forms, too: one application, one path
		return uuid.Nil, fault.New(fault.CodeInvalid, "uid must be a UUID in lower case with hyphens")
	}
	return uid, nil
}

// keyPrefix is how every API key begins (api/apikey).
const keyPrefix = "eye_"

// manages tells whether the sender is the operator or an administrator (uuid.Nil), or an application, and which. An
// application's key or access token is never shown to the Kubernetes API: only other bearer tokens are.
func (r *Reader) manages(ctx context.Context, req *http.Request) (own uuid.UUID, err error) {
	if r.Admin.Authorize(ctx, req) == nil {
		return uuid.Nil, nil
	}
	if req.Header.Get("Authorization") == "" {
		return uuid.Nil, fault.New(fault.CodeUnauthenticated, "send Authorization: Bearer (the operator's token, the admin token, an API key or an access token), or Basic")
	}
	return kit.Limited(ctx, r.Failures, req, func(ctx context.Context) (uuid.UUID, error) { return r.manager(ctx, req) })
}

func (r *Reader) manager(ctx context.Context, req *http.Request) (own uuid.UUID, err error) {
	if token, ok := kit.Bearer(req); ok && r.Operator != nil && !strings.HasPrefix(token, keyPrefix) && !keyring.IsToken(token) {
		return uuid.Nil, asFault(r.Operator.Authorize(ctx, req))
	}
	principal, err := kit.Authenticate(ctx, r.Keys, req)
	if err != nil {
		return uuid.Nil, err
	}
	return principal.Application.UID, principal.Require(registry.ScopeRead)
}

// asFault makes an authorizer's trouble 503: the token may be right.
func asFault(err error) error {
	if known := (*fault.Error)(nil); err != nil && !errors.As(err, &known) {
		return fault.Wrap(fault.CodeUnavailable, "the token cannot be checked now", err)
	}
	return err
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
