package persistence

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/services/internal/fault"
)

const (
	// maxCounts bounds an answer: more is no picture that anybody looks at.
	maxCounts = 10_000
	// The time that is counted when none is said: a day by the hour, a month by the day.
	lastDay, lastMonth = 24 * time.Hour, 30 * day
	// maxCounted bounds what is summed up for an answer: a year by the day, and more.
	maxCounted = 400 * day
	// firstYear and lastYear are those of times that are written as RFC 3339 has them, and read (event.ParseTimestamp).
	firstYear, lastYear = 1, 9999
)

// wholeTime is the bucket that has all of the time: what is asked apart is counted once.
const wholeTime = "all"

// StatsQuery is what a question for counts says beside its filters.
type StatsQuery struct {
	Bucket  string   // hour, day or all
	By      []string // application, type, outcome: what is counted apart
	Outcome string
}

// countedBy are the ways in which counts can be told apart.
func countedBy() []string { return []string{"application", "type", "outcome"} }

func (s *StatsQuery) set(name, value string) error {
	switch name {
	case "bucket":
		if s.Bucket = value; value != "hour" && value != "day" && value != wholeTime {
			return fault.New(fault.CodeParameter, "bucket must be hour, day or all")
		}
	case "outcome":
		known := []string{string(Stored), string(Duplicate), string(Conflict), string(Failed), string(Refused)}
		if s.Outcome = value; !slices.Contains(known, value) {
			return fault.New(fault.CodeParameter, "outcome must be one of "+strings.Join(known, ", "))
		}
	case "by":
		s.By = strings.Split(value, ",")
		for i, by := range s.By {
			if !slices.Contains(countedBy(), by) || slices.Contains(s.By[:i], by) {
				return fault.New(fault.CodeParameter, "by must be some of "+strings.Join(countedBy(), ", ")+", separated by commas")
			}
		}
	}
	return nil
}

// Stats are counts of what was received in a time, from counters that are kept with every batch.
type Stats struct {
	Bucket string  `json:"bucket"`
	From   string  `json:"from"`
	To     string  `json:"to"`
	Counts []Count `json:"counts"` // without those that are zero; by time, application, type and outcome

	Partial bool `json:"partial,omitempty"` // of the permitted applications only
}

// Count is how many of one kind were received in the bucket that begins at a time.
type Count struct {
	At          string    `json:"at"`
	Application uuid.UUID `json:"application,omitzero"`
	// Category and Name are absent where they are not asked for, and of events whose type could not be read or is
	// beyond those of its application that are counted.
	Category string  `json:"category,omitempty"`
	Name     string  `json:"name,omitempty"`
	Outcome  Outcome `json:"outcome,omitempty"`
	Events   int64   `json:"events"`
}

// timed fills in the time that is not said, in whole buckets.
func (q *Query) timed(now time.Time) error {
	s := &q.Stats
	length, span := time.Hour, lastDay
	if s.Bucket == "" {
		s.Bucket = "hour"
	}
	if s.Bucket == "day" {
		length, span = day, lastMonth
	}
	if q.To.IsZero() {
		q.To = now
	}
	q.To = q.To.UTC().Add(length - 1).Truncate(length)
	if q.To.Year() > lastYear {
		return fault.OfParameter("to", fault.New(fault.CodeParameter, "to must be at most the beginning of the last "+s.Bucket+" of the year 9999: a bucket is counted to its end"))
	}
	if q.From.IsZero() {
		q.From = q.To.Add(-span)
	}
	q.From = q.From.UTC().Truncate(length)
	switch {
	case q.From.Year() < firstYear:
		return fault.OfParameter("to", fault.New(fault.CodeParameter, "to must be "+span.String()+" after the beginning of the year 1, where from is not given"))
	case !q.From.Before(q.To):
		return fault.OfParameter("from", fault.New(fault.CodeParameter, "from must be before to, which is now where it is not given"))
	case q.To.Sub(q.From) > maxCounted:
		return fault.OfParameter("from", fault.New(fault.CodeParameter, fmt.Sprintf("from and to may be %d days apart", maxCounted/day)))
	}
	return nil
}

// Stats sums counters up, those by type only where types are asked for.
func (p *Postgres) Stats(ctx context.Context, q Query) (Stats, error) {
	sql, args := q.statsSQL()
	stats := Stats{Bucket: q.Stats.Bucket, From: event.FormatTimestamp(q.From), To: event.FormatTimestamp(q.To), Partial: q.partial()}
	rows, err := p.pool.Query(ctx, sql, args...)
	if err != nil {
		return stats, fmt.Errorf("read counters: %w", err)
	}
	room := p.room(ctx, heldBytes)
	stats.Counts, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (Count, error) {
		c, err := scanCount(row)
		if ok, _ := room.has(c.weight()); err == nil && !ok { // counts have no pages
			err = errCrowded
		}
		return c, err
	})
	if err != nil {
		return stats, fmt.Errorf("read counters: %w", err)
	}
	if len(stats.Counts) > maxCounts {
		return stats, fault.New(fault.CodeParameter, fmt.Sprintf(
			"there are more than %d counts: ask for less time, by day, for one application, or for fewer things apart", maxCounts))
	}
	return stats, nil
}

func scanCount(row pgx.CollectableRow) (c Count, err error) {
	var at time.Time
	err = row.Scan(&at, &c.Application, &c.Category, &c.Name, &c.Outcome, &c.Events)
	c.At = event.FormatTimestamp(at)
	return c, err
}

// statsSQL reads the counters of each application by the beginning of their key. OFFSET 0 keeps the planner from reading
// those of all times to join them.
func (q *Query) statsSQL() (sql string, args []any) {
	var c conditions
	with, table := "", "persistence.usage"
	if q.Category != "" || q.Name != "" || slices.Contains(q.Stats.By, "type") {
		table = "persistence.type_usage"
	}
	c.add("hour >= %s AND hour < %s", q.From, q.To)
	q.types(&c)
	if q.Stats.Outcome != "" {
		c.add("outcome = %s", q.Stats.Outcome)
	}
	from := "applications a CROSS JOIN LATERAL (SELECT * FROM " + table + " c WHERE c.application = a.application AND " + c.String() + " OFFSET 0) u"
	if q.Application == uuid.Nil {
		with = q.eachOf(&c)
	} else {
		c.add("application = %s", q.Application)
		from = table + " u WHERE " + c.String()
	}
	shown := func(by, column, otherwise string) string {
		if slices.Contains(q.Stats.By, by) {
			return column
		}
		return otherwise
	}
	at := "date_trunc('" + q.Stats.Bucket + "', u.hour, 'UTC')"
	if q.Stats.Bucket == wholeTime {
		at = fmt.Sprintf("to_timestamp(%d)", q.From.Unix()) // a whole hour
	}
	return with + " SELECT " + at + ", " +
		shown("application", "u.application", "'00000000-0000-0000-0000-000000000000'::uuid") + ", " +
		shown("type", "u.category, u.name", "'', ''") + ", " + shown("outcome", "u.outcome", "''") + ", sum(u.events)::bigint FROM " + from +
		" GROUP BY 1, 2, 3, 4, 5 HAVING sum(u.events) <> 0 ORDER BY 1, 2, 3, 4, 5" + fmt.Sprintf(" LIMIT %d", maxCounts+1), c.args
}
