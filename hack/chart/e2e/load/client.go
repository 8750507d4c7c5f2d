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
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/theeye-dev/theeye/api/client"
)

const (
	// dialTimeout is short: a pod that is gone answers nothing, and the next attempt may reach another one.
	dialTimeout    = 2 * time.Second
	requestTimeout = 10 * time.Second
	workers        = 32 // connections in use at once, as a busy app has them
)

// Client speaks to TheEye: it posts by TheEye's Go client, and reads by plain HTTP.
type Client struct {
	readURL string // base URL of persistence
	http    *http.Client

	tokens *tokens

	mu      sync.Mutex
	posting map[identity]*client.Client
}

// identity is how an app shows who it is: with a credential, or with an access token that it got for it.
type identity struct {
	Credential

	token bool
}

// NewClient makes a client that reads from a base URL; where to write, the Secret says.
func NewClient(readURL string) *Client {
	transport := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
		MaxIdleConnsPerHost: workers,
	}
	plain := &http.Client{Timeout: requestTimeout, Transport: transport}
	return &Client{
		readURL: readURL, http: plain, tokens: &tokens{http: plain, have: map[Credential]token{}}, posting: map[identity]*client.Client{},
	}
}

// post sends events, and again with the same ids until there is a final answer or ctx ends. Each attempt is told.
func (c *Client) post(ctx context.Context, who identity, events []client.Event, told func(attempt)) ([]client.Verdict, error) {
	poster, err := c.poster(who)
	if err != nil {
		return nil, err
	}
	return poster.Post(context.WithValue(ctx, toldKey{}, told), events) //nolint:wrapcheck // judged by its type
}

// poster is the client of an identity: as during a rotation, an app may have two.
func (c *Client) poster(who identity) (*client.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.posting[who]; known != nil {
		return known, nil
	}
	clientID, key := who.ClientID, client.StaticKey(who.Secret)
	if who.token { // it says itself whose it is
		clientID, key = "", func(ctx context.Context) (string, error) { return c.tokens.get(ctx, who.Credential, false) }
	}
	made, err := client.New(client.Config{
		URL: who.URI, ClientID: clientID, Key: key, Transport: &witness{c.http.Transport}, Timeout: requestTimeout,
		RetryFor: time.Hour, // as long as the run lasts
		// Short: what a fault costs is to be seen, and the next connection may reach another pod.
		MinBackoff: retryUnknown, MaxBackoff: retryMost,
	})
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	c.posting[who] = made
	return made, nil
}

// attempt is what became of one request; err is set when nobody knows.
type attempt struct {
	status int
	err    error
	took   time.Duration
}

type toldKey struct{}

// witness sees every attempt of the Go client, which tells its callers of the last one only.
type witness struct{ http.RoundTripper }

// RoundTrip reads the answer whole, for a verdict that was cut off is none.
func (w *witness) RoundTrip(request *http.Request) (*http.Response, error) {
	begun := time.Now()
	request = request.Clone(request.Context())
	delete(request.Header, "Idempotency-Key") // with it net/http itself would repeat what it had no answer to, unseen
	response, err := w.RoundTripper.RoundTrip(request)
	var content []byte
	if err == nil {
		content, err = io.ReadAll(response.Body)
		_ = response.Body.Close() // read to its end
	}
	if err != nil && request.Context().Err() != nil {
		err = request.Context().Err() // our own doing: the run ends
	}
	a := attempt{err: err, took: time.Since(begun)}
	if err == nil {
		a.status = response.StatusCode
		response.Body = io.NopCloser(bytes.NewReader(content))
	}
	if told, ok := request.Context().Value(toldKey{}).(func(attempt)); ok {
		told(a)
	}
	if err != nil {
		return nil, err
	}
	return response, nil
}

// once posts no events and returns the status: a question about an identity, which stores nothing. A token that was got
// before is used, however old.
func (c *Client) once(ctx context.Context, who identity) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, who.URI, strings.NewReader("[]"))
	if err != nil {
		return 0, fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.SetBasicAuth(who.ClientID, who.Secret)
	if who.token {
		text, err := c.tokens.get(ctx, who.Credential, true)
		if err != nil {
			return 0, err
		}
		request.Header.Set("Authorization", "Bearer "+text)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return 0, err //nolint:wrapcheck // says method and URL itself
	}
	_, err = io.Copy(io.Discard, response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return 0, fmt.Errorf("read answer: %w", err)
	}
	return response.StatusCode, nil
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
