package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Reader reads what is stored. It may be used by many goroutines at once.
type Reader struct{ client *Client }

// NewReader returns a Reader. Config.URL is where events are read: persistence, with or without /v1/events; the rest
// means what it means for a Client.
func NewReader(config Config) (*Reader, error) {
	c, err := New(config)
	if err != nil {
		return nil, err
	}
	return &Reader{c}, nil
}

// CloseIdleConnections closes connections that are kept for the next request.
func (r *Reader) CloseIdleConnections() { r.client.CloseIdleConnections() }

// Format prints where the reader asks, and nothing of what it knows.
func (r *Reader) Format(f fmt.State, verb rune) { r.client.Format(f, verb) }

// Stored is an event as it is stored. Fields that a filter's "select" leaves out are zero.
type Stored struct {
	ID          string          `json:"id"`
	Application string          `json:"application"` // its UID
	SessionID   string          `json:"session_id"`
	Category    string          `json:"category"`
	Name        string          `json:"name"`
	Data        json.RawMessage `json:"data"` // nil: none
	Timestamp   time.Time       `json:"timestamp"`
	// ClientTimestamp is what the client sent, where its clock was wrong and Timestamp is corrected.
	ClientTimestamp time.Time       `json:"client_timestamp"`
	ReceivedAt      time.Time       `json:"received_at"`
	StoredAt        time.Time       `json:"stored_at"`
	Sequence        string          `json:"sequence"`
	Credential      string          `json:"credential"`
	Public          bool            `json:"public"` // a web page sent it, without a secret
	TraceID         string          `json:"trace_id"`
	Attributes      json.RawMessage `json:"attributes"` // of CloudEvents
	Cursor          string          `json:"cursor"`     // of an export alone: behind the event
}

// Events asks with the parameters of GET /v1/events (api/openapi.yaml): url.Values{"session_id": {"s-1"}}. It asks for
// the next page when all of one were taken, and goes on where it was after an outage of at most Config.RetryFor. An error
// is the last that it yields; it is an *AnswerError where there was an answer. Whether there are events beside those that
// the key may read is told by Access.
func (r *Reader) Events(ctx context.Context, filter url.Values) iter.Seq2[Stored, error] {
	return pages[Stored](ctx, r, "", filter)
}

// pages follows cursors from one page to the next.
func pages[Row any](ctx context.Context, r *Reader, path string, filter url.Values) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		query := url.Values{}
		maps.Copy(query, filter)
		for {
			var page struct { // which has one of the lists
				Events     []Row  `json:"events"`
				Failures   []Row  `json:"failures"`
				Sessions   []Row  `json:"sessions"`
				Replays    []Row  `json:"replays"`
				NextCursor string `json:"next_cursor"`
			}
			err := r.ask(ctx, http.MethodGet, path, query, &page)
			rows := slices.Concat(page.Events, page.Failures, page.Sessions, page.Replays)
			none := page.Events == nil && page.Failures == nil && page.Sessions == nil && page.Replays == nil
			if err == nil && (none || page.NextCursor != "" && page.NextCursor == query.Get("cursor")) {
				err = notUnderstood(http.StatusOK) // it is another's JSON, or would go on for ever
			}
			if err != nil {
				yield(*new(Row), err)
				return
			}
			for _, row := range rows {
				if !yield(row, nil) {
					return
				}
			}
			if page.NextCursor == "" {
				return
			}
			query.Set("cursor", page.NextCursor)
		}
	}
}

const (
	// maxPage bounds what is read of an answer: a page ends before 8 MiB, unless it is one row alone. An event of 1 MiB that
	// has nothing but numbers like 1e308, which are answered with all their digits, has 52 MiB.
	maxPage = 64 << 20
	// maxProblem is what is read of an answer that is none of 2xx: a problem is some lines, and the rest of a proxy's page is
	// nobody's loss.
	maxProblem = 64 << 10
)

// address is that of a path beside /v1/events; "": that itself.
func (r *Reader) address(path string, query url.Values) string {
	target := r.client.config.URL
	if path != "" {
		target = target[:strings.LastIndexByte(target, '/')+1] + path
	}
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	return target
}

// segment writes an id into a path. In one dots alone mean something else.
func segment(id string) string {
	if strings.Trim(id, ".") == "" {
		return strings.ReplaceAll(id, ".", "%2E")
	}
	return url.PathEscape(id)
}

// one is the path of what clients have named, and the query that goes with it. Dots alone are a step to whatever joins paths,
// however they are escaped, and proxies may undo the escape of a slash: such an id goes into the query.
func one(list, id string, query url.Values) (string, url.Values) {
	if strings.Trim(id, ".") != "" && !strings.ContainsAny(id, `/\`) {
		return list + "/" + segment(id), query
	}
	with := url.Values{}
	maps.Copy(with, query)
	with.Set("id", id)
	return list + "/-", with
}

// ask reads an answer of 2xx, and tries again where that may help.
func (r *Reader) ask(ctx context.Context, method, path string, query url.Values, into any) error {
	c, target := r.client, r.address(path, query)
	d := delivery{client: c, began: time.Now(), giveUp: c.config.RetryFor}
	return d.try(ctx, func() error {
		return c.keyed(ctx, func(key string) error { return c.askOnce(ctx, method, target, key, into) })
	})
}

func (c *Client) askOnce(ctx context.Context, method, target, key string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	response, secrets, err := c.send(ctx, method, target, key, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	content, err := whole(response)
	switch {
	case err != nil:
		return err
	case response.StatusCode/100 != 2:
		_, err := read(response, content, nil, secrets)
		return err
	case response.StatusCode == http.StatusNoContent, into == nil:
		return nil
	}
	return understood(response.StatusCode, content, into)
}

// understood reads a whole answer. One that ends within its JSON was cut off on its way, by somebody who did not tell: HTTP/1.0
// knows no difference.
func understood(status int, content []byte, into any) error {
	err := json.Unmarshal(content, into)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok && syntax.Offset >= int64(len(content)) {
		return cutOff(io.ErrUnexpectedEOF)
	}
	if err != nil {
		return notUnderstood(status)
	}
	return nil
}

// send makes a request, and tells what of it must not be shown.
func (c *Client) send(ctx context.Context, method, target, key string, header http.Header) (*http.Response, []string, error) {
	request, err := http.NewRequestWithContext(ctx, method, target, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("make request: %w", err)
	}
	maps.Copy(request.Header, header)
	authorization, secrets := c.authorization(key)
	request.Header.Set("Authorization", authorization)
	request.Header.Set("User-Agent", "theeye-client-go")
	response, err := c.http.Do(request)
	if err != nil {
		return nil, nil, fmt.Errorf("read events: %w", err)
	}
	return response, secrets, nil
}

// whole reads an answer to its end; of one that is none of 2xx the beginning, as far as it comes.
func whole(response *http.Response) ([]byte, error) {
	if response.StatusCode/100 != 2 {
		content, _ := io.ReadAll(io.LimitReader(response.Body, maxProblem)) // the status says enough
		return content, nil
	}
	content, err := io.ReadAll(io.LimitReader(response.Body, maxPage+1))
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	if len(content) > maxPage {
		return nil, tooLong("page", maxPage)
	}
	return content, nil
}

func notUnderstood(status int) error {
	return &AnswerError{Status: status, Detail: "not understood: it is no answer of TheEye's"}
}
