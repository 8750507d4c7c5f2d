package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Status is what TheEye decided about an event.
type Status string

// The decisions. The empty Status is none.
const (
	Accepted Status = "accepted" // on disk: it will be stored exactly once
	Rejected Status = "rejected" // refused, and recorded as a Failure; sending it again unchanged fails again
)

// Verdict is TheEye's decision about one event.
type Verdict struct {
	Status  Status `json:"status"`
	Code    string `json:"code"`    // why it was rejected: api/problems.md explains each
	Detail  string `json:"detail"`  // the same for people
	Pointer string `json:"pointer"` // JSON pointer to the place in the event, or ""
}

// AnswerError is an answer that decides about no event.
type AnswerError struct {
	Status     int           // of HTTP
	Code       string        // TheEye's own; empty: something on the way to it answered
	Detail     string        // at most 500 bytes
	RetryAfter time.Duration // how long the answer asks to wait, at most an hour
}

// Error says what was answered.
func (e *AnswerError) Error() string {
	text := "answered " + strconv.Itoa(e.Status) + " " + http.StatusText(e.Status)
	if e.Code != "" {
		text = "answered " + strconv.Itoa(e.Status) + " " + e.Code
	}
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}

// kind is what follows from an error.
type kind uint8

const (
	transient kind = iota // it passes by itself
	unclear               // what is wrong may be the key: the next answer may say so
	blocked               // somebody has to act: a key, a suspension, a wrong URL
	tooLarge              // less at once may pass
	final                 // it never passes
)

// tooManyFailures answers a key that is not known, from an address that sends too many such to say more. A key that is
// right gets it only in the moment in which it becomes known.
const tooManyFailures = "credential.too_many_failures"

func kindOf(err error) kind {
	answer, ok := errors.AsType[*AnswerError](err)
	if !ok {
		if _, noKey := errors.AsType[*keyError](err); noKey {
			return blocked
		}
		return transient
	}
	switch status := answer.Status; {
	case answer.Code == tooManyFailures:
		return unclear
	case status == http.StatusRequestEntityTooLarge:
		return tooLarge
	case (status == http.StatusBadRequest || status == http.StatusUnprocessableEntity) && answer.Code != "":
		return final
	case status >= http.StatusInternalServerError, status == http.StatusRequestTimeout, status == http.StatusTooEarly,
		status == http.StatusTooManyRequests:
		return transient
	}
	return blocked
}

// denied tells whether another key may help.
func denied(err error) bool {
	answer, ok := errors.AsType[*AnswerError](err)
	return ok && (answer.Status == http.StatusUnauthorized || answer.Status == http.StatusForbidden || answer.Code == tooManyFailures)
}

// answer is what TheEye answers: a receipt, a problem, or both in one.
type answer struct {
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Events []struct {
		ID string `json:"id"`
		Verdict
	} `json:"events"`
}

// read finds the verdicts in an answer, or why there are none. What it quotes has none of the secrets in it.
func read(response *http.Response, content []byte, items []item, secrets []string) ([]Verdict, error) {
	var a answer
	if json.Unmarshal(content, &a) != nil {
		a = answer{} // some proxy's page: the status says enough
	}
	status := response.StatusCode
	e := &AnswerError{Status: status, RetryAfter: retryAfter(response.Header, time.Now())}
	if isCode(a.Code) {
		e.Code, e.Detail = a.Code, quote(a.Detail, secrets)
	}
	withVerdicts := len(a.Events) > 0 && (status == http.StatusUnprocessableEntity || status == http.StatusRequestEntityTooLarge)
	switch {
	case status/100 == 2 || withVerdicts:
		verdicts, err := a.verdicts(items)
		if err == nil {
			return verdicts, nil
		}
		e.Code, e.Detail = "", "not understood: "+err.Error()
	case status/100 == 3:
		e.Detail = "redirects are not followed; correct the URL"
	}
	return nil, e
}

// verdicts checks that there is one for every item, in order.
func (a *answer) verdicts(items []item) ([]Verdict, error) {
	if len(a.Events) != len(items) {
		return nil, fmt.Errorf("%d verdicts on %d events", len(a.Events), len(items))
	}
	verdicts := make([]Verdict, len(items))
	for i, e := range a.Events {
		same := e.ID == items[i].event.ID
		if e.Status == Accepted && !same || e.Status == Rejected && !same && e.ID != "" {
			return nil, fmt.Errorf("verdict %d is on another event", i)
		}
		if e.Status != Accepted && e.Status != Rejected {
			return nil, fmt.Errorf("verdict %d is neither accepted nor rejected", i)
		}
		verdicts[i] = e.Verdict
	}
	return verdicts, nil
}

// isCode tells TheEye's codes from what other servers call so.
func isCode(code string) bool {
	const longest = 64
	return code != "" && len(code) <= longest && strings.Trim(code, "abcdefghijklmnopqrstuvwxyz._") == ""
}

// quote cuts a text and takes secrets out, should a server have sent them back.
func quote(text string, secrets []string) string {
	const longest = 500
	for _, secret := range secrets {
		text = strings.ReplaceAll(text, secret, "[key]")
	}
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "")
	}
	return text
}

// maxRetryAfter bounds what a wrong Retry-After can do.
const maxRetryAfter = time.Hour

// retryAfter reads the header's two forms (RFC 9110, 10.2.3). A date is taken against the server's own clock when the
// answer tells it: ours may differ.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 64); err == nil {
		return time.Duration(min(seconds, uint64(maxRetryAfter/time.Second))) * time.Second
	}
	until, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return min(max(until.Sub(now), 0), maxRetryAfter)
}
