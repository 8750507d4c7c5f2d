// Package event is the wire type of an event: what a client sends over HTTP, what travels on a stream, and the limits
// and checks that hold wherever one is read. It decides nothing about policies and talks to no server.
//
// An event keeps its original bytes all the way: services decode them again rather than carry a second form, so that a
// Failure can always show what the client sent.
package event
