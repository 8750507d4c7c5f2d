// Package load is a client app as the people write it who use TheEye in a cluster: it finds its credentials in a mounted
// Secret, reads them again when they change, posts events with ids of its own by api/client, which repeats what got
// no final answer, with its key or with access tokens, and remembers every event that was accepted. In the end it reads
// everything back with its own credential and counts: that is the judge of the end-to-end suite.
package load
