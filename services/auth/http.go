package auth

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/go-kit/kit/endpoint"
	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/kit"
)

const (
	// maxBody is above what Kubernetes keeps of one resource (etcd refuses 1.5 MiB): what fits there fits here.
	maxBody = 2 << 20
	// requestTimeout bounds a request's wait for the database; the log has its own bound.
	requestTimeout = 10 * time.Second

	defaultPage = 100
	maxPage     = 1000
)

// Authorizer decides who may use the API: nil, or a fault.
type Authorizer interface {
	Authorize(ctx context.Context, r *http.Request) error
}

// Applications is the answer of GET /v1/applications.
type Applications struct {
	Applications []registry.Application `json:"applications"`
	NextCursor   string                 `json:"next_cursor,omitempty"` // absent on the last page
}

// NewHandler serves the admin API of a service.
func NewHandler(s *Service, who Authorizer, observer *kit.Observer) *http.ServeMux {
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
	a.mux.Handle("GET /openapi.yaml", kit.OpenAPI())
	a.mux.Handle("/", observer.Route("/", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fault.Write(w, fault.New(fault.CodeNotFound, "nothing is served at this path"))
	})))
	return a.mux
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
	apps, err := a.service.Applications(ctx, Page{After: page.After, Limit: page.Limit + 1})
	if err != nil {
		return Applications{}, err
	}
	answer := Applications{Applications: apps[:min(len(apps), page.Limit)]}
	if len(apps) > page.Limit {
		answer.NextCursor = apps[page.Limit-1].UID.String()
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

func decodePage(_ context.Context, r *http.Request) (Page, error) {
	page := Page{Limit: defaultPage}
	given, err := kit.Parameters(r, "limit", "cursor")
	if err != nil {
		return page, err
	}
	if text, ok := given["limit"]; ok {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxPage {
			return page, fault.New(fault.CodeParameter, "limit must be a number from 1 to "+strconv.Itoa(maxPage))
		}
		page.Limit = n
	}
	if text, ok := given["cursor"]; ok {
		if page.After, err = parseUID(text); err != nil {
			return page, fault.New(fault.CodeParameter, "cursor must be the next_cursor of an answer")
		}
	}
	return page, nil
}

func decodeUID(_ context.Context, r *http.Request) (uuid.UUID, error) {
	uid, err := parseUID(r.PathValue("uid"))
	if err != nil {
		return uid, fault.New(fault.CodeInvalid, err.Error())
	}
	return uid, nil
}

// parseUID takes the one form that Kubernetes writes; uuid.Parse would take others, and so one application two paths.
func parseUID(text string) (uuid.UUID, error) {
	uid, err := uuid.Parse(text)
	if err != nil || uid.String() != text || uid == uuid.Nil {
		return uuid.Nil, errors.New("uid must be a UUID in lower case with hyphens")
	}
	return uid, nil
}

func decodeKey(ctx context.Context, r *http.Request) (CredentialKey, error) {
	uid, err := decodeUID(ctx, r)
	if err != nil {
		return CredentialKey{}, err
	}
	key := CredentialKey{Application: uid, ID: r.PathValue("id")}
	if !apikey.ValidCredentialID(key.ID) {
		return key, fault.New(fault.CodeInvalid, "a credential's id must have 1 to 16 lower-case letters and digits")
	}
	return key, nil
}

func decodeApplication(ctx context.Context, r *http.Request) (want desiredApplication, err error) {
	if want.Key, err = decodeUID(ctx, r); err != nil {
		return want, err
	}
	if err := kit.DecodeJSON(r, maxBody, &want.State); err != nil {
		return want, err
	}
	if err := checkApplication(&want.State); err != nil {
		return want, fault.New(fault.CodeInvalid, strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return want, nil
}

// Names are what Kubernetes takes as the names of namespaces and resources (RFC 1123 in lower case). Scripts rely on
// their having no quotes.
const (
	maxNamespace = 63
	maxName      = 253
)

var (
	dnsLabel     = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
	dnsSubdomain = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
)

// checkApplication returns every fault of a desired application, joined.
func checkApplication(want *registry.DesiredApplication) error {
	var errs []error
	if len(want.Namespace) > maxNamespace || !dnsLabel.MatchString(want.Namespace) {
		errs = append(errs, errors.New("namespace: must be a DNS-1123 label of at most 63 characters"))
	}
	if len(want.Name) > maxName || !dnsSubdomain.MatchString(want.Name) {
		errs = append(errs, errors.New("name: must be a DNS-1123 subdomain of at most 253 characters"))
	}
	return errors.Join(append(errs, want.Policy.Validate())...)
}

func decodeCredential(ctx context.Context, r *http.Request) (want desiredCredential, err error) {
	if want.Key, err = decodeKey(ctx, r); err != nil {
		return want, err
	}
	if err := kit.DecodeJSON(r, maxBody, &want.State); err != nil {
		return want, err
	}
	if want.State.SHA256 == (registry.Digest{}) {
		return want, fault.New(fault.CodeInvalid, "sha256 is missing")
	}
	if end := want.State.NotAfter; end != nil && (end.UTC().Year() < 1 || end.UTC().Year() > 9999) {
		return want, fault.New(fault.CodeInvalid, "notAfter must be within the years 1 to 9999 in UTC")
	}
	return want, nil
}
