package fault

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// typeBase is the page that explains every code.
const typeBase = "https://github.com/theeye-dev/theeye/blob/main/api/problems.md#"

// Problem is an RFC 9457 problem document.
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Code   Code   `json:"code"`
	Detail string `json:"detail,omitempty"`
	// Pointer is Error's.
	Pointer *string `json:"pointer,omitempty"`
	// Parameter is Error's.
	Parameter string `json:"parameter,omitempty"`

	RetryAfter time.Duration `json:"-"` // Error's
	Challenge  string        `json:"-"` // Error's
}

// ProblemOf returns what the client is told of an error.
func ProblemOf(err error) Problem {
	e := of(err)
	r := lookup(e.Code)
	return Problem{
		Type: typeBase + string(e.Code), Title: r.title, Status: r.status, Code: e.Code, Detail: e.Detail, Pointer: e.Pointer, Parameter: e.Parameter,
		RetryAfter: e.RetryAfter, Challenge: e.Challenge,
	}
}

// retryAfter is what a 503 or 429 asks for that knows no better: shared outages are tried again by the service itself
// within it.
const retryAfter = time.Second

// What a 415 names as readable (RFC 9110, sections 12.5.1 and 12.5.3).
const (
	acceptMedia  = "application/json, application/cloudevents+json, application/cloudevents-batch+json, application/x-ndjson, text/plain"
	acceptCoding = "gzip, zstd, identity"
)

// BasicChallenge asks for HTTP Basic (RFC 7617).
const BasicChallenge = `Basic realm="theeye", charset="UTF-8"`

// bearer is the challenge that asks for a bearer token, and says what the one that was sent lacks.
func (p Problem) bearer() string {
	if p.Challenge == "" {
		return `Bearer realm="theeye"`
	}
	return `Bearer realm="theeye", ` + p.Challenge
}

// Header sets the headers that belong to an answer with this problem.
func (p Problem) Header(h http.Header) {
	h.Set("Content-Type", "application/problem+json")
	switch p.Status {
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		wait := max(retryAfter, p.RetryAfter)
		h.Set("Retry-After", strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10))
	case http.StatusUnauthorized:
		h.Add("WWW-Authenticate", BasicChallenge)
		h.Add("WWW-Authenticate", p.bearer())
	case http.StatusForbidden:
		if p.Challenge != "" {
			h.Add("WWW-Authenticate", p.bearer())
		}
	}
	if p.Code == CodeMediaType {
		h.Set("Accept", acceptMedia)
	}
	if p.Code == CodeContentCoding {
		h.Set("Accept-Encoding", acceptCoding)
	}
}

// Write answers a request with the problem of an error. Its length is told, so that a client knows that this is all, also
// where the request's body is still read: whoever sends Expect: 100-continue has not sent it.
func Write(w http.ResponseWriter, err error) {
	p := ProblemOf(err)
	text, _ := json.Marshal(p) // always has a JSON form
	text = append(text, '\n')
	p.Header(w.Header())
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(p.Status)
	_, _ = w.Write(text) // the client may have gone
}
