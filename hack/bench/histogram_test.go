package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestQuantilesAreWithinOnePercent(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	var h, half histogram
	var all []time.Duration
	for i := range 20000 {
		d := time.Duration(math.Exp(random.Float64() * 25)) // nanoseconds to minutes
		all = append(all, d)
		if i%2 == 0 {
			h.record(d)
		} else {
			half.record(d)
		}
	}
	h.add(&half)
	slices.Sort(all)
	for _, q := range []float64{0, 0.01, 0.5, 0.9, 0.99, 0.999, 1} {
		want := all[max(0, int(math.Round(q*float64(len(all))))-1)]
		got := h.quantile(q)
		if off := math.Abs(float64(got-want)) / float64(want); off > 0.01 && got-want != 0 {
			t.Errorf("quantile %v is %v, want %v (%.2f %% off)", q, got, want, 100*off)
		}
	}
	if h.max != all[len(all)-1] || h.total != uint64(len(all)) {
		t.Errorf("max %v, total %d", h.max, h.total)
	}
}

func TestEveryDurationHasABucket(t *testing.T) {
	t.Parallel()
	last := -1
	for _, d := range []time.Duration{-1, 0, 1, 63, 64, 127, 128, 129, 255, 256, 1 << 20, math.MaxInt64} {
		i := bucketOf(d)
		if i < last || i >= buckets {
			t.Errorf("%d is in bucket %d after bucket %d of %d", d, i, last, buckets)
		}
		if middle := bucketMiddle(i); d > 0 && math.Abs(float64(middle-d)) > float64(d)/subBuckets {
			t.Errorf("the bucket of %d is at %d", d, middle)
		}
		last = i
	}
	var none histogram
	if none.quantile(0.5) != 0 {
		t.Error("the median of nothing is not 0")
	}
}
