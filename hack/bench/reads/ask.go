package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// question is one that the contract documents; path makes one of its kind.
type question struct {
	name string
	path func(l *loader, r *rand.Rand) string
}

func (l *loader) hour(r *rand.Rand) string {
	from := l.begin.Add(time.Duration(r.IntN(days*24)) * time.Hour)
	return "from=" + from.Format(time.RFC3339) + "&to=" + from.Add(time.Hour).Format(time.RFC3339)
}

func (l *loader) application(r *rand.Rand) string {
	return "application=" + l.applications[r.IntN(applications)].String()
}

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
		{"failures that were replayed, all applications", func(*loader, *rand.Rand) string { return "/v1/failures?state=replayed" }},
		{"console: overview", func(*loader, *rand.Rand) string { return "/" }},
		{"console: a session", func(l *loader, r *rand.Rand) string { return "/sessions/" + l.session(r) }},
		{"console: events of a common type", func(l *loader, r *rand.Rand) string { return "/events?" + l.application(r) + "&" + kind(0) }},
		{"console: open failures", func(*loader, *rand.Rand) string { return "/failures?state=open" }},
	}
}

// logIn begins a session of the console. Its cookie is for browsers on the same machine or over TLS, so no jar would send it.
func (w *world) logIn(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url+"/login", strings.NewReader(url.Values{"token": {w.token}}.Encode()))
	if err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := http.DefaultTransport.RoundTrip(request) // which follows no redirect
	if err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // it is not read
	cookies := response.Cookies()
	if len(cookies) != 1 {
		return fmt.Errorf("log in: answered %s", response.Status)
	}
	w.cookie = cookies[0].Name + "=" + cookies[0].Value
	return nil
}

func (w *world) ask(ctx context.Context, path string) (time.Duration, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url+path, nil)
	if err != nil {
		return 0, fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+w.token)
	if !strings.HasPrefix(path, "/v1/") { // a page of the console
		request.Header.Set("Cookie", w.cookie)
	}
	begin := time.Now()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err //nolint:wrapcheck // says method and URL itself
	}
	defer response.Body.Close() //nolint:errcheck // read to its end
	body, err := io.ReadAll(response.Body)
	took := time.Since(begin)
	page := response.Request.URL.Path == request.URL.Path // and not where one logs in
	if err == nil && (response.StatusCode != http.StatusOK && response.StatusCode != http.StatusNotFound || !page) {
		err = fmt.Errorf("%s answered %d %s", path, response.StatusCode, body)
	}
	return took, err
}

// warmUp is how often a question is asked before it counts: connections are made, and their plans.
const warmUp = 20

// measure asks every question, one after the other.
func (w *world) measure(ctx context.Context, c *config, l *loader, r *report) error {
	for _, q := range questions() {
		random := rand.New(rand.NewPCG(c.seed, uint64(l.loaded))) //nolint:gosec // questions that can be asked again
		var took []time.Duration
		for n := range warmUp + c.samples {
			t, err := w.ask(ctx, q.path(l, random))
			if err != nil {
				return fmt.Errorf("%s: %w", q.name, err)
			}
			if n >= warmUp {
				took = append(took, t)
			}
		}
		slices.Sort(took)
		r.add(q.name, took[len(took)/2], took[len(took)*99/100])
	}
	peak, err := w.memory()
	r.peaks = append(r.peaks, peak)
	return err
}

// explain asks each question once more of a persistence whose connections log their plans.
func (w *world) explain(ctx context.Context, c *config, l *loader) error {
	if err := w.persistence.Stop(ctx, syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop persistence: %w", err)
	}
	err := w.serve(ctx, "-c session_preload_libraries=auto_explain -c auto_explain.log_min_duration=0 -c auto_explain.log_analyze=on "+
		"-c auto_explain.log_buffers=on -c auto_explain.log_timing=off -c auto_explain.log_level=warning")
	if err != nil {
		return err
	}
	log := filepath.Join(w.dir, "postgres", "postgres.log")
	var plans strings.Builder
	for _, q := range questions() {
		before, err := os.Stat(log)
		if err != nil {
			return fmt.Errorf("read plans: %w", err)
		}
		path := q.path(l, rand.New(rand.NewPCG(c.seed, 0))) //nolint:gosec // as above
		if _, err := w.ask(ctx, path); err != nil {
			return err
		}
		text, err := os.ReadFile(log)
		if err != nil {
			return fmt.Errorf("read plans: %w", err)
		}
		fmt.Fprintf(&plans, "## %s\n\nGET %s\n\n%s\n", q.name, path, text[before.Size():])
	}
	if err := os.WriteFile(c.plans, []byte(plans.String()), 0o644); err != nil { //nolint:gosec // a report
		return fmt.Errorf("write plans: %w", err)
	}
	return nil
}

// withOptions adds options for every connection to a URL.
func withOptions(text, options string) (string, error) {
	u, err := url.Parse(text)
	if err != nil {
		return "", fmt.Errorf("parse URL: %w", err)
	}
	if options != "" {
		query := u.Query()
		query.Set("options", options)
		u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20") // libpq and pgx take a plus sign for itself
	}
	return u.String(), nil
}
