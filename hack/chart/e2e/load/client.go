package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"syscall"
	"time"
)

const (
	// dialTimeout is short: a pod that is gone answers nothing, and the next attempt may reach another one.
	dialTimeout    = 2 * time.Second
	requestTimeout = 10 * time.Second
	workers        = 32 // connections in use at once, as a busy app has them
	maxRetryAfter  = 2 * time.Second
)

// Client speaks to TheEye.
type Client struct {
	readURL string // base URL of persistence
	http    *http.Client
}

// NewClient makes a client that reads from a base URL; where to write, the Secret says.
func NewClient(readURL string) *Client {
	transport := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
		MaxIdleConnsPerHost: workers,
	}
	return &Client{readURL: readURL, http: &http.Client{Timeout: requestTimeout, Transport: transport}}
}

// answer is what became of a request; err is set when nobody knows.
type answer struct {
	status     int
	retryAfter time.Duration
	accepted   []bool // of each event, for 202
	err        error
}

// post sends events once.
func (c *Client) post(ctx context.Context, credential Credential, body []byte) answer {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, credential.URI, bytes.NewReader(body))
	if err != nil {
		return answer{err: err}
	}
	request.SetBasicAuth(credential.ClientID, credential.Secret)
	request.Header.Set("Content-Type", "application/json")
	response, err := c.http.Do(request)
	if err != nil {
		return answer{err: err}
	}
	defer response.Body.Close() //nolint:errcheck // read to its end
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{err: err} // a verdict that was cut off is none
	}
	return read(response, text)
}

func read(response *http.Response, text []byte) answer {
	a := answer{status: response.StatusCode}
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil {
		a.retryAfter = min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	if a.status != http.StatusAccepted {
		return a
	}
	var receipt struct {
		Events []struct {
			Status string `json:"status"`
		} `json:"events"`
	}
	if err := json.Unmarshal(text, &receipt); err != nil {
		return answer{err: fmt.Errorf("decode receipt: %w", err)}
	}
	for _, e := range receipt.Events {
		a.accepted = append(a.accepted, e.Status == "accepted")
	}
	return a
}

// get reads one answer of persistence.
func (c *Client) get(ctx context.Context, credential Credential, path string, query url.Values, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.readURL+path+"?"+query.Encode(), nil)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	request.SetBasicAuth(credential.ClientID, credential.Secret)
	response, err := c.http.Do(request)
	if err != nil {
		return err //nolint:wrapcheck // says method and URL itself
	}
	defer response.Body.Close() //nolint:errcheck // read to its end
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("read answer of %s: %w", path, err)
	}
	if response.StatusCode != http.StatusOK {
		return &statusError{path: path, status: response.StatusCode, text: string(text)}
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("decode answer of %s: %w", path, err)
	}
	return nil
}

// statusError is another answer to a read than 200.
type statusError struct {
	path   string
	status int
	text   string
}

func (e *statusError) Error() string {
	return fmt.Sprintf("GET %s: status %d: %.300s", e.path, e.status, e.text)
}

// reason is a connection error in a word, for counting.
func reason(err error) string {
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "reset"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "closed"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	default:
		return err.Error()
	}
}
