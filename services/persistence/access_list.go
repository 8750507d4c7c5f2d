package persistence

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/kit"
)

// maxListed bounds the applications of an answer: more is no list that anybody looks through.
const maxListed = 1000

// Access is who somebody is, and what they may do.
type Access struct {
	User string     `json:"user"`
	Kind SenderKind `json:"kind"`
	// All: questions that name no application are answered in full, for every application may be listed.
	All          bool    `json:"all"`
	Applications []Grant `json:"applications"`      // by namespace and name
	Partial      bool    `json:"partial,omitempty"` // there are more of them
	// Unlisted verbs are not among those of Applications: where they are allowed is too much to be found out. It is for one.
	Unlisted []Verb `json:"unlisted,omitempty"`
}

// Grant is what may be done with an application's events.
type Grant struct {
	UID       uuid.UUID `json:"uid"`
	Namespace string    `json:"namespace"`
	Name      string    `json:"name"`
	Suspended bool      `json:"suspended"`
	Verbs     []Verb    `json:"verbs"`
}

// ApplicationPolicy is what is known of an application beside its events. Of a credential it has the id alone.
type ApplicationPolicy struct {
	UID         uuid.UUID         `json:"uid"`
	Namespace   string            `json:"namespace"`
	Name        string            `json:"name"`
	Policy      registry.Policy   `json:"policy"`
	Credentials []CredentialState `json:"credentials"`
}

// CredentialState is how a credential stands.
type CredentialState struct {
	ID        string     `json:"id"`
	State     string     `json:"state"` // active; expiring, and when; expired
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}

// handleAccess serves what a sender may do, and an application's policy.
func handleAccess(mux *http.ServeMux, r *Reader, observer *kit.Observer) {
	const access, policy = "/v1/access", "/v1/applications/{uid}/policy"
	mux.Handle("GET "+access, observer.Route(access, kit.Handler(r.access, r.decodeAccess, reply[Access])))
	mux.Handle(access, kit.MethodNotAllowed(http.MethodGet))
	mux.Handle("GET "+policy, observer.Route(policy, kit.Handler(r.policy, r.decodePolicy, reply[ApplicationPolicy])))
	mux.Handle(policy, kit.MethodNotAllowed(http.MethodGet))
}

// accessQuestion is what GET /v1/access asks: of all applications, or of one.
type accessQuestion struct {
	who         sender
	application string
}

func (r *Reader) decodeAccess(ctx context.Context, req *http.Request) (q accessQuestion, err error) {
	if q.who, err = r.sender(ctx, req); err != nil {
		return q, err
	}
	given, err := kit.Parameters(req, "application")
	if err != nil {
		return q, err
	}
	if reference, named := given["application"]; named {
		q.application, err = parseText("application", reference)
	}
	return q, err
}

// access looks at each verb by itself: what is too much to be found out of one says nothing of the others.
func (r *Reader) access(ctx context.Context, q accessQuestion) (Access, error) {
	answer := Access{Applications: []Grant{}}
	answer.User, answer.Kind = q.who.who()
	scopes := make([]Scope, len(verbs()))
	for i, verb := range verbs() {
		var err error
		switch scopes[i], err = r.granted(ctx, q, verb); {
		case isTooWide(err):
			answer.Unlisted = append(answer.Unlisted, verb)
		case err != nil:
			return answer, err
		}
	}
	err := q.who.everywhere(ctx, VerbList)
	if answer.All = err == nil; err != nil && !forbidden(err) {
		return answer, err
	}
	for _, applications := range r.Keys.Namespaces() {
		for _, a := range applications {
			if g := grantOf(a, scopes); len(g.Verbs) > 0 {
				answer.Applications = append(answer.Applications, g)
			}
		}
	}
	slices.SortFunc(answer.Applications, func(a, b Grant) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), byBytes(a.UID, b.UID))
	})
	if answer.Partial = len(answer.Applications) > maxListed; answer.Partial {
		answer.Applications = answer.Applications[:maxListed]
	}
	return answer, nil
}

// granted is with which of the applications that are asked for the sender may do something.
func (r *Reader) granted(ctx context.Context, q accessQuestion, verb Verb) (Scope, error) {
	if q.application == "" {
		return q.who.permitted(ctx, verb)
	}
	scope, err := askedScope(ctx, q.who, verb, q.application)
	if forbidden(err) {
		err = nil
	}
	return scope, err
}

// grantOf collects the verbs whose scopes have an application.
func grantOf(a *registry.Application, scopes []Scope) Grant {
	g := Grant{UID: a.UID, Namespace: a.Namespace, Name: a.Name, Suspended: a.Policy.Suspended}
	for i, verb := range verbs() {
		if scopes[i].has(a.UID) {
			g.Verbs = append(g.Verbs, verb)
		}
	}
	return g
}

func (r *Reader) decodePolicy(ctx context.Context, req *http.Request) (uuid.UUID, error) {
	who, err := r.sender(ctx, req)
	if err != nil {
		return uuid.Nil, err
	}
	return decodeOne(ctx, req, who, VerbGet)
}

func (r *Reader) policy(_ context.Context, uid uuid.UUID) (answer ApplicationPolicy, err error) {
	a := r.Keys.Application(uid.String())
	if a == nil {
		return answer, r.unknownApplication()
	}
	answer = ApplicationPolicy{UID: a.UID, Namespace: a.Namespace, Name: a.Name, Policy: a.Policy, Credentials: []CredentialState{}}
	for _, c := range a.Credentials {
		state := CredentialState{ID: c.ID, State: "active", ExpiresAt: c.NotAfter}
		switch {
		case c.NotAfter == nil:
		case c.NotAfter.After(r.Now()):
			state.State = "expiring"
		default:
			state.State = "expired"
		}
		answer.Credentials = append(answer.Credentials, state)
	}
	return answer, nil
}
