// Package quota limits how many events an application may send, right across the replicas of a service and without a
// question to anybody for the usual request.
//
// An application's token bucket is in Redis. Every replica has a lease on it: what it may let through ahead of telling
// Redis, an eighth of the burst or what comes in within 200 ms. It settles up in the background, twice a lease or every
// 100 ms, and is told what is left of the one bucket; a request that the rest of the lease does not hold waits until
// Redis has answered for it. So an application exceeds its limit by a lease for each replica at most, and what it had
// too much it has less of afterwards: the bucket goes below zero. A client that sticks to one replica has all of the
// limit there.
//
// While Redis does not answer in time a replica limits on its own, by the share of the application's events that it had.
package quota
