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

	"github.com/theeye-dev/theeye/hack/bench/proc"
)

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

// ask asks once, and returns how long the answer took to its end.
func (w *world) ask(ctx context.Context, path string) (time.Duration, error) {
	_, took, err := w.get(ctx, path)
	return took, err
}

func (w *world) get(ctx context.Context, path string) ([]byte, time.Duration, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url+path, nil)
	if err != nil {
		return nil, 0, fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+w.token)
	if !strings.HasPrefix(path, "/v1/") { // a page of the console
		request.Header.Set("Cookie", w.cookie)
	}
	begin := time.Now()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, 0, err //nolint:wrapcheck // says method and URL itself
	}
	defer response.Body.Close() //nolint:errcheck // read to its end
	body, err := io.ReadAll(response.Body)
	took := time.Since(begin)
	page := response.Request.URL.Path == request.URL.Path // and not where one logs in
	if err == nil && (response.StatusCode != http.StatusOK && response.StatusCode != http.StatusNotFound || !page) {
		err = fmt.Errorf("%s answered %d %s", path, response.StatusCode, body)
	}
	return body, took, err
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
	if err := w.peak(r, "persistence, peak"); err != nil {
		return err
	}
	return w.measureExports(ctx, l, r)
}

// peak tells how much memory persistence had at most since it was told last.
func (w *world) peak(r *report, name string) error {
	bytes, err := proc.Memory(w.persistence.PID(), "VmHWM")
	if err != nil {
		return fmt.Errorf("read memory: %w", err)
	}
	r.tell(name, fmt.Sprintf("%d MiB", bytes>>20))
	return proc.ForgetPeak(w.persistence.PID()) //nolint:wrapcheck // says what it is about
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
