// Package operator turns Application resources into working credentials: a Secret for the application, and what auth
// knows of it. The cluster is the source of truth; auth can be rebuilt from it at any moment.
//
// A reconciliation is a loop of one pure function and thin effects:
//
//	gather ──▶ Decide ──▶ one Step ──▶ do ──▶ Decide … until there is no step left ──▶ report (status)
//	  ▲           │
//	  └── live ───┘ before the first step: nothing is done on the word of a cache
//
// Decide (plan.go, credentials.go, retire.go) sees a View and names the first thing to do. It plans nothing ahead, so it
// makes no difference where a crash cut the last attempt off: what is there decides. Every step can be repeated.
//
// A new credential goes pending → current → previous → gone. It is generated here and written into a Secret of its own,
// <secretName>-next, before anyone else hears of it; then auth is told its hash; then it is published in the Secret that
// applications read. No crash can lose a secret that auth has been told of, and none is ever published that auth does
// not know. The Secret's annotation theeye.dev/credentials (Book) has the hashes and deadlines of both live credentials.
//
// The cache holds Applications and the operator's own Secrets, by label. A Secret without that label is looked at by one
// get of its name and never listed or watched.
//
// What was settled is remembered (memory.go): when nothing changes, reconciliations ask nobody. The Collector compares
// auth's records with the Applications once a minute, by one listing, and has those looked at again that differ; it also
// ends the records of Applications that went while auth was away.
package operator
