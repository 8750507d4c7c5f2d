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

// bucket is a row of the overview's table, and a column of its picture.
type bucket struct {
	At     time.Time
	Counts []int64 // by outcomes()
	Sum    int64
}

// overviewPage is the first one.
type overviewPage struct {
	Who     *access
	Spans   []span
	Span    span
	Rows    []bucket
	Totals  []int64
	Backlog *backlog // nil: it is nobody's business but theirs who may read everything
	Partial bool
	Refuse  *refusal // why nothing can be counted; nil: it can
	Again   string   // this page
	ranking
}

func (c *Console) overview(v *visit) error {
	p := overviewPage{Who: v.who, Spans: spans(), Span: spans()[0], Totals: make([]int64, len(outcomes())), Again: v.r.URL.RequestURI()}
	if name := v.r.URL.Query().Get("span"); name != "" {
		i := slices.IndexFunc(p.Spans, func(s span) bool { return s.Name == name })
		if i < 0 {
			return fault.OfParameter("span", fault.New(fault.CodeParameter, "span must be one of day, week, month, year"))
		}
		p.Span = p.Spans[i]
	}
	length := map[string]time.Duration{"hour": time.Hour, "day": 24 * time.Hour}[p.Span.Bucket]
	to := c.Now().UTC().Add(length).Truncate(length)
	err := p.ask(v, to.Add(-p.Span.length), to, length)
	if err != nil {
		return err
	}
	if v.who.All {
		if p.Backlog, err = v.backlog(); err != nil {
			return err
		}
	}
	return v.show(p.status(v), "overview", "overview", "Overview", p)
}

// ask counts by time and by application. What is refused is left out, and the page says so; the other parts are there.
func (p *overviewPage) ask(v *visit, from, to time.Time, length time.Duration) (err error) {
	asked := url.Values{"bucket": {p.Span.Bucket}, "by": {"outcome"}, "from": {event.FormatTimestamp(from)}, "to": {event.FormatTimestamp(to)}}
	var byTime struct {
		persistence.Stats
		Partial bool `json:"partial"`
	}
	p.Refuse, err = part(v.get("/v1/stats", asked, &byTime))
	if err != nil {
		return err
	}
	if p.Unranked = p.Refuse; p.Refuse == nil {
		p.Partial = byTime.Partial
		p.fill(byTime.Counts, from, to, length)
		if err := p.count(v, asked); err != nil {
			return err
		}
	}
	p.rank(v.who)
	return nil
}

// part finds what a page can show in the place of one of its parts.
func part(err error) (*refusal, error) {
	if r, ok := err.(*refusal); ok && r.Code != fault.CodeUnauthenticated { //nolint:errorlint // get wraps nothing
		return r, nil
	}
	return nil, err
}

// status of the page: that of what is missing, but where there is too much for one answer, which is nobody's mistake.
func (p *overviewPage) status(v *visit) int {
	missing := p.Unranked // which is Refuse where there is one
	if missing == nil || missing.Status == http.StatusBadRequest {
		return http.StatusOK
	}
	missing.tell(v.w.Header())
	return missing.Status
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
