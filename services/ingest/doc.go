// Package ingest is the only door for events: it authenticates a request, splits it into events, checks each of them,
// appends what it accepted and what it refused to the event streams as one, and answers only when Redis has it on
// disk. Everything it needs to know is in memory; the one thing it waits for is that append, but for
// requests so large beside what their application may send that Redis is asked whether others have sent as much.
package ingest
