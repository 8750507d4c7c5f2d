package kube

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/theeye-dev/theeye/services/internal/admin"
	"github.com/theeye-dev/theeye/services/internal/atonce"
	"github.com/theeye-dev/theeye/services/internal/fault"
)

// The audiences of the two services: a token for one is of no use to the other, nor at the API server.
const (
	AudienceAuth        = "theeye-auth"
	AudiencePersistence = "theeye-persistence"
)

const (
	// allowedFor is how long a service account that was deleted can still be let in.
	allowedFor = time.Minute
	// refusedFor spares the API server a client that repeats itself, and is over before a person has tried again what
	// they have just put right.
	refusedFor = 5 * time.Second
	// maxAllowed is many times the tokens of a few service accounts. They have a memory of their own, so that no flood
	// of refused tokens pushes them out.
	maxAllowed = 64
	// maxRefused bounds the memory of the others to some 100 KiB.
	maxRefused = 1024
)

// Reviewer lets service accounts in whose tokens the API server vouches for.
type Reviewer struct {
	client   *Client
	audience string
	accounts Accounts
	metrics  *Metrics
	logger   *slog.Logger
	now      func() time.Time

	allowed, refused *decisions
	reviews          singleflight.Group
	failing          atomic.Bool // the last review got no answer
}

// NewReviewer returns a Reviewer that lets these accounts in with tokens for this audience.
func NewReviewer(client *Client, audience string, accounts Accounts, metrics *Metrics, logger *slog.Logger, now func() time.Time) *Reviewer {
	return &Reviewer{
		client: client, audience: audience, accounts: accounts, metrics: metrics, logger: logger, now: now,
		allowed: newDecisions(maxAllowed), refused: newDecisions(maxRefused),
	}
}

// Authorize answers nil for a request with the bearer token of one of the service accounts, else a fault: 401 when
// Kubernetes does not know the token, 403 when it belongs to somebody else, 503 when Kubernetes could not be asked. In
// a context of atonce nobody is asked.
func (r *Reviewer) Authorize(ctx context.Context, request *http.Request) error {
	token, err := admin.Bearer(request)
	if err != nil {
		return err
	}
	said, err := readClaims(token, r.audience)
	if err != nil {
		return err
	}
	key := digest(sha256.Sum256([]byte(token)))
	if decided, ok := r.recall(key); ok {
		return decided.err
	}
	if atonce.Is(ctx) {
		return errNotAsked
	}
	return r.review(ctx, key, token, said.expiry())
}

var errNotAsked = fault.New(fault.CodeUnauthenticated, "Kubernetes has not been asked about the token")

func (r *Reviewer) recall(key digest) (decision, bool) {
	now := r.now()
	if decided, ok := r.allowed.find(key, now); ok {
		return decided, true
	}
	return r.refused.find(key, now)
}

// review has a token reviewed, once for all who ask at the same time. Whoever goes away does not take the answer from
// the others: the review ends by its own timeout.
func (r *Reviewer) review(ctx context.Context, key digest, token string, expiry time.Time) error {
	answered := r.reviews.DoChan(string(key[:]), func() (any, error) {
		if decided, ok := r.recall(key); ok { // by a review that ended just before this one began
			return nil, decided.err
		}
		return nil, r.decide(context.WithoutCancel(ctx), key, token, expiry)
	})
	select {
	case <-ctx.Done():
		return fault.Wrap(fault.CodeUnavailable, "the request ended before Kubernetes had answered", ctx.Err())
	case answer := <-answered:
		return answer.Err
	}
}

// decide asks the API server and remembers its answer. That it gave none is not remembered.
func (r *Reviewer) decide(ctx context.Context, key digest, token string, expiry time.Time) error {
	status, err := r.client.reviewToken(ctx, token, r.audience)
	r.note(ctx, err)
	if err != nil {
		r.metrics.failed(ctx)
		return fault.Wrap(fault.CodeUnavailable, "Kubernetes cannot be asked about the token; repeat the request", err)
	}
	now := r.now()
	if err := r.judge(status, token); err != nil {
		r.metrics.refused(ctx)
		r.refused.keep(key, decision{err, now.Add(refusedFor)}, now)
		return err
	}
	r.metrics.allowed(ctx)
	until := now.Add(allowedFor)
	if !expiry.IsZero() && expiry.Before(until) {
		until = expiry
	}
	r.allowed.keep(key, decision{nil, until}, now)
	return nil
}

// judge turns what the API server says of a token into a decision. An API server that knows nothing of audiences leaves
// them out, and would vouch for tokens made for others.
func (r *Reviewer) judge(status authenticationv1.TokenReviewStatus, token string) error {
	if !status.Authenticated || !slices.Contains(status.Audiences, r.audience) {
		return fault.Wrap(fault.CodeUnauthenticated, "Kubernetes does not know the token, or no longer", cause(status.Error, token))
	}
	if !slices.Contains(r.accounts, status.User.Username) {
		return fault.New(fault.CodeForbidden,
			"the token is valid, and not of a service account that may do this: "+r.accounts.String()+" is needed")
	}
	return nil
}

// cause is why the API server refused a token, for the log; nil when it does not say, or when it says it with the token.
func cause(text, token string) error {
	if text == "" || strings.Contains(text, token) {
		return nil
	}
	return errors.New(text)
}

// note logs when reviews begin to fail and when they work again, and not each time.
func (r *Reviewer) note(ctx context.Context, err error) {
	failing := err != nil
	if r.failing.Swap(failing) == failing {
		return
	}
	if failing {
		r.logger.WarnContext(ctx, "kubernetes does not review tokens", "audience", r.audience, "error", err)
	} else {
		r.logger.InfoContext(ctx, "kubernetes reviews tokens again", "audience", r.audience)
	}
}
