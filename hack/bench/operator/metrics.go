package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// sample is one line of an exposition.
type sample struct {
	name   string
	labels map[string]string
	value  float64
}

// label matches one label. What is read here has no quotes in its values.
var label = regexp.MustCompile(`([a-zA-Z_]+)="([^"]*)"`) //nolint:gochecknoglobals // compiled once

// parseMetrics reads the samples of some names from an exposition in Prometheus' text format.
func parseMetrics(from io.Reader, names ...string) ([]sample, error) {
	wanted := map[string]bool{}
	for _, name := range names {
		wanted[name] = true
	}
	var found []sample
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		line := lines.Text()
		if name := line[:strings.IndexAny(line+" ", "{ ")]; !wanted[name] {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		value, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("read metric %q: %w", line, err)
		}
		s := sample{name: line[:strings.IndexAny(line, "{ ")], labels: map[string]string{}, value: value}
		for _, match := range label.FindAllStringSubmatch(line[:at], -1) {
			s.labels[match[1]] = match[2]
		}
		found = append(found, s)
	}
	return found, lines.Err()
}

// scrape reads metrics of a service.
func (s *service) scrape(ctx context.Context, names ...string) (found []sample, err error) {
	err = get(ctx, "http://"+s.ops+"/metrics", func(body io.Reader) error {
		found, err = parseMetrics(body, names...)
		return err
	})
	return found, err
}

// served is how many requests a service has answered since its start, by method and route.
func (s *service) served(ctx context.Context) (requests, error) {
	samples, err := s.scrape(ctx, "http_server_request_duration_seconds_count")
	if err != nil {
		return nil, err
	}
	by := requests{}
	for _, one := range samples {
		by[one.labels["http_request_method"]+" "+one.labels["http_route"]] += int(one.value)
	}
	return by, nil
}

// since is what came after an earlier count.
func (r requests) since(before requests) requests {
	more := requests{}
	for what, count := range r {
		if n := count - before[what]; n > 0 {
			more[what] = n
		}
	}
	return more
}

// queue is the state of the operator's work.
type queue struct {
	depth, active int
	reconciled    int
}

func (s *service) queue(ctx context.Context) (q queue, err error) {
	const depth, active, total = "workqueue_depth", "controller_runtime_active_workers", "controller_runtime_reconcile_total"
	samples, err := s.scrape(ctx, depth, active, total)
	for _, one := range samples {
		switch one.name {
		case depth:
			q.depth += int(one.value)
		case active:
			q.active += int(one.value)
		case total:
			q.reconciled += int(one.value)
		}
	}
	return q, err
}

// httpClient asks the services how they are.
var httpClient = &http.Client{Timeout: 10 * time.Second} //nolint:gochecknoglobals // one for all

// get reads the body of a 200.
func get(ctx context.Context, url string, read func(io.Reader) error) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	response, err := httpClient.Do(request)
	if err != nil {
		return err //nolint:wrapcheck // says method and URL itself
	}
	defer response.Body.Close() //nolint:errcheck // only read
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10))
		return fmt.Errorf("%s answers %s: %s", url, response.Status, text)
	}
	return read(response.Body)
}
