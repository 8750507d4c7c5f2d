package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// client speaks to TheEye as the application.
type client struct {
	config *config
	http   *http.Client
}

func newClient(c *config) *client {
	const requestTimeout = time.Minute
	return &client{config: c, http: &http.Client{Timeout: requestTimeout}}
}

// read is an event as it comes back.
type read struct {
	ID        string          `json:"id"`
	SessionID string          `json:"session_id"`
	Category  string          `json:"category"`
	Name      string          `json:"name"`
	Type      string          `json:"type"`
	Data      json.RawMessage `json:"data"`
	Timestamp string          `json:"timestamp"`
	Sequence  string          `json:"sequence"`
}

// post sends a request; every one of its events must be accepted.
func (c *client) post(ctx context.Context, b body) error {
	var verdicts struct {
		Accepted int `json:"accepted"`
		Rejected int `json:"rejected"`
	}
	answer, err := c.do(ctx, http.MethodPost, c.config.ingestURL+"/v1/events", b.text, http.StatusAccepted)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer, &verdicts); err != nil {
		return fmt.Errorf("decode verdicts: %w", err)
	}
	if verdicts.Accepted != b.events || verdicts.Rejected != 0 {
		return fmt.Errorf("of %d events %d were accepted and %d rejected: %.500s", b.events, verdicts.Accepted, verdicts.Rejected, answer)
	}
	return nil
}

// events reads all pages of a question.
func (c *client) events(ctx context.Context, query url.Values) ([]read, error) {
	var all []read
	for {
		var page struct {
			Events     []read `json:"events"`
			NextCursor string `json:"next_cursor"`
		}
		if err := c.get(ctx, "/v1/events", query, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Events...)
		if page.NextCursor == "" {
			return all, nil
		}
		if page.NextCursor == query.Get("cursor") {
			return nil, fmt.Errorf("the cursor %s leads back to its own page", page.NextCursor)
		}
		query.Set("cursor", page.NextCursor)
	}
}

// failure is an event that TheEye kept apart, with the reason.
type failure struct {
	ID       string `json:"id"`
	Code     string `json:"code"`
	Detail   string `json:"detail"`
	Original string `json:"original"`
}

// failures reads the newest failures from a time on, as many as one page has.
func (c *client) failures(ctx context.Context, from string) ([]failure, error) {
	var page struct {
		Failures []failure `json:"failures"`
	}
	err := c.get(ctx, "/v1/failures", url.Values{"from": {from}, "limit": {"1000"}}, &page)
	return page.Failures, err
}

func (c *client) get(ctx context.Context, path string, query url.Values, answer any) error {
	text, err := c.do(ctx, http.MethodGet, c.config.persistenceURL+path+"?"+query.Encode(), nil, http.StatusOK)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("decode answer of %s: %w", path, err)
	}
	return nil
}

func (c *client) do(ctx context.Context, method, url string, body []byte, want int) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	request.SetBasicAuth(c.config.clientID, c.config.clientSecret)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err //nolint:wrapcheck // says method and URL itself
	}
	defer response.Body.Close() //nolint:errcheck // read to its end
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("read answer of %s %s: %w", method, url, err)
	}
	if response.StatusCode != want {
		return nil, fmt.Errorf("%s %s: status %d, want %d: %.500s", method, url, response.StatusCode, want, text)
	}
	return text, nil
}
