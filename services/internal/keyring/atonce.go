package keyring

import "context"

// atOnceKey marks a context of AtOnce.
type atOnceKey struct{}

// AtOnce returns a context in which a credential that the ring does not have is refused without waiting for proof that
// the ring is up to date. Such a refusal is not to be told as one: the credential may have been confirmed a moment ago.
func AtOnce(ctx context.Context) context.Context {
	return context.WithValue(ctx, atOnceKey{}, true)
}

func atOnce(ctx context.Context) bool { return ctx.Value(atOnceKey{}) != nil }
