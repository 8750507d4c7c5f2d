// Package world is the installation that a chaos run is about: a real Redis and PostgreSQL, the services as processes,
// and a proxy on every link between them, all children of this program. It restarts services that end, as a cluster
// does, and does nothing else by itself: what is done to it is package nemesis' affair.
package world
