package kit

import (
	"context"
	"net/http"
)

// Authorizer decides who may do what a request asks for: nil, or a fault.
type Authorizer interface {
	Authorize(ctx context.Context, r *http.Request) error
}

// Guard returns an Authorizer whose refusals are limited by address: made-up tokens of one address must not use up what
// Kubernetes may be asked about everybody's.
func (f *Failures) Guard(who Authorizer) Authorizer { return guarded{f, who} }

type guarded struct {
	failures *Failures
	who      Authorizer
}

// Authorize is that of the guarded one; a request without a credential is no failure.
func (g guarded) Authorize(ctx context.Context, r *http.Request) error {
	if r.Header.Get("Authorization") == "" {
		return g.who.Authorize(ctx, r)
	}
	_, err := Limited(ctx, g.failures, r, func(ctx context.Context) (struct{}, error) { return struct{}{}, g.who.Authorize(ctx, r) })
	return err
}
