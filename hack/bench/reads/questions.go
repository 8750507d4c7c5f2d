package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// question is one that the contract documents; path makes one of its kind.
type question struct {
	name string
	path func(l *loader, r *rand.Rand) string
}

func (l *loader) hour(r *rand.Rand) string { return l.span(r, 1) }

// span is a time of some hours.
func (l *loader) span(r *rand.Rand, hours int) string {
	from := l.begin.Add(time.Duration(r.IntN(days*24)) * time.Hour)
	return "from=" + from.Format(time.RFC3339) + "&to=" + from.Add(time.Duration(hours)*time.Hour).Format(time.RFC3339)
}

func (l *loader) uid(r *rand.Rand) string { return l.applications[r.IntN(applications)].String() }

func (l *loader) application(r *rand.Rand) string { return "application=" + l.uid(r) }

func (l *loader) session(r *rand.Rand) string { return sessionID(1 + r.IntN(l.sessions)) }

func kind(n int) string {
	category, name := typeOf(n)
	return "category=" + url.QueryEscape(category) + "&name=" + url.QueryEscape(name)
}

// questions are all that are measured.
func questions() []question {
	return []question{
		{"events of an application, newest", func(l *loader, r *rand.Rand) string { return "/v1/events?" + l.application(r) }},
		{"events of an hour", func(l *loader, r *rand.Rand) string { return "/v1/events?" + l.application(r) + "&" + l.hour(r) }},
		{"events of all applications, newest", func(_ *loader, r *rand.Rand) string { return fmt.Sprintf("/v1/events?limit=%d", 50+r.IntN(100)) }},
		{"events of a common type", func(l *loader, r *rand.Rand) string { return "/v1/events?" + l.application(r) + "&" + kind(0) }},
		{"events of a rare type", func(l *loader, r *rand.Rand) string { return "/v1/events?" + l.application(r) + "&" + kind(16) }},
		{"events of a type between them", func(l *loader, r *rand.Rand) string { return "/v1/events?" + l.application(r) + "&" + kind(8) }},
		{"events of a common category", func(l *loader, r *rand.Rand) string { return "/v1/events?" + l.application(r) + "&category=category+0" }},
		{"events of a rare category", func(l *loader, r *rand.Rand) string { return "/v1/events?" + l.application(r) + "&category=category+4" }},
		{"events of a name", func(l *loader, r *rand.Rand) string { return "/v1/events?" + l.application(r) + "&name=name+5" }},
		{"events of a rare category, all applications", func(*loader, *rand.Rand) string { return "/v1/events?category=category+4" }},
		{"events by a value in data", func(l *loader, r *rand.Rand) string {
			return fmt.Sprintf("/v1/events?%s&data.n[lt]=%d", l.application(r), 1000+r.IntN(9000))
		}},
		{"events by a value that none has", func(l *loader, r *rand.Rand) string { return "/v1/events?" + l.application(r) + "&data.n=-1" }},
		{"an event's history", func(l *loader, r *rand.Rand) string {
			return fmt.Sprintf("/v1/events/event-%d?%s", r.IntN(l.loaded), l.application(r))
		}},
		{"a session's events", func(l *loader, r *rand.Rand) string { return "/v1/events?session_id=" + l.session(r) }},
		{"a session", func(l *loader, r *rand.Rand) string { return "/v1/sessions/" + l.session(r) }},
		{"sessions of an application", func(l *loader, r *rand.Rand) string { return "/v1/sessions?" + l.application(r) }},
		{"sessions of an hour, all applications", func(l *loader, r *rand.Rand) string { return "/v1/sessions?" + l.hour(r) }},
		{"sessions with a common type", func(l *loader, r *rand.Rand) string { return "/v1/sessions?" + l.application(r) + "&" + kind(0) }},
		{"sessions with a rare type", func(l *loader, r *rand.Rand) string { return "/v1/sessions?" + l.application(r) + "&" + kind(16) }},
		{"counts of a day by outcome", func(l *loader, r *rand.Rand) string { return "/v1/stats?by=outcome&" + l.application(r) }},
		{"counts of a month by type", func(l *loader, r *rand.Rand) string { return "/v1/stats?by=type&bucket=day&" + l.application(r) }},
		{"counts of a month, all applications", func(*loader, *rand.Rand) string { return "/v1/stats?by=application&bucket=day" }},
		{"failures, newest", func(l *loader, r *rand.Rand) string { return "/v1/failures?" + l.application(r) }},
		{"failures of a code", func(l *loader, r *rand.Rand) string { return "/v1/failures?code=schema.mismatch&" + l.application(r) }},
		{"open failures of an hour, all applications", func(l *loader, r *rand.Rand) string { return "/v1/failures?state=open&" + l.hour(r) }},
		{"failures of a stage", func(l *loader, r *rand.Rand) string { return "/v1/failures?stage=persistence&" + l.application(r) }},
		{"failures that were replayed, all applications", func(*loader, *rand.Rand) string { return "/v1/failures?state=replayed" }},
		{"one failure", func(l *loader, r *rand.Rand) string { return "/v1/failures/" + l.failures[r.IntN(len(l.failures))] }},
		{"events behind half of them", func(l *loader, r *rand.Rand) string { return l.behindHalf(r, "/v1/events") }},
		{"sessions behind half of them", func(l *loader, r *rand.Rand) string { return l.behindHalf(r, "/v1/sessions") }},
		{"failures behind half of them", func(l *loader, r *rand.Rand) string { return l.behindHalf(r, "/v1/failures") }},
		{"events of a type and a day, by a value in data", func(l *loader, r *rand.Rand) string {
			return fmt.Sprintf("/v1/events?%s&%s&%s&data.n[gte]=%d", l.application(r), kind(r.IntN(4)), l.span(r, 24), r.IntN(90_000))
		}},
		{"replays", func(*loader, *rand.Rand) string { return "/v1/replays" }},
		{"who one is, and what one may", func(*loader, *rand.Rand) string { return "/v1/access" }},
		{"an application's usage", func(l *loader, r *rand.Rand) string { return "/v1/applications/" + l.uid(r) + "/usage" }},
		{"what a retention of 15 days would delete", func(l *loader, r *rand.Rand) string { return "/v1/retention?retention=360h&" + l.application(r) }},
		{"console: overview", func(*loader, *rand.Rand) string { return "/" }},
		{"console: a session", func(l *loader, r *rand.Rand) string { return "/sessions/" + l.session(r) }},
		{"console: events of a common type", func(l *loader, r *rand.Rand) string { return "/events?" + l.application(r) + "&" + kind(0) }},
		{"console: open failures", func(*loader, *rand.Rand) string { return "/failures?state=open" }},
	}
}

