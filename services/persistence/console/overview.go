package console

import (
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/persistence"
)

// span is a time that the overview shows.
type span struct {
	Name, Title, Bucket string
	length              time.Duration
}

// spans that are offered; each is a picture of at most 168 columns.
func spans() []span {
	const whole = 24 * time.Hour
	return []span{
		{"day", "24 hours", "hour", whole},
		{"week", "7 days", "hour", 7 * whole},
		{"month", "30 days", "day", 30 * whole},
		{"year", "a year", "day", 365 * whole},
	}
}

// backlog is what waits to be stored (GET /v1/backlog).
type backlog struct {
	OldestAge float64 `json:"oldest_age_seconds"`
	Pending   int64   `json:"pending_entries"`
}

// Age of the oldest event that is accepted and not yet stored.
func (b backlog) Age() string { return duration(time.Duration(b.OldestAge * float64(time.Second))) }

// bucket is a row of the overview's table, and a column of its picture.
type bucket struct {
	At     time.Time
	Counts []int64 // by outcomes()
	Sum    int64
}

// activity is an application's row.
type activity struct {
	UID    string
	Counts []int64
	Sum    int64
}

// overviewPage is the first one.
type overviewPage struct {
	Who          *access
	Spans        []span
	Span         span
	Rows         []bucket
	Totals       []int64
	Applications []activity
	Backlog      *backlog
	Partial      bool
}

func (c *Console) overview(v *visit) error {
	p := overviewPage{Who: v.who, Spans: spans(), Span: spans()[0], Totals: make([]int64, len(outcomes()))}
	if name := v.r.URL.Query().Get("span"); name != "" {
		i := slices.IndexFunc(p.Spans, func(s span) bool { return s.Name == name })
		if i < 0 {
			return fault.OfParameter("span", fault.New(fault.CodeParameter, "span must be one of day, week, month, year"))
		}
		p.Span = p.Spans[i]
	}
	length := map[string]time.Duration{"hour": time.Hour, "day": 24 * time.Hour}[p.Span.Bucket]
	to := c.Now().UTC().Add(length).Truncate(length)
	asked := url.Values{"bucket": {p.Span.Bucket}, "by": {"outcome"}, "from": {event.FormatTimestamp(to.Add(-p.Span.length))}, "to": {event.FormatTimestamp(to)}}
	var byTime, byApplication struct {
		persistence.Stats
		Partial bool `json:"partial"`
	}
	if err := v.get("/v1/stats", asked, &byTime); err != nil {
		return err
	}
	p.Partial = byTime.Partial
	p.fill(byTime.Counts, to.Add(-p.Span.length), to, length)
	// By day: the sums are the same, and fewer.
	asked.Set("bucket", "day")
	asked.Set("by", "application,outcome")
	if err := v.get("/v1/stats", asked, &byApplication); err == nil { // of a great many there is no list
		p.rank(byApplication.Counts)
	}
	if v.who.All {
		p.Backlog = &backlog{}
		if err := v.get("/v1/backlog", nil, p.Backlog); err != nil {
			p.Backlog = nil // it is not known now
		}
	}
	return v.show(http.StatusOK, "overview", "overview", "Overview", p)
}

// fill makes a row of every bucket, also of those in which nothing was.
func (p *overviewPage) fill(counts []persistence.Count, from, to time.Time, length time.Duration) {
	at := map[int64]int{}
	for t := from; t.Before(to); t = t.Add(length) {
		at[t.Unix()] = len(p.Rows)
		p.Rows = append(p.Rows, bucket{At: t, Counts: make([]int64, len(outcomes()))})
	}
	for _, one := range counts {
		t, _ := parsed(one.At)
		row, known := at[t.Unix()]
		for i, o := range outcomes() {
			if known && o == string(one.Outcome) {
				p.Rows[row].Counts[i] += one.Events
				p.Rows[row].Sum += one.Events
				p.Totals[i] += one.Events
			}
		}
	}
}

// rank sums up by application, the busiest first.
func (p *overviewPage) rank(counts []persistence.Count) {
	at := map[string]int{}
	for _, m := range p.Who.Applications {
		at[m.UID] = len(p.Applications)
		p.Applications = append(p.Applications, activity{UID: m.UID, Counts: make([]int64, len(outcomes()))})
	}
	for _, one := range counts {
		uid := one.Application.String()
		row, ok := at[uid]
		if !ok {
			row, at[uid] = len(p.Applications), len(p.Applications)
			p.Applications = append(p.Applications, activity{UID: uid, Counts: make([]int64, len(outcomes()))})
		}
		for i, o := range outcomes() {
			if o == string(one.Outcome) {
				p.Applications[row].Counts[i] += one.Events
				p.Applications[row].Sum += one.Events
			}
		}
	}
	sortActivities(p.Applications)
}
