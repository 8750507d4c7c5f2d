// Package persistence stores what travels on the event streams exactly once, and answers questions about it.
//
// The path of a batch: Service.Store decodes entries into records, Postgres.Insert writes them in one transaction, and
// the consumer acknowledges. A record that PostgreSQL refuses as data is found by halving the batch and becomes a
// Failure; everything else that goes wrong is tried again until it works.
//
// What ingest has only counted of a flood of refused events is added up (counted.go).
//
// Usage and counts are answered from counters that are written with the batch (counters.go, counters_types.go; usage.go,
// stats.go).
//
// The path of a question: Reader.decode says what may be read (http.go); Postgres.branches finds the ranges of indexes
// that hold the answer (branch.go), and Query.pageSQL reads them as far as a page needs (events.go). What no index tells
// is looked into by filters, so many rows a page (property.go). Every documented question has its plan in plans_test.go.
//
// What became of a batch is told to who listens: Announcer.Announce appends it to a stream in Redis after the commit, Tail
// keeps what all replicas appended, and every listener has a place in it (tail_*.go).
//
// The path of an erasure, of an application or of a session (target.go): Eraser.Erase records it with a cut-off; from
// then on every batch knows it from its first round trip (transaction.go) and drops what was received before
// (erased.go); Tail.Erase takes what the live tail has of it out of every replica and out of Redis (tail_erase.go,
// tail_unsaid.go); Eraser.Run sweeps what is stored, chunk by chunk (sweep.go), and knows when nothing can come any more
// (sweep.carryOut has the argument).
//
// A Failure goes through the door once more by Replayer (replay.go): judged by today's policy as ingest judges
// (replay_judge.go), stored as a batch is, in one transaction with what became of it (replay_store.go). Replays of many are
// rows that any replica carries out (replay_job.go). Schemas keeps what policies have declared, so that a Failure shows the
// schema that refused it (schemas.go).
//
// Retention.Round deletes what is due by itself: days whole (retention_days.go), else by the same sweep; when an event is
// due is one file without I/O at its top (retention_policy.go), and retention_due.go tells it beforehand.
package persistence
