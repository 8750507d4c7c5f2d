// Package atonce marks questions about a credential that want an answer from memory, or none.
package atonce

import "context"

type key struct{}

// Context returns a context in which whoever is asked about a credential waits for nobody and asks nobody else: one
// that is not in memory is refused. Such a refusal is not to be told as one, for the credential may be right.
func Context(ctx context.Context) context.Context { return context.WithValue(ctx, key{}, true) }

// Is tells whether the context is of Context.
func Is(ctx context.Context) bool { return ctx.Value(key{}) != nil }
