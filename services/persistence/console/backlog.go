package console

import "time"

// measuredLately is how old a backlog may be that is shown as that of now: it is measured every two seconds, and three in a row
// fail only when Redis does not answer.
const measuredLately = 6 * time.Second

// backlog is what waits to be stored (GET /v1/backlog).
type backlog struct {
	OldestAge  float64   `json:"oldest_age_seconds"`
	Pending    int64     `json:"pending_entries"`
	MeasuredAt time.Time `json:"measured_at"`
	Old        bool      `json:"-"` // it was so then, and nobody knows how it is now
	Refuse     *refusal  `json:"-"` // why there is none
}

// Age of the oldest event that is accepted and not yet stored.
func (b backlog) Age() string { return duration(time.Duration(b.OldestAge * float64(time.Second))) }

// backlog asks what waits. What cannot be told now has its place on the page, too.
func (v *visit) backlog() (*backlog, error) {
	b := &backlog{}
	var err error
	b.Refuse, err = part(v.get("/v1/backlog", nil, b))
	b.Old = v.c.Now().Sub(b.MeasuredAt) > measuredLately
	return b, err
}
