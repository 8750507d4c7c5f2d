// Package failover measures what is lost when a replica of Redis or a standby of PostgreSQL takes the place of what it
// follows: hack/decisions/0017-failover.md. The rig of the chaos runs does the rest: clients that write down what they
// were answered, and a checker that holds what is stored against it.
package failover
