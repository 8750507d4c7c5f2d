package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Config says where events go and with which credential. FromEnvironment and FromBinding make one.
type Config struct {
	// URL is where events are posted: the uri of the application's Secret. A URL without a path gets /v1/events.
	URL string
	// Key is where the API key comes from.
	Key KeySource
	// ClientID makes the client authenticate by HTTP Basic with it, so that a key of another application is noticed.
	// Empty: the key alone, as Bearer; so must it be for access tokens.
	ClientID string
	// Transport carries the requests; whoever gives one closes its idle connections. Nil: one of the client's own, with
	// the proxies of the environment and the system's certificates.
	Transport http.RoundTripper
	// Timeout is how long one try may take, from the connection to the end of the answer; of an export, how long nothing may
	// come. Default 30 s, the time in which TheEye reads a body.
	Timeout time.Duration
	// RetryFor is how long Post tries again before it returns; its context may end it earlier. Default 1 min; negative:
	// one try. Senders have GiveUpAfter.
	RetryFor time.Duration
	// MinBackoff and MaxBackoff bound the wait between tries: before the n-th it is random, up to MinBackoff·2ⁿ⁻¹ and at
	// most MaxBackoff, in addition to what a Retry-After asks for. Defaults 200 ms and 30 s.
	MinBackoff, MaxBackoff time.Duration
}

// Client posts events. It may be used by many goroutines at once.
type Client struct {
	config  Config
	keys    *keys
	http    *http.Client
	stamper stamper
	burst   burst
	idle    interface{ CloseIdleConnections() } // nil: the transport is not ours
}

// New checks a configuration and returns a Client. It connects to nothing and reads no key yet.
func New(config Config) (*Client, error) {
	target, err := endpoint(config.URL)
	if err != nil {
		return nil, err
	}
	if config.Key == nil {
		return nil, errors.New("client: Config.Key is missing")
	}
	const timeout, retryFor, minBackoff, maxBackoff = 30 * time.Second, time.Minute, 200 * time.Millisecond, 30 * time.Second
	config.URL = target
	config.Timeout = cmp.Or(config.Timeout, timeout)
	config.RetryFor = cmp.Or(config.RetryFor, retryFor)
	config.MinBackoff = cmp.Or(config.MinBackoff, minBackoff)
	config.MaxBackoff = max(cmp.Or(config.MaxBackoff, maxBackoff), config.MinBackoff)
	c := &Client{config: config, keys: newKeys(config.Key)}
	transport := config.Transport
	if transport == nil {
		own := newTransport()
		transport, c.idle = own, own
	}
	c.http = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // a redirect would carry the key and the events elsewhere
	}}
	return c, nil
}

// endpoint checks a URL. Errors don't show it: somebody may have put a secret into it.
func endpoint(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "", errors.New("client: Config.URL cannot be parsed")
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return "", errors.New("client: Config.URL must be http://… or https://…")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", errors.New("client: Config.URL must have neither a password nor a query")
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/v1/events"
	}
	return u.String(), nil
}

func newTransport() *http.Transport {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment}
	if standard, ok := http.DefaultTransport.(*http.Transport); ok {
		transport = standard.Clone() // with its time-outs
	}
	const connections, headerBytes = 64, 64 << 10 // enough for a Sender or a busy server of Posts; more than any answer has
	transport.MaxIdleConnsPerHost, transport.MaxResponseHeaderBytes = connections, headerBytes
	return transport
}

// Format prints where the client posts, and nothing of what it knows.
func (c *Client) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "client of "+c.config.URL) }

// CloseIdleConnections closes connections that are kept for the next request. A Client can be used on.
func (c *Client) CloseIdleConnections() {
	if c.idle != nil {
		c.idle.CloseIdleConnections()
	}
}

// attempt posts items once, or with another key once more.
func (c *Client) attempt(ctx context.Context, items []item) (verdicts []Verdict, err error) {
	err = c.keyed(ctx, func(key string) (err error) {
		verdicts, err = c.post(ctx, items, key)
		return err
	})
	return verdicts, err
}

// keyed makes a request; when the key is refused and its source has another by now, once more.
func (c *Client) keyed(ctx context.Context, once func(key string) error) error {
	key, err := c.keys.get(ctx, "")
	if err != nil {
		return err
	}
	err = once(key)
	if denied(err) {
		if fresh, keyErr := c.keys.get(ctx, key); keyErr == nil && fresh != key {
			return once(fresh)
		}
	}
	return err
}

// post is one request.
func (c *Client) post(ctx context.Context, items []item, key string) ([]Verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.config.URL, bytes.NewReader(body(items, time.Now())))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	authorization, secrets := c.authorization(key)
	request.Header.Set("Authorization", authorization)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "theeye-client-go")
	// An empty list is not sent, and tells net/http that it may repeat the request on a fresh connection when a kept one
	// turns out to be closed.
	request.Header["Idempotency-Key"] = []string{}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("post events: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // only read
	c.burst.learn(response.StatusCode, response.Header)
	limit := answerLimit(len(items))
	content, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read answer: %w", err)
	case int64(len(content)) > limit:
		return nil, &AnswerError{Status: response.StatusCode, Detail: fmt.Sprintf("the answer is larger than %d bytes", limit)}
	}
	return read(response, content, items, secrets)
}

// answerLimit bounds what is read of an answer, after decompression: a verdict has an id of at most 128 characters, a
// code, a sentence and a pointer.
func answerLimit(items int) int64 {
	const head, verdict = 64 << 10, 8 << 10
	return head + verdict*int64(items)
}

// authorization is the header's value, and what of it must never be shown.
func (c *Client) authorization(key string) (header string, secrets []string) {
	if c.config.ClientID == "" {
		return "Bearer " + key, []string{key}
	}
	pair := base64.StdEncoding.EncodeToString([]byte(c.config.ClientID + ":" + key))
	return "Basic " + pair, []string{key, pair}
}
