// Package persistence stores what travels on the event streams exactly once, and answers questions about it.
//
// The path of a batch: Service.Store decodes entries into records, Postgres.Insert writes them in one transaction, and
// the consumer acknowledges. A record that PostgreSQL refuses as data is found by halving the batch and becomes a
// Failure; everything else that goes wrong is tried again until it works.
package persistence
