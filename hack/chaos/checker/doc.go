// Package checker holds what clients were told against what is stored. It is pure: everything it judges is handed to it,
// so that a run can be judged again from its files, and the checker itself is tried on tables.
//
// What it demands (design 1, promises 1 to 3 and 5):
//
//	lost          an accepted event has a row, and what was refused in an answer has its Failure
//	duplicate     no id has two rows, no row or Failure is there twice
//	phantom       no row and no Failure without a request that may have made it
//	payload       a row says what was sent, numbers to the last digit
//	application   under the application that sent it
//	harmed        a correct event is not refused, whatever travels beside it
//	conflict      of one id with several contents one is stored, and each other that was accepted is a Failure
//	order         a session reads in the order in which it was sent
//	conservation  the counters say what is stored, and every accepted event ended in exactly one way
//	credential    a valid one is never answered 401, a revoked one never accepted a second after auth's answer
//	visible       reads show every row, once
//	answer        every answer is one of the contract
package checker
