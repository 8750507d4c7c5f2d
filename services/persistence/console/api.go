package console

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/theeye-dev/theeye/services/internal/fault"
)

// refusal is an answer of the API that is no success.
type refusal struct{ fault.Problem }

func (r *refusal) Error() string { return string(r.Code) + ": " + r.Detail }

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

// do asks and reads an answer with a body into a value; nil: the body does not matter.
func (c *client) do(method, path string, query url.Values, into any) error {
	request, err := c.request(c.outer.Context(), method, path, query)
	if err != nil {
		return err
	}
	request.Header.Del("Accept-Encoding")
	answer := &recorder{header: http.Header{}, status: http.StatusOK}
	c.api.ServeHTTP(answer, request)
	if answer.status/100 != 2 {
		r := &refusal{}
		if err := json.Unmarshal(answer.body.Bytes(), &r.Problem); err != nil {
			return fmt.Errorf("the api answers %d without a problem", answer.status)
		}
		r.Status = answer.status
		return r
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

// pass lets the API answer the browser itself: what is long, or never ends.
func (c *client) pass(w http.ResponseWriter, path string, query url.Values) error {
	request, err := c.request(c.outer.Context(), http.MethodGet, path, query)
	if err != nil {
		return err
	}
	c.api.ServeHTTP(unchallenging{w}, request)
	return nil
}

// unchallenging leaves out what makes browsers ask for a password.
type unchallenging struct{ http.ResponseWriter }

func (u unchallenging) WriteHeader(status int) {
	u.Header().Del("WWW-Authenticate")
	u.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (u unchallenging) Unwrap() http.ResponseWriter { return u.ResponseWriter }

// recorder keeps an answer. The API bounds them: a page ends behind 8 MiB.
type recorder struct {
	header http.Header
	status int
	wrote  bool
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if !r.wrote {
		r.status, r.wrote = status, true
	}
}

func (r *recorder) Write(b []byte) (int, error) {
	r.wrote = true
	return r.body.Write(b) //nolint:wrapcheck // it never fails
}

// segment escapes an id for a path. What consists of dots alone would be taken for a step in it.
func segment(id string) string {
	if strings.Trim(id, ".") == "" {
		return strings.ReplaceAll(id, ".", "%2E")
	}
	return url.PathEscape(id)
}

// href is the address of a page about something by its id. Browsers take dots in a path for steps, however they are
// escaped: an id of nothing else goes into the query.
func href(base, id string, rest ...string) string {
	suffix, pairs := "", []string(nil)
	if len(rest) > 0 {
		suffix, pairs = rest[0], rest[1:]
	}
	where := url.PathEscape(id)
	if strings.Trim(id, ".") == "" {
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
