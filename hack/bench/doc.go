// Command bench says what an event costs in TheEye, beside the ceilings of the same machine: a bare net/http handler,
// one that decodes and makes one XADD per request, and raw COPY of the same rows.
//
// Everything is measured in one run, with one load generator and on private servers that it starts itself: Redis with
// appendfsync always, PostgreSQL with fsync and synchronous_commit on. A round has, for each batch size, fresh servers
// and then one measurement of every target, so that what drifts on the machine drifts under all of them; the report
// has the medians over the rounds.
//
// The generator is a process of its own (package main again, with a hidden first argument), and so is every handler:
// the kernel's account of a process is then the cost of that target's part. CPU time is user and system time of the
// process and of all its children, dead ones too, which for PostgreSQL means every backend, the WAL writer and the
// checkpointer. The generator's own time is in no figure. It counts from the first measured post to the last answer,
// and for "stored" until persistence has acknowledged the last event: that is, until its row was committed.
//
// Absolute rates depend on how much of the machine the generator takes. CPU per event and the ratios do not.
package main
