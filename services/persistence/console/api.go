package console

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

// refusal is an answer of the API that is no success.
type refusal struct {
	fault.Problem
	wait string // Retry-After of the answer
}

func refusalOf(err error) *refusal { return &refusal{Problem: fault.ProblemOf(err)} }

func (r *refusal) Error() string { return string(r.Code) + ": " + r.Detail }

// Passes tells whether the same may be answered otherwise in a moment.
func (r *refusal) Passes() bool {
	return r.Status == http.StatusServiceUnavailable || r.Status == http.StatusTooManyRequests
}

// tell sets the headers of a page that shows it: without what makes browsers ask for a password.
func (r *refusal) tell(h http.Header) {
	r.Header(h)
	h.Del("WWW-Authenticate")
	if r.wait != "" {
		h.Set("Retry-After", r.wait)
	}
}

// tell answers a program of a page, which shows the problem itself.
func (v *visit) tell(refused *refusal) {
	v.w.Header().Set("Content-Type", "application/problem+json")
	v.w.WriteHeader(refused.Status)
	_ = json.NewEncoder(v.w).Encode(refused.Problem) // the browser may have gone
}

// client asks the API within the process, as one browser's request and with one token.
type client struct {
	api   http.Handler
	outer *http.Request
	token string
}

// request makes one that comes from where the browser is, so that wrong tokens count for its address.
func (c *client) request(ctx context.Context, method, path string, query url.Values) (*http.Request, error) {
	target := "http://theeye" + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	inner, err := http.NewRequestWithContext(ctx, method, target, nil)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	inner.RemoteAddr, inner.Body = c.outer.RemoteAddr, http.NoBody
	for _, name := range []string{"X-Forwarded-For", "Last-Event-ID", "Accept-Encoding"} {
		if values := c.outer.Header.Values(name); len(values) > 0 {
			inner.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
	inner.Header.Set("Authorization", "Bearer "+c.token)
	return inner, nil
}

// do asks and reads an answer with a body into a value; nil: the body does not matter, and an answer that goes on, as the
// live tail's does, ends with its first word.
func (c *client) do(method, path string, query url.Values, into any) error {
	ctx, enough := context.WithCancel(c.outer.Context())
	defer enough()
	request, err := c.request(ctx, method, path, query)
	if err != nil {
		return err
	}
	request.Header.Del("Accept-Encoding")
	answer := newRecorder()
	if into == nil {
		answer.first = enough
	}
	c.api.ServeHTTP(answer, request)
	if !answer.success() {
		return answer.refusal()
	}
	if into != nil && answer.body.Len() > 0 {
		if err := json.Unmarshal(answer.body.Bytes(), into); err != nil {
			return fmt.Errorf("read the api's answer: %w", err)
		}
	}
	return nil
}

func (c *client) get(path string, query url.Values, into any) error {
	return c.do(http.MethodGet, path, query, into)
}

// pass lets the API answer the browser itself: what is long, or never ends. The header, names and values by turns, is that
// of a success alone; a refusal is an error like any other, and no file that somebody downloads. To HEAD the answer ends with
// its first word, which is never sent.
func (c *client) pass(w http.ResponseWriter, path string, query url.Values, header ...string) error {
	ctx, enough := context.WithCancel(c.outer.Context())
	defer enough()
	request, err := c.request(ctx, http.MethodGet, path, query)
	if err != nil {
		return err
	}
	answer := &passing{recorder: newRecorder(), to: w}
	if c.outer.Method == http.MethodHead {
		answer.first = enough
	}
	for i := 0; i+1 < len(header); i += 2 {
		answer.header.Set(header[i], header[i+1])
	}
	c.api.ServeHTTP(answer, request)
	answer.WriteHeader(http.StatusOK) // an answer without a byte has a header, too
	if !answer.success() {
		return answer.refusal()
	}
	return nil
}

// segment escapes an id for a path. What consists of dots alone would be taken for a step in it.
func segment(id string) string {
	if strings.Trim(id, ".") == "" {
		return strings.ReplaceAll(id, ".", "%2E")
	}
	return url.PathEscape(id)
}

// href is the address of a page about something by its id. Browsers take dots in a path for steps, however they are
// escaped, and proxies may undo the escape of slashes: an id of dots alone or with a slash goes into the query.
func href(base, id string, rest ...string) string {
	suffix, pairs := "", []string(nil)
	if len(rest) > 0 {
		suffix, pairs = rest[0], rest[1:]
	}
	where := url.PathEscape(id)
	if strings.Trim(id, ".") == "" || strings.ContainsAny(id, `/\`) {
		where, pairs = "-", append(pairs, "id", id)
	}
	address := base + "/" + where + suffix
	if more := query(pairs...); more != "" {
		address += "?" + more
	}
	return address
}

// idOf reads what href has written.
func idOf(r *http.Request) string {
	if id := r.PathValue("id"); id != "-" || !r.URL.Query().Has("id") {
		return id
	}
	return r.URL.Query().Get("id")
}
