// Package scale measures what replicas do and cost: the same load on one, two and four of ingest and persistence, with
// nothing broken and no proxy between the processes. What was accepted is counted in PostgreSQL afterwards.
package scale
