package load

import (
	"maps"
	"slices"
	"strconv"
	"time"
)

// tally counts answers. Times are ages in what is reported, for the clock of whoever asks may be another.
type tally struct {
	requests  int
	statuses  map[int]int
	versions  map[int]map[int]int // of the credential, to status, to requests
	last      map[int]time.Time   // answer of a status
	errors    map[string]int
	latencies []time.Duration // of accepted requests
	acked     time.Time       // the last time
	gap       time.Duration   // the longest time without one
}

func newTally(now time.Time) tally {
	return tally{
		statuses: map[int]int{}, versions: map[int]map[int]int{}, last: map[int]time.Time{}, errors: map[string]int{}, acked: now,
	}
}

func (t *tally) answer(status, version int, now time.Time) {
	t.statuses[status]++
	if t.versions[version] == nil {
		t.versions[version] = map[int]int{}
	}
	t.versions[version][status]++
	t.last[status] = now
}

func (t *tally) ack(now time.Time, took time.Duration) {
	t.latencies = append(t.latencies, took)
	t.gap = max(t.gap, now.Sub(t.acked))
	t.acked = now
}

// Progress is how a run stands. Statuses and errors count requests, the rest events.
type Progress struct {
	Run      string `json:"run"`
	Sent     int    `json:"sent"`
	Acked    int    `json:"acked"`
	Pending  int    `json:"pending"`
	Refused  int    `json:"refused"`
	Rejected int    `json:"rejected"`
	// Unknown is how many got no answer at all at least once; Settled is how many of these got a final one later.
	Unknown  int            `json:"unknown"`
	Settled  int            `json:"settled"`
	Requests int            `json:"requests"`
	Statuses map[string]int `json:"statuses"`
	Errors   map[string]int `json:"errors"`
	// Versions counts statuses by the version of the credential, from 1.
	Versions map[string]map[string]int `json:"versions"`
	// Ages is how many seconds ago the last answer of each status came.
	Ages map[string]float64 `json:"ages"`
	// Credentials is how many versions of its Secret the app has seen.
	Credentials int     `json:"credentials"`
	Seconds     float64 `json:"seconds"`
	P50         float64 `json:"p50_ms"`
	P99         float64 `json:"p99_ms"`
	// Gap is the longest time without an accepted request, in milliseconds.
	Gap float64 `json:"gap_ms"`
}

// Progress counts.
func (r *Run) Progress() Progress {
	_, _, versions := r.credentials.Version(0)
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	p := Progress{
		Run: r.plan.Run, Sent: len(r.ledger), Requests: r.tally.requests, Credentials: versions, Seconds: now.Sub(r.started).Seconds(),
		Statuses: texts(r.tally.statuses), Errors: map[string]int{}, Versions: map[string]map[string]int{}, Ages: map[string]float64{},
		Gap: milliseconds(r.tally.gap),
	}
	for _, e := range r.ledger {
		p.count(e)
	}
	maps.Copy(p.Errors, r.tally.errors)
	for version, statuses := range r.tally.versions {
		p.Versions[strconv.Itoa(version)] = texts(statuses)
	}
	for status, at := range r.tally.last {
		p.Ages[strconv.Itoa(status)] = now.Sub(at).Seconds()
	}
	p.P50, p.P99 = quantiles(r.tally.latencies)
	return p
}

func (p *Progress) count(e entry) {
	switch e.state {
	case pending:
		p.Pending++
	case acked:
		p.Acked++
	case refused:
		p.Refused++
	case rejected:
		p.Rejected++
	}
	if e.unknown {
		p.Unknown++
		if e.state != pending {
			p.Settled++
		}
	}
}

func texts(counts map[int]int) map[string]int {
	named := map[string]int{}
	for status, n := range counts {
		named[strconv.Itoa(status)] = n
	}
	return named
}

func quantiles(latencies []time.Duration) (p50, p99 float64) {
	if len(latencies) == 0 {
		return 0, 0
	}
	sorted := slices.Sorted(slices.Values(latencies))
	return milliseconds(sorted[len(sorted)/2]), milliseconds(sorted[len(sorted)*99/100])
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
