package main

import (
	"cmp"
	"maps"
	"slices"
)

// report is everything that a run of the bench found.
type report struct {
	Machine        machine     `json:"machine"`
	Medians        []result    `json:"medians"`
	Freshness      *freshness  `json:"freshness,omitempty"` // medians over the rounds
	IdleIngestMiB  float64     `json:"idle_ingest_mib"`     // the most of all rounds
	Rounds         []result    `json:"rounds"`
	FreshnessRound []freshness `json:"freshness_rounds"`
}

func (r *report) add(s stageReport) {
	r.Rounds = append(r.Rounds, s.results...)
	r.IdleIngestMiB = max(r.IdleIngestMiB, s.idleIngest)
	if s.freshness != nil {
		r.FreshnessRound = append(r.FreshnessRound, *s.freshness)
	}
}

// targets in the order in which the report shows them.
var targetOrder = []string{targetBare, targetXadd, targetAccepted, targetChecked, targetCopy, targetStored}

// summarize takes the medians.
func (r *report) summarize(batches []int) {
	for _, batch := range batches {
		for _, name := range targetOrder {
			var of []result
			for _, one := range r.Rounds {
				if one.Target == name && one.Batch == batch {
					of = append(of, one)
				}
			}
			if len(of) > 0 {
				r.Medians = append(r.Medians, medianResult(of))
			}
		}
	}
	if n := len(r.FreshnessRound); n > 0 {
		f := r.FreshnessRound[0]
		f.P50 = medianOf(r.FreshnessRound, func(f freshness) float64 { return f.P50 })
		f.P99 = medianOf(r.FreshnessRound, func(f freshness) float64 { return f.P99 })
		f.Max = medianOf(r.FreshnessRound, func(f freshness) float64 { return f.Max })
		f.Samples = 0
		for _, one := range r.FreshnessRound {
			f.Samples += one.Samples
		}
		r.Freshness = &f
	}
}

// find returns the medians of a target.
func (r *report) find(name string, batch int) (result, bool) {
	i := slices.IndexFunc(r.Medians, func(m result) bool { return m.Target == name && m.Batch == batch })
	if i < 0 {
		return result{}, false
	}
	return r.Medians[i], true
}

// medianResult takes each figure's median by itself; of peak memory the most.
func medianResult(of []result) result {
	m := result{
		Target: of[0].Target, Batch: of[0].Batch,
		Requests:          medianOf(of, func(r result) uint64 { return r.Requests }),
		Events:            medianOf(of, func(r result) uint64 { return r.Events }),
		Seconds:           medianOf(of, func(r result) float64 { return r.Seconds }),
		RequestsPerSecond: medianOf(of, func(r result) float64 { return r.RequestsPerSecond }),
		EventsPerSecond:   medianOf(of, func(r result) float64 { return r.EventsPerSecond }),
		P50:               medianOf(of, func(r result) float64 { return r.P50 }),
		P99:               medianOf(of, func(r result) float64 { return r.P99 }),
		TotalCPU:          medianOf(of, func(r result) float64 { return r.TotalCPU }),
		CPU:               map[string]float64{}, Peak: map[string]float64{},
	}
	for name := range maps.Keys(of[0].CPU) {
		m.CPU[name] = medianOf(of, func(r result) float64 { return r.CPU[name] })
		for _, r := range of {
			m.Peak[name] = max(m.Peak[name], r.Peak[name])
		}
	}
	return m
}

// medianOf is the middle of a figure over several measurements: of an even number the lower of both.
func medianOf[T any, N cmp.Ordered](of []T, figure func(T) N) N {
	values := make([]N, len(of))
	for i, one := range of {
		values[i] = figure(one)
	}
	slices.Sort(values)
	return values[(len(values)-1)/2]
}
