// Package auth owns the applications and their credentials. It takes desired state over an admin API, keeps it in
// PostgreSQL and publishes every change on the application log (package registry), from which ingest and persistence
// check requests without asking anyone.
//
// A change goes Service.Put… → Store.Change → Service.publish → Log.Publish and is answered when Redis has it:
//
//	PUT ──▶ edit under row lock, revision up ──▶ commit ──▶ script on Redis ──▶ published_revision ──▶ 200
//	                                                    │ crash, or Redis away
//	                                                    └──▶ Service.Run finds published_revision < revision
//
// The row itself is the outbox: only an application's newest state matters to a reader, so one number beside it says
// all that a table of pending messages would. Revisions only grow, and the script refuses older ones: whoever publishes,
// however often and in whatever order, the newest stays. That is also why several replicas need no leader.
//
// Redis and PostgreSQL repair each other. When Redis has lost the log, its marker "complete" is gone: Run publishes
// everything and sets the marker last. When the database was lost, the log still knows the applications: a request for
// one, or the next comparison, adopts it into the database as it was, so that no valid credential is refused between
// the operator's first PUT and its last. Only losing both at once needs the operator to register everything again.
//
// An application carries the id of the cluster whose operator keeps it. Each operator lists its own in short form once a
// minute, compares them with its resources, and so finds what a crash or an outage has left: what it lacks it sends
// again, what has no resource any more it ends. A PUT of what is there already changes nothing and wakes no reader.
//
// Access tokens (Tokens) are signed by keys that the Signer keeps: made a day before their use, encrypted in the database,
// public in the log. Whom a token may be given to is the keyring's to say, which follows the log here as it does in ingest
// and persistence: strangers reach no database, and one that was lost makes nobody unknown.
//
// Who may change anything is an Authorizer's to say: the admin token, the operator's service account (package kube), or both.
package auth
