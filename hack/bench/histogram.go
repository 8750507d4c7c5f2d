package main

import (
	"math/bits"
	"time"
)

// A histogram counts durations in buckets that grow with them: 64 to every power of two, which keeps a percentile
// within 1 % of the truth at any scale and in 30 KiB.
const (
	subBits    = 6
	subBuckets = 1 << subBits
	buckets    = (64-subBits)*subBuckets + subBuckets // every uint64 has one
)

type histogram struct {
	counts [buckets]uint64
	total  uint64
	max    time.Duration
}

// record counts one duration; a negative one, which only a clock that was set back can give, counts as 0.
func (h *histogram) record(d time.Duration) {
	h.counts[bucketOf(d)]++
	h.total++
	h.max = max(h.max, d)
}

// add counts all that another histogram has counted.
func (h *histogram) add(other *histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
	h.max = max(h.max, other.max)
}

// quantile is the duration that the share q (0 to 1) of all durations does not exceed; 0 when there are none.
func (h *histogram) quantile(q float64) time.Duration {
	rank := max(1, uint64(q*float64(h.total)+0.5))
	var seen uint64
	for i, n := range h.counts {
		if seen += n; seen >= rank && n > 0 {
			return min(bucketMiddle(i), h.max)
		}
	}
	return 0
}

func bucketOf(d time.Duration) int {
	v := uint64(max(0, d))
	if v < 2*subBuckets {
		return int(v)
	}
	shift := bits.Len64(v) - subBits - 1
	return shift*subBuckets + int(v>>shift)
}

func bucketMiddle(i int) time.Duration {
	if i < 2*subBuckets {
		return time.Duration(i)
	}
	shift := i/subBuckets - 1
	low := uint64(i-shift*subBuckets) << shift
	return time.Duration(low + (1<<shift)/2)
}
