package client

// What tests look at from outside.
var (
	RetryAfter = retryAfter
	Quote      = quote
)

// Backoff is how long the client waits after the n-th try.
var Backoff = (*Client).backoff
