package auth

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/go-kit/kit/endpoint"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/kit"
)

// requestTimeout bounds a request's wait for the database; the log has its own bound.
const requestTimeout = 10 * time.Second

// Authorizer decides who may use the API: nil, or a fault.
type Authorizer interface {
	Authorize(ctx context.Context, r *http.Request) error
}

// Applications is the answer of GET /v1/applications.
type Applications struct {
	Applications []registry.Application `json:"applications"`
	NextCursor   string                 `json:"next_cursor,omitempty"` // absent on the last page
}

// NewHandler serves the admin API of a service, and what clients need to get access tokens; tokens may be nil.
func NewHandler(s *Service, who Authorizer, tokens *Tokens, observer *kit.Observer) *http.ServeMux {
	const (
		applications = "/v1/applications"
		application  = applications + "/{uid}"
		credential   = application + "/credentials/{id}"
	)
	a := api{service: s, who: who, observer: observer, mux: http.NewServeMux()}
	route(a, "GET "+applications, a.list, decodePage, kit.JSON)
	route(a, "GET "+application, s.Application, decodeUID, kit.JSON)
	route(a, "PUT "+application, s.PutApplication, decodeApplication, encodeOutcome)
	route(a, "DELETE "+application, s.DeleteApplication, decodeUID, kit.Nothing)
	route(a, "GET "+credential, s.Credential, decodeKey, kit.JSON)
	route(a, "PUT "+credential, s.PutCredential, decodeCredential, encodeOutcome)
	route(a, "DELETE "+credential, s.DeleteCredential, decodeKey, kit.Nothing)
	a.refuse(applications, "GET, HEAD")
	a.refuse(application, "GET, HEAD, PUT, DELETE")
	a.refuse(credential, "GET, HEAD, PUT, DELETE")
	kit.ServeOpenAPI(a.mux)
	a.mux.Handle("/", observer.Route("/", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fault.Write(w, fault.New(fault.CodeNotFound, "nothing is served at this path"))
	})))
	if tokens == nil {
		return a.mux
	}
	tokens.mount(a)
	all := http.NewServeMux()
	all.Handle("/", tokens.underIssuer(a.mux))
	return all
}

// api is what all routes have in common.
type api struct {
	service  *Service
	who      Authorizer
	observer *kit.Observer
	mux      *http.ServeMux
}

// route mounts a method of the service. Nothing of a request is read before its sender is known.
func route[Req, Resp any](
	a api, pattern string,
	method func(context.Context, Req) (Resp, error),
	decode func(context.Context, *http.Request) (Req, error),
	encode func(context.Context, http.ResponseWriter, Resp) error,
) {
	authorized := func(ctx context.Context, r *http.Request) (request Req, err error) {
		if err := a.who.Authorize(ctx, r); err != nil {
			return request, err
		}
		return decode(ctx, r)
	}
	a.mux.Handle(pattern, a.observer.Route(pattern, kit.Handler(method, authorized, encode, a.whenReady)))
}

// refuse answers the methods that a path does not have.
func (a api) refuse(path, allow string) {
	a.mux.Handle(path, a.observer.Route(path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", allow)
		fault.Write(w, fault.New(fault.CodeMethod, r.Method+" is not served at this path"))
	})))
}

// whenReady lets requests in once the database is migrated, and bounds them.
func (a api) whenReady(next endpoint.Endpoint) endpoint.Endpoint {
	return func(ctx context.Context, request any) (any, error) {
		if err := a.service.Ready(ctx); err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(ctx, requestTimeout)
		defer cancel()
		return next(ctx, request)
	}
}

// list asks for one application more than a page has, to know whether another page follows.
func (a api) list(ctx context.Context, page Page) (Applications, error) {
	limit := page.Limit
	page.Limit++
	apps, err := a.service.Applications(ctx, page)
	if err != nil {
		return Applications{}, err
	}
	answer := Applications{Applications: apps[:min(len(apps), limit)]}
	if len(apps) > limit {
		answer.NextCursor = apps[limit-1].UID.String()
	}
	return answer, nil
}

func encodeOutcome[State any](_ context.Context, w http.ResponseWriter, o Outcome[State]) error {
	w.Header().Set("Content-Type", "application/json")
	if o.Created {
		w.WriteHeader(http.StatusCreated)
	}
	return json.NewEncoder(w).Encode(o.State)
}
