package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// Names of what is measured.
const (
	targetBare     = "bare handler"
	targetXadd     = "decode + XADD"
	targetCopy     = "raw COPY"
	targetAccepted = "TheEye accepted"
	targetChecked  = "TheEye accepted, schemas on"
	targetStored   = "TheEye stored"
)

// target is one thing to measure.
type target struct {
	name      string
	generator string // the part that makes the load
	config    any    // the generator's
	roles     meter  // the processes that work for it
	ownWork   bool   // the generator itself is the app: what it uses counts
	// settle brings the servers to rest between warm-up and measurement, knowing how many events warmed up; finish
	// waits for work that the answers did not wait for but that counts; check looks, when nothing counts any more,
	// that all events are where they belong. All may be nil.
	settle func(ctx context.Context, warmed uint64) error
	finish func(ctx context.Context) error
	check  func(ctx context.Context, events uint64) error
	// during runs beside the load, such as taking profiles; may be nil.
	during func(ctx context.Context)
}

// result is what one measurement of a target found, or the medians of several.
type result struct {
	Target            string             `json:"target"`
	Batch             int                `json:"batch"`
	Round             int                `json:"round,omitempty"` // from 1; 0 for medians
	Requests          uint64             `json:"requests"`
	Events            uint64             `json:"events"`
	Seconds           float64            `json:"seconds"`
	RequestsPerSecond float64            `json:"requests_per_second"` // while requests were sent
	EventsPerSecond   float64            `json:"events_per_second"`   // to the end, for TheEye stored: to the last row
	P50               float64            `json:"p50_ms"`
	P99               float64            `json:"p99_ms"`
	CPU               map[string]float64 `json:"cpu_us_per_event"` // by role
	TotalCPU          float64            `json:"total_cpu_us_per_event"`
	Peak              map[string]float64 `json:"peak_mib"` // by role
}

// measure warms a target up, lets the generator go and accounts for what the target's processes used.
func (t *target) measure(ctx context.Context) (result, error) {
	generator, err := startPart(ctx, t.generator, t.config)
	if err != nil {
		return result{}, err
	}
	defer generator.close() //nolint:errcheck // it has told its outcome
	warm, err := generator.receive()
	if err != nil {
		return result{}, err
	}
	if t.settle != nil {
		if err := t.settle(ctx, warm.Warmed); err != nil {
			return result{}, err
		}
	}
	account := t.roles
	if t.ownWork {
		account = append(meter{{name: roleApp, pid: generator.cmd.Process.Pid}}, account...)
	}
	r, err := t.account(ctx, account, generator)
	if err != nil {
		return result{}, err
	}
	if t.check != nil {
		return r, t.check(ctx, r.Events)
	}
	return r, nil
}

// account is the measured window.
func (t *target) account(ctx context.Context, m meter, generator *child) (result, error) {
	if err := m.forgetPeaks(); err != nil {
		return result{}, err
	}
	before, err := m.cpu()
	if err != nil {
		return result{}, err
	}
	if t.during != nil {
		var beside sync.WaitGroup
		beside.Go(func() { t.during(ctx) })
		defer beside.Wait() // it may take longer than the load, and nobody counts by then
	}
	start := time.Now()
	o, err := generator.measure()
	if err != nil {
		return result{}, err
	}
	total := o.Elapsed
	if t.finish != nil {
		if err := t.finish(ctx); err != nil {
			return result{}, err
		}
		total = time.Since(start)
	}
	after, err := m.cpu()
	if err != nil {
		return result{}, err
	}
	peaks, err := m.peaks()
	if err != nil {
		return result{}, err
	}
	return t.result(o, total, before, after, peaks)
}

func (t *target) result(o outcome, total time.Duration, before, after map[string]time.Duration, peaks map[string]int64) (result, error) {
	if o.Events == 0 {
		return result{}, fmt.Errorf("%s: not one answer", t.name)
	}
	r := result{
		Target: t.name, Requests: o.Requests, Events: o.Events, Seconds: total.Seconds(),
		RequestsPerSecond: float64(o.Requests) / o.Elapsed.Seconds(), EventsPerSecond: float64(o.Events) / total.Seconds(),
		P50: milliseconds(o.P50), P99: milliseconds(o.P99),
		CPU: map[string]float64{}, Peak: map[string]float64{},
	}
	for _, name := range slices.Sorted(maps.Keys(after)) {
		r.CPU[name] = float64((after[name] - before[name]).Microseconds()) / float64(o.Events)
		r.TotalCPU += r.CPU[name]
		r.Peak[name] = mebibytes(peaks[name])
	}
	return r, nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func mebibytes(bytes int64) float64 { return float64(bytes) / (1 << 20) }
