package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
)

// httpClient makes the calls around the measurements; the load has its own client.
var httpClient = &http.Client{
	Timeout:   30 * time.Second,
	Transport: &http.Transport{MaxIdleConnsPerHost: 64}, // the freshness test keeps as many connections
}

// call makes one request and answers the body. The body is an io.Reader or a value to send as JSON or nil; any status
// but those wanted (none: any 2xx) is an error.
func call(ctx context.Context, method, url, authorization string, body any, want ...int) ([]byte, error) {
	content, isReader := body.(io.Reader)
	if body != nil && !isReader {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encode body: %w", err)
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, url, content)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	response, err := httpClient.Do(request)
	if err != nil {
		return nil, err //nolint:wrapcheck // says method and URL itself
	}
	defer response.Body.Close() //nolint:errcheck // read to its end
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("read answer of %s %s: %w", method, url, err)
	}
	ok := slices.Contains(want, response.StatusCode) || len(want) == 0 && response.StatusCode/100 == 2
	if !ok {
		return text, &statusError{method: method, url: url, status: response.StatusCode, body: text}
	}
	return text, nil
}

// statusError is an answer with another status than wanted.
type statusError struct {
	method, url string
	status      int
	body        []byte
}

// Error shows the beginning of the body, too.
func (e *statusError) Error() string {
	return fmt.Sprintf("%s %s: status %d: %.300s", e.method, e.url, e.status, e.body)
}

func desiredApplication() registry.DesiredApplication {
	return registry.DesiredApplication{Namespace: "bench", Name: "load"}
}

func desiredCredential(key string) registry.DesiredCredential {
	return registry.DesiredCredential{SHA256: registry.Digest(apikey.HashOf(key))}
}
