package kube

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

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
	tokens   asked[struct{}]
	now      func() time.Time
}

// NewReviewer returns a Reviewer that lets these accounts in with tokens for this audience.
func NewReviewer(client *Client, audience string, accounts Accounts, metrics *Metrics, logger *slog.Logger, now func() time.Time) *Reviewer {
	return &Reviewer{
		client: client, audience: audience, accounts: accounts, now: now,
		tokens: asked[struct{}]{
			subject: "token", logger: logger, now: now, metrics: metrics.tokens,
			allowed: newMemory[struct{}](maxAllowed), refused: newMemory[struct{}](maxRefused),
		},
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
	question := digest(token)
	if decided, ok := r.tokens.recall(question); ok {
		return decided.err
	}
	if atonce.Is(ctx) {
		return errNotAsked
	}
	_, err = r.tokens.ask(ctx, question, func(ctx context.Context) (made answer[struct{}], err error) {
		status, err := r.client.reviewToken(ctx, token, r.audience)
		if err != nil {
			return made, err
		}
		made.err = r.judge(status, token)
		made.until = said.lasting(r.now(), allowedFor)
		if made.err != nil {
			made.until = r.now().Add(refusedFor)
		}
		return made, nil
	})
	return err
}

// digest stands for a token: of tokens themselves none is kept.
func digest(token string) string {
	sum := sha256.Sum256([]byte(token))
	return string(sum[:])
}

var errNotAsked = fault.New(fault.CodeUnauthenticated, "Kubernetes has not been asked about the token")

// judge turns what the API server says of a token into a decision. An API server that knows nothing of audiences leaves
// them out, and would vouch for tokens made for others.
func (r *Reviewer) judge(status authenticationv1.TokenReviewStatus, token string) error {
	if !status.Authenticated || !slices.Contains(status.Audiences, r.audience) {
		return unknownToken(status, token)
	}
	if !slices.Contains(r.accounts, status.User.Username) {
		return fault.New(fault.CodeForbidden,
			"the token is valid, and not of a service account that may do this: "+r.accounts.String()+" is needed")
	}
	return nil
}

func unknownToken(status authenticationv1.TokenReviewStatus, token string) error {
	return fault.Wrap(fault.CodeUnauthenticated, "Kubernetes does not know the token, or no longer", cause(status.Error, token))
}

// cause is why the API server refused a token, for the log; nil when it does not say, or when it says it with the token.
func cause(text, token string) error {
	if text == "" || strings.Contains(text, token) {
		return nil
	}
	return errors.New(text)
}
