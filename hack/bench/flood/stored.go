package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
)

func (*good) progress() io.Writer { return os.Stderr }

// application is one of this run's own.
type application struct{ key string }

// register makes an application, and waits until ingest knows it.
func (c *config) register(ctx context.Context, name string, policy registry.Policy) (application, error) {
	uid := uuid.New()
	a := application{key: apikey.New("flood", apikey.ClientID(uid), "1")}
	path := c.env["THEEYE_AUTH_URL"] + "/v1/applications/" + uid.String()
	admin := c.env["THEEYE_ADMIN_TOKEN"]
	desired := registry.DesiredApplication{Namespace: "flood", Name: name + "-" + uid.String()[:8], Policy: policy}
	_, err := call(ctx, http.MethodPut, path, admin, desired)
	_, err2 := call(ctx, http.MethodPut, path+"/credentials/1", admin, registry.DesiredCredential{SHA256: registry.Digest(apikey.HashOf(a.key))})
	if err := errors.Join(err, err2); err != nil {
		return a, err
	}
	for {
		_, err := call(ctx, http.MethodPost, c.env["THEEYE_INGEST_URL"]+"/v1/events", a.key, []int{})
		if err != nil && strings.Contains(err.Error(), "request.no_events") {
			return a, nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return a, errors.Join(ctx.Err(), err)
		}
	}
}

// settleTime is how long what was accepted may take to be stored.
const settleTime = time.Minute

// stored counts an application's distinct events and their rows, when two counts in a row are the same.
func (c *config) stored(ctx context.Context, a application) (n count, err error) {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	for before := (count{-1, -1}); n != before; {
		before = n
		if n, err = c.count(ctx, a); err != nil {
			return n, err
		}
		select {
		case <-time.After(2 * time.Second):
		case <-ctx.Done():
			return n, ctx.Err()
		}
	}
	return n, nil
}

type count struct{ ids, rows int }

func (c *config) count(ctx context.Context, a application) (n count, err error) {
	ids := map[string]bool{}
	query := url.Values{"limit": {"1000"}}
	for {
		text, err := call(ctx, http.MethodGet, c.env["THEEYE_PERSISTENCE_URL"]+"/v1/events?"+query.Encode(), a.key, nil)
		if err != nil {
			return n, err
		}
		var page struct {
			Events     []struct{ ID string } `json:"events"`
			NextCursor string                `json:"next_cursor"`
		}
		if err := json.Unmarshal(text, &page); err != nil {
			return n, fmt.Errorf("decode events: %w", err)
		}
		for _, e := range page.Events {
			ids[e.ID] = true
			n.rows++
		}
		if n.ids = len(ids); page.NextCursor == "" {
			return n, nil
		}
		query.Set("cursor", page.NextCursor)
	}
}

// call makes one request and returns the body of its 2xx answer.
func call(ctx context.Context, method, url, token string, body any) ([]byte, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode body: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err //nolint:wrapcheck // says method and URL itself
	}
	defer response.Body.Close() //nolint:errcheck // read to its end
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %d %.300s", method, url, response.StatusCode, answer)
	}
	return answer, err
}
