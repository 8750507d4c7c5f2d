package client

import (
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
)

// burst is how many events the application may send at once, as TheEye told last; 0: any number. A request of more is
// refused whole and costs all that the application may send, so that none should be tried twice.
type burst struct{ atomic.Int64 }

// fit is how many of n events may go at once.
func (b *burst) fit(n int) int {
	if most := b.Load(); most > 0 {
		return int(min(int64(n), most))
	}
	return n
}

// learn reads an answer. One that took events and tells of no limit says that there is none any more; others may have
// been given before the limit was looked at, or by something on the way.
func (b *burst) learn(status int, h http.Header) {
	if most := policyOf(h); most > 0 || status == http.StatusAccepted {
		b.Store(most)
	}
}

// policyOf reads RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers, section 3): the quota of the policy that counts
// events, in which a proxy's own does not; 0: there is none.
func policyOf(h http.Header) (quota int64) {
	for _, line := range h["Ratelimit-Policy"] {
		for policy := range strings.SplitSeq(line, ",") {
			events, most := false, int64(0)
			for parameter := range strings.SplitSeq(policy, ";") {
				switch name, value, _ := strings.Cut(strings.TrimSpace(parameter), "="); name {
				case "qu":
					events = value == `"events"`
				case "q":
					most, _ = strconv.ParseInt(value, 10, 64)
				}
			}
			if events && most > 0 {
				return most
			}
		}
	}
	return 0
}
