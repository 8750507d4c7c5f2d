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

// The sample events have ids of their own and no timestamps: sending them again with every up is a retry, which stores
// nothing twice.
const (
	sampleSession = "sample-session"
	sampleSingle  = `{"id":"sample-1","session_id":"sample-session","category":"page interaction","name":"pageview",` +
		`"data":{"host":"shop.example.com","path":"/"}}`
	sampleBatch = `[{"id":"sample-2","session_id":"sample-session","category":"page interaction","name":"cta click",` +
		`"data":{"host":"shop.example.com","path":"/","element":"add to cart"}},` +
		`{"id":"sample-3","session_id":"sample-session","category":"order","name":"placed",` +
		`"data":{"order_id":"A-1001","total":59.9,"currency":"EUR"}}]`
	sampleCount = 3
)

// sendTimeout bounds how long sending may fail: ingest hears of a new credential a moment after auth, and a server that
// was just started again takes clients a moment to find.
const sendTimeout = 10 * time.Second

// readTimeout bounds how long events may take from their acceptance until they can be read; usual is far below a
// second, but a repair may have a backlog to store first.
const readTimeout = 45 * time.Second

type readEvent struct {
	ID        string          `json:"id"`
	Type      string          `json:"type"`
	SessionID string          `json:"session_id"`
	Timestamp string          `json:"timestamp"`
	Data      json.RawMessage `json:"data"`
}

func roundTrip(ctx context.Context, e *environment) error {
	begun := time.Now()
	for _, body := range []string{sampleSingle, sampleBatch} {
		if err := wait(ctx, sendTimeout, func(ctx context.Context) error { return post(ctx, e, body) }); err != nil {
			return err
		}
	}
	var events []readEvent
	err := wait(ctx, readTimeout, func(ctx context.Context) (err error) {
		if events, err = readSession(ctx, e); err == nil && len(events) < sampleCount {
			err = fmt.Errorf("%d of %d events can be read", len(events), sampleCount)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("read the sample events back: %w", err)
	}
	say("  read back    session %s, %d ms after the first was sent:", sampleSession, time.Since(begun).Milliseconds())
	for _, event := range events {
		say("               %-9s %-28s %s", event.ID, event.Type, event.Data)
	}
	return nil
}

func post(ctx context.Context, e *environment, body string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout*2)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.values[publicKey("ingest")]+"/v1/events", bytes.NewReader([]byte(body)))
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	request.SetBasicAuth(e.values[keyClientID], e.values[keyClientSecret])
	request.Header.Set("Content-Type", "application/json")
	var answer struct{ Accepted, Rejected int }
	status, err := exchange(request, http.StatusAccepted, &answer)
	if err != nil {
		return fmt.Errorf("send the sample events: %w", err)
	}
	if answer.Rejected > 0 || answer.Accepted == 0 {
		return fmt.Errorf("of the sample events %d were accepted and %d rejected", answer.Accepted, answer.Rejected)
	}
	say("  sent         %d accepted (%s)", answer.Accepted, status)
	return nil
}

func readSession(ctx context.Context, e *environment) ([]readEvent, error) {
	address := e.values[publicKey("persistence")] + "/v1/events?session_id=" + url.QueryEscape(sampleSession)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+e.values[keyAPIKey])
	var answer struct {
		Events []readEvent `json:"events"`
	}
	_, err = exchange(request, http.StatusOK, &answer)
	return answer.Events, err
}

// exchange sends a request and decodes the answer, which must have the wanted status.
func exchange(request *http.Request, want int, into any) (status string, err error) {
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", fmt.Errorf("read answer: %w", err)
	}
	if response.StatusCode != want {
		return "", fmt.Errorf("%s %s answers %s: %s", request.Method, request.URL.Path, response.Status, bytes.TrimSpace(body))
	}
	if err := json.Unmarshal(body, into); err != nil {
		return "", fmt.Errorf("read answer: %w", err)
	}
	return response.Status, nil
}
