package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Told is what the live tail tells: what became of an event, or that some of that is not told.
type Told struct {
	Outcome string   `json:"outcome"` // stored, duplicate, conflict, failed or refused; "": Missed says what is not told
	Event   *Stored  `json:"event"`   // of what is stored
	Failure *Failure `json:"failure"` // of what is not
	Omitted bool     `json:"omitted"` // data, attributes or the original are too large for the tail
	Missed  *Missed  `json:"-"`
	Place   string   `json:"-"` // Listen goes on behind it, at any replica
}

// Missed is how much is not told.
type Missed struct {
	// Reason is slow (more came than was taken), late (what followed the place is not kept any more, or the connection broke
	// before there was one) or lost (a replica could not tell what it had stored).
	Reason string `json:"reason"`
	Count  int64  `json:"count"` // of all outcomes, not only of those asked for; 0: it is not known
}

const (
	// tailSilence is three of the words that a tail has every 15 seconds.
	tailSilence = 45 * time.Second
	// maxTold bounds a line of it: at most 16 KiB of data or of an original, each byte of which may take six, and some fields.
	maxTold = 1 << 20
)

// Listen tells what becomes of events while it does, with the parameters of GET /v1/stream, from now on or behind a place.
// It comes back after an outage of at most Config.RetryFor, and is told what came meanwhile, as far as the tail has it; what
// it has not is told as Missed. Whatever is told may be told again: the Sequence of the event, or the ID of the Failure, is
// the same then. It ends with an error, the last that it yields, or with its loop.
func (r *Reader) Listen(ctx context.Context, filter url.Values, place string) iter.Seq2[Told, error] {
	return func(yield func(Told, error) bool) {
		l := &listener{Reader: r, target: r.address("stream", filter), place: place, yield: yield}
		err := r.stay(ctx, &l.retry, func(key string) (bool, error) { return l.listen(ctx, key) })
		if err != nil && !l.left {
			yield(Told{}, err)
		}
	}
}

// listener is one who listens, over all connections.
type listener struct {
	*Reader
	target string
	place  string
	heard  bool // a connection was there before
	retry  time.Duration
	yield  func(Told, error) bool
	left   bool
}

// listen reads a connection until it breaks, and tells whether more came than its beginning.
func (l *listener) listen(ctx context.Context, key string) (came bool, err error) {
	header := http.Header{"Accept": {"text/event-stream"}}
	if l.place != "" {
		header.Set("Last-Event-ID", l.place)
	}
	f, err := l.client.open(ctx, l.target, key, "text/event-stream", header, tailSilence)
	if err != nil {
		return false, err
	}
	defer f.Close()
	if l.heard && l.place == "" {
		l.tell(Told{Missed: &Missed{Reason: "late"}})
	}
	l.heard = true
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxTold)
	for m := (message{}); !l.left && lines.Scan(); {
		if line := lines.Text(); line != "" {
			if m.add(line); len(m.data) > maxTold {
				return came, tooLong("message", maxTold)
			}
			continue
		}
		if err := l.take(&m, f); err != nil {
			return came, err
		}
		came = came || m.retry == nil && (m.id != nil || m.kind != "")
		m = message{}
	}
	switch {
	case l.left:
		return true, nil
	case errors.Is(lines.Err(), bufio.ErrTooLong):
		return came, tooLong("line", maxTold)
	}
	return came, cutOff(lines.Err())
}

// take tells what a message says. An error is the tail's last word.
func (l *listener) take(m *message, f *flow) error {
	if m.id != nil {
		l.place = *m.id
	}
	if m.retry != nil {
		l.retry = min(*m.retry, maxRetryAfter)
	}
	told := Told{Place: l.place}
	into := any(&told)
	switch m.kind {
	case "stored", "duplicate", "conflict", "failed", "refused":
	case "missed":
		told.Missed = &Missed{}
		into = told.Missed
	case "end":
		return f.problem(m.data)
	default: // a word that shows that it lives, or of a later release
		return nil
	}
	if json.Unmarshal([]byte(m.data), into) != nil {
		return notUnderstood(f.StatusCode)
	}
	l.tell(told)
	return nil
}

func (l *listener) tell(told Told) { l.left = l.left || !l.yield(told, nil) }

// problem reads why there is nothing more.
func (f *flow) problem(text string) error {
	var p struct {
		Status       int
		Code, Detail string
	}
	if json.Unmarshal([]byte(text), &p) != nil || !isCode(p.Code) {
		return notUnderstood(f.StatusCode)
	}
	return &AnswerError{Status: p.Status, Code: p.Code, Detail: quote(p.Detail, f.secrets)}
}

// message is a server-sent event (https://html.spec.whatwg.org/multipage/server-sent-events.html), as far as its lines came.
type message struct {
	kind, data string
	id         *string
	retry      *time.Duration
}

// add reads a line.
func (m *message) add(line string) {
	name, value, _ := strings.Cut(line, ":")
	value = strings.TrimPrefix(value, " ")
	switch name {
	case "event":
		m.kind = value
	case "data":
		m.data += value + "\n"
	case "id":
		m.id = &value
	case "retry":
		if ms, err := strconv.ParseUint(value, 10, 32); err == nil {
			m.retry = new(time.Duration(ms) * time.Millisecond)
		}
	}
}