// behindHalf is a page as deep inside as one can be from both ends, of the application that has most.
func (l *loader) behindHalf(r *rand.Rand, list string) string {
	return list + "?application=" + l.applications[0].String() + "&cursor=" + l.half[list][r.IntN(len(l.half[list]))]
}

// prepare finds what questions need: places behind half of all rows, and failures' ids.
func (w *world) prepare(ctx context.Context, l *loader) (err error) {
	l.half = map[string][]string{}
	for _, list := range []string{"/v1/events", "/v1/sessions", "/v1/failures"} {
		if l.half[list], err = w.walk(ctx, l, list); err != nil {
			return err
		}
	}
	rows, err := w.conn.Query(ctx, "SELECT sequence::text FROM persistence.failures ORDER BY sequence LIMIT 1000") // random ones are
	if err == nil {
		l.failures, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	if err != nil {
		return fmt.Errorf("read failures: %w", err)
	}
	return nil
}

// walk reads half of a list, whose rows are as many on each day, and returns the last places on its way: a cursor is good for
// its own question alone.
func (w *world) walk(ctx context.Context, l *loader, list string) (places []string, err error) {
	const kept = 20 // pages that are not all one
	path := list + "?limit=1000&application=" + l.applications[0].String()
	if list == "/v1/events" {
		path += "&select=timestamp"
	}
	type row struct { // has one of them
		Timestamp  time.Time `json:"timestamp"`
		FirstAt    time.Time `json:"first_at"`
		ReceivedAt time.Time `json:"received_at"`
	}
	for at, cursor := time.Now(), ""; at.After(l.begin.AddDate(0, 0, days/2)); {
		body, _, err := w.get(ctx, path+cursor)
		if err != nil {
			return nil, err
		}
		var page struct {
			Events     []row  `json:"events"`
			Sessions   []row  `json:"sessions"`
			Failures   []row  `json:"failures"`
			NextCursor string `json:"next_cursor"`
		}
		rows := func() []row { return slices.Concat(page.Events, page.Sessions, page.Failures) }
		if err := json.Unmarshal(body, &page); err != nil || page.NextCursor == "" || len(rows()) == 0 {
			return nil, fmt.Errorf("%s ends before its middle: %w", list, err)
		}
		last := rows()[len(rows())-1]
		at = slices.MaxFunc([]time.Time{last.Timestamp, last.FirstAt, last.ReceivedAt}, time.Time.Compare)
		places = append(places, page.NextCursor)
		cursor = "&cursor=" + page.NextCursor
	}
	return places[max(0, len(places)-kept):], nil
}
