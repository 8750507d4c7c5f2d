package ingest

import "github.com/theeye-dev/theeye/services/internal/fault"

// chargedBytes is what is read for the price of one event, of a request that is refused whole: some 0.3 ms of work, and all
// that sendBeacon takes from a web page (Fetch, section 4.6).
const chargedBytes = 64 << 10

// charge counts a request that is refused whole for what its client can change: as one event, and one more for every
// chargedBytes that were read or made of it. It cost that much, and nothing else bounds who repeats it.
//
// One that comes too early counts nothing, for it is to come again: an application would spend on its own attempts what
// one of them waits for. Web pages don't come again, and whoever knows the client id sends as they do: of theirs the
// bytes count, so that no request counts that a page would send.
func (sub *Submission) charge(err error, read int) {
	switch p := fault.ProblemOf(err); {
	case fault.KindOf(err) == fault.Invalid:
		sub.allowance.Charge(1 + read/chargedBytes)
	case p.Code == fault.CodeRate && sub.Credential == "":
		sub.allowance.Charge(read / chargedBytes)
	}
}
