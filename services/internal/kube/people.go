package kube

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/theeye-dev/theeye/services/internal/admin"
	"github.com/theeye-dev/theeye/services/internal/atonce"
	"github.com/theeye-dev/theeye/services/internal/fault"
)

const (
	// GrantedFor is how long a permission that was taken away, and a token that was, can still be used.
	GrantedFor = 10 * time.Second
	// DeniedFor is how long a permission that was given, and a token that became good, can still be refused: less, for
	// somebody waits for it.
	DeniedFor = 5 * time.Second
	// maxPeople is how many tokens are remembered: everybody who reads at the same moment, at about 1 KiB each.
	maxPeople = 1024
	// maxPermissions is about as many as those people ask for: some 2 MiB. Whoever reads the permitted part asks for one
	// in each namespace.
	maxPermissions = 16 << 10
)

// User is who a token belongs to, as the API server says.
type User struct {
	Name string
	info authenticationv1.UserInfo
	// key stands for all that the API server decides by.
	key string
}

// Permission is what a user may do with a kind of resource: in a namespace, or in all for "", with the object of a name,
// or with all for "".
type Permission struct {
	Verb, Group, Resource, Subresource string
	Namespace, Name                    string
	// Apart is no part of the question. An answer is remembered, and shared, only where it is the same: so somebody who knows
	// what was asked before learns nothing from whether this is asked about the same object.
	Apart string
}

// String names a permission as people say it, without the name of an object.
func (p Permission) String() string {
	where := "all namespaces"
	if p.Namespace != "" {
		where = fmt.Sprintf("namespace %q", p.Namespace)
	}
	return p.What() + " in " + where
}

// What names a permission without the place.
func (p Permission) What() string {
	return fmt.Sprintf("%s on %s/%s (%s)", p.Verb, p.Resource, p.Subresource, p.Group)
}

// key is what no other permission has.
func (p Permission) key() string {
	return fmt.Sprintf("%q", []string{p.Verb, p.Group, p.Resource, p.Subresource, p.Namespace, p.Name, p.Apart})
}

// People knows whom Kubernetes tokens belong to and what their owners may do. It is safe for concurrent use.
type People struct {
	client *Client
	now    func() time.Time
	tokens asked[*User]
	access asked[struct{}]
	askers *askers
}

// NewPeople returns a People that asks by a client.
func NewPeople(client *Client, metrics *Metrics, logger *slog.Logger, now func() time.Time) *People {
	return &People{
		client: client, now: now, askers: newAskers(),
		tokens: asked[*User]{
			subject: "token", logger: logger, now: now, metrics: metrics.tokens,
			allowed: newMemory[*User](maxPeople), refused: newMemory[*User](maxRefused),
		},
		access: asked[struct{}]{
			subject: "permission", logger: logger, now: now, metrics: metrics.access,
			allowed: newMemory[struct{}](maxPermissions), refused: newMemory[struct{}](maxPermissions),
		},
	}
}

// Identify finds who sent a request by its bearer token, of whatever kind the API server knows: a service account's,
// OpenID Connect's, or one of a webhook that is no JSON Web Token at all. Errors are faults: 401 when Kubernetes does not
// know the token, 503 when it could not be asked. In a context of atonce nobody is asked.
func (p *People) Identify(ctx context.Context, request *http.Request) (*User, error) {
	token, err := admin.Bearer(request)
	if err != nil {
		return nil, err
	}
	if len(token) > maxToken {
		return nil, fault.New(fault.CodeUnauthenticated, "the token is longer than any of Kubernetes")
	}
	question := digest(token)
	if decided, ok := p.tokens.recall(question); ok {
		return decided.value, decided.err
	}
	if atonce.Is(ctx) {
		return nil, errNotAsked
	}
	return p.tokens.ask(ctx, question, func(ctx context.Context) (answer[*User], error) { return p.identify(ctx, token) })
}

// identify asks whose a token is. One that says that it was made for TheEye is reviewed for that audience, and so can be
// of no use to anybody else; any other for the API server's own, which is what no audience stands for: those are what
// kubectl create token makes, and what people have in their kubeconfig.
func (p *People) identify(ctx context.Context, token string) (made answer[*User], err error) {
	said := claimsOf(token)
	audience := ""
	if slices.Contains(said.Audiences, AudiencePersistence) {
		audience = AudiencePersistence
	}
	status, err := p.client.reviewToken(ctx, token, audience)
	if err != nil {
		return made, err
	}
	if !status.Authenticated || status.User.Username == "" || audience != "" && !slices.Contains(status.Audiences, audience) {
		return answer[*User]{err: unknownToken(status, token), until: p.now().Add(DeniedFor)}, nil
	}
	user, err := userOf(status.User)
	return answer[*User]{value: user, until: said.lasting(p.now(), GrantedFor)}, err
}

func userOf(info authenticationv1.UserInfo) (*User, error) {
	text, err := json.Marshal(info) // maps by their sorted keys: one text for one user
	if err != nil {
		return nil, fmt.Errorf("encode user: %w", err)
	}
	key := sha256.Sum256(text)
	return &User{Name: info.Username, info: info, key: string(key[:])}, nil
}

// Allow answers nil when a user has a permission, else a fault: 403 that names it, 503 when Kubernetes could not be asked,
// 429 when the user asks too much by name. What is refused counts for that also while it is remembered: else somebody could
// tell from when they are stopped what was asked in their name before, and so whose something is.
func (p *People) Allow(ctx context.Context, user *User, permission Permission) error {
	question := user.key + permission.key()
	decided, known := p.access.recall(question)
	if permission.Name != "" && (!known || decided.err != nil) {
		if err := p.askers.take(user.Name, p.now()); err != nil {
			return err
		}
	}
	if known {
		return decided.err
	}
	_, err := p.access.ask(ctx, question, func(ctx context.Context) (made answer[struct{}], err error) {
		allowed, err := p.client.reviewAccess(ctx, user.info, permission)
		if made.until = p.now().Add(GrantedFor); !allowed {
			made.until = p.now().Add(DeniedFor)
			made.err = fault.New(fault.CodeForbidden, permission.String()+" is missing")
		}
		return made, err
	})
	return err
}
