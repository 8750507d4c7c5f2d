package persistence

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/keyring"
	"github.com/theeye-dev/theeye/services/internal/kit"
)

// keyPrefix is how every API key begins (api/apikey).
const keyPrefix = "eye_"

// foreign tells whether a bearer token may be one of Kubernetes. An API key or an access token of auth, right or wrong, is
// never shown to the Kubernetes API: the first has its prefix, the second says of itself what it is (typ at+jwt), which no
// token of the API server's does.
func foreign(req *http.Request) bool {
	token, ok := kit.Bearer(req)
	return ok && !strings.HasPrefix(token, keyPrefix) && !keyring.IsToken(token)
}

// sender finds who sent a request: an administrator, an application, or a person of the cluster.
func (r *Reader) sender(ctx context.Context, req *http.Request) (sender, error) {
	if r.Admin.Authorize(ctx, req) == nil {
		return administrator{r.Keys}, nil
	}
	return kit.Limited(ctx, r.Failures, req, func(ctx context.Context) (sender, error) { return r.identify(ctx, req) })
}

func (r *Reader) identify(ctx context.Context, req *http.Request) (sender, error) {
	if r.People != nil && foreign(req) {
		return r.person(ctx, req)
	}
	principal, err := kit.Authenticate(ctx, r.Keys, req)
	if err != nil {
		return nil, err
	}
	return owner{principal.Application, r.Keys}, principal.Require(registry.ScopeRead)
}

// person needs the application log, however old: without it no application is known.
func (r *Reader) person(ctx context.Context, req *http.Request) (sender, error) {
	user, err := r.People.Identify(ctx, req)
	if err != nil {
		return nil, asFault(err)
	}
	return person{user, r.People, r.Keys}, r.Keys.Read()
}

// manager is sender where the operator may ask, too, as an administrator.
func (r *Reader) manager(ctx context.Context, req *http.Request) (sender, error) {
	if r.Admin.Authorize(ctx, req) == nil {
		return administrator{r.Keys}, nil
	}
	if req.Header.Get("Authorization") == "" {
		return nil, fault.New(fault.CodeUnauthenticated,
			"send Authorization: Bearer (the operator's token, the admin token, a Kubernetes token, an API key or an access token), or Basic")
	}
	return kit.Limited(ctx, r.Failures, req, func(ctx context.Context) (sender, error) { return r.identifyManager(ctx, req) })
}

// identifyManager asks about the operator first, whose tokens are for TheEye alone and recognised by that.
func (r *Reader) identifyManager(ctx context.Context, req *http.Request) (sender, error) {
	if r.Operator == nil || !foreign(req) {
		return r.identify(ctx, req)
	}
	err := asFault(r.Operator.Authorize(ctx, req))
	if err == nil {
		return administrator{r.Keys}, nil
	}
	if r.People == nil || fault.KindOf(err) != fault.Denied {
		return nil, err
	}
	return r.person(ctx, req)
}

// asFault makes an authorizer's trouble 503: the token may be right.
func asFault(err error) error {
	if known := (*fault.Error)(nil); err != nil && !errors.As(err, &known) {
		return fault.Wrap(fault.CodeUnavailable, "the token cannot be checked now", err)
	}
	return err
}

// askedScope finds what a request is about that may name an application.
func askedScope(ctx context.Context, who sender, verb Verb, reference string) (Scope, error) {
	if reference == "" {
		return span(ctx, who, verb)
	}
	uid, err := who.one(ctx, verb, reference)
	if err != nil {
		return Scope{}, err
	}
	return Scope{Application: uid}, nil
}

// again returns what finds out whether the answer to a request may still go on: it holds what its sender may do now
// against a scope, and returns what that has become. Whose name an application has now is no matter by then.
func (r *Reader) again(req *http.Request, verb Verb, q *Query) func(context.Context, Scope) (Scope, error) {
	reference := ""
	if q.reference != "" {
		reference = q.Application.String()
	}
	return func(ctx context.Context, before Scope) (Scope, error) {
		who, err := r.sender(ctx, req)
		if err != nil {
			return before, err
		}
		now, err := askedScope(ctx, who, verb, reference)
		if err == nil {
			err = r.lost(before, now, verb)
		}
		if err == nil && before.All { // which has become no more and no less
			return before, nil
		}
		return now, err
	}
}

// lost is the fault of who may no longer do something with a part of what they might. An application that was deleted
// meanwhile is no such part.
func (r *Reader) lost(before, now Scope, verb Verb) error {
	switch {
	case before.All && !now.All:
		return fault.New(fault.CodeForbidden, verb.permission("", "").String()+" is missing by now")
	case before.Application != uuid.Nil && before.Application != now.Application:
		return fault.New(fault.CodeUnauthenticated, "the credential is another application's now")
	}
	for _, uid := range before.Among {
		if a := r.Keys.Application(uid.String()); a != nil && !now.has(uid) {
			return fault.New(fault.CodeForbidden, verb.permission(a.Namespace, "").String()+" is missing by now")
		}
	}
	return nil
}

// PartialHeader is in an answer that has no place of its own to say so, and holds only the permitted part.
const PartialHeader = "TheEye-Partial"

// tellPartial sets it.
func tellPartial(w http.ResponseWriter, partial bool) {
	if partial {
		w.Header().Set(PartialHeader, "true")
	}
}
