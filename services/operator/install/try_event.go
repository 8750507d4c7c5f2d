package install

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

const (
	eventsPath = "/v1/events"
	// requestTimeout is longer than a service takes to say that it cannot.
	requestTimeout = 10 * time.Second
	// maxAnswer is far above the answers to two events.
	maxAnswer = 1 << 20
)

// sample is an event as it is sent, and as it is found.
type sample struct {
	ID        string         `json:"id"`
	SessionID string         `json:"session_id"`
	Category  string         `json:"category"`
	Name      string         `json:"name"`
	Data      map[string]any `json:"data"`
	Timestamp time.Time      `json:"timestamp"`
}

// newSample makes an event of a session of its own, so that a query finds it alone.
func newSample(now time.Time) sample {
	return sample{
		ID: uuid.NewString(), SessionID: "trial-" + uuid.NewString(), Category: "trial", Name: "tried",
		Data:      map[string]any{"text": "ä \"<&>\" 漢 🙂", "number": 1.5, "list": []any{true, nil, "a"}, "object": map[string]any{"a": map[string]any{}}},
		Timestamp: now.UTC().Truncate(time.Microsecond), // as fine as PostgreSQL keeps it
	}
}

// next is another event of the session, which comes after it.
func (s sample) next() sample {
	s.ID, s.Name = uuid.NewString(), "tried again"
	s.Timestamp = s.Timestamp.Add(time.Millisecond)
	return s
}

// equal compares all that was sent.
func (s sample) equal(other sample) bool {
	same := s.Timestamp.Equal(other.Timestamp)
	other.Timestamp = s.Timestamp
	return same && reflect.DeepEqual(s, other)
}

// answer is what a service says to a request.
type answer struct {
	status int
	body   []byte
}

func (a answer) String() string {
	return fmt.Sprintf("%d %s", a.status, bytes.TrimSpace(a.body))
}

// transient answers may be others in a moment: a credential that is not known yet, a service that is not ready.
func (a answer) transient() bool {
	return a.status == http.StatusUnauthorized || a.status == http.StatusTooManyRequests || a.status >= http.StatusInternalServerError
}

// ask sends a request with an API key or an access token.
func (t *Trial) ask(ctx context.Context, method, address, key string, body []byte) (a answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return a, final("make request: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("Content-Type", "application/json")
	return t.do(request)
}

// do sends a request and reads the answer.
func (t *Trial) do(request *http.Request) (a answer, err error) {
	response, err := t.HTTP.Do(request)
	if err != nil {
		return a, err // names method and URL
	}
	defer response.Body.Close() //nolint:errcheck // only read
	a.status = response.StatusCode
	if a.body, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer)); err != nil {
		return a, fmt.Errorf("%s %s: read answer: %w", request.Method, request.URL, err)
	}
	return a, nil
}

// unexpected says that an answer is not as it should be: for good, unless it is transient.
func unexpected(method, address string, a answer) error {
	err := fmt.Errorf("%s %s is answered %s", method, address, a)
	if a.transient() {
		return err
	}
	return finalError{err}
}

// accepted posts events, each of which must be accepted.
func (t *Trial) accepted(ctx context.Context, key string, events ...sample) (missing string, err error) {
	body, err := json.Marshal(events)
	if err != nil {
		return "", final("encode events: %w", err)
	}
	a, err := t.ask(ctx, http.MethodPost, t.base(), key, body)
	if err != nil {
		return "", err
	}
	var verdicts struct{ Accepted, Rejected int }
	if a.status != http.StatusAccepted {
		return "", unexpected(http.MethodPost, t.base(), a)
	}
	if err := json.Unmarshal(a.body, &verdicts); err != nil || verdicts.Accepted != len(events) || verdicts.Rejected != 0 {
		return "", final("of %d events not all were accepted: %s", len(events), a)
	}
	return "", nil
}

// sessionURL is the query for the events of the trial.
func (t *Trial) sessionURL() string {
	return strings.TrimSuffix(t.PersistenceURL, "/") + eventsPath + "?session_id=" + url.QueryEscape(t.sent.SessionID)
}

// stored reads the session: it must have these events and no other.
func (t *Trial) stored(ctx context.Context, key string, want ...sample) (missing string, err error) {
	a, err := t.ask(ctx, http.MethodGet, t.sessionURL(), key, nil)
	if err != nil {
		return "", err
	}
	if a.status != http.StatusOK {
		return "", unexpected(http.MethodGet, t.sessionURL(), a)
	}
	var page struct{ Events []sample }
	if err := json.Unmarshal(a.body, &page); err != nil {
		return "", final("read answer %s: %w", a, err)
	}
	if len(page.Events) < len(want) {
		return fmt.Sprintf("what was accepted to be stored: %d of %d events", len(page.Events), len(want)), nil
	}
	if len(page.Events) > len(want) {
		return "", final("%d events are stored in place of %d: %s", len(page.Events), len(want), a)
	}
	if !slices.EqualFunc(page.Events, want, sample.equal) {
		return "", final("other events are stored than were sent: %+v in place of %+v", page.Events, want)
	}
	return "", nil
}

// locked tells whether ingest and persistence refuse a key. It posts no event: should the door be open, nothing is
// stored. A key that never was one must be refused at once; that of a revoked one may take a moment.
func (t *Trial) locked(ctx context.Context, key string, atOnce bool) (missing string, err error) {
	for _, door := range []struct {
		method, address string
		body            string
		open            int // the answer of a door that lets the key in
	}{
		{http.MethodPost, t.base(), "[]", http.StatusBadRequest},
		{http.MethodGet, t.sessionURL(), "", http.StatusOK},
	} {
		a, err := t.ask(ctx, door.method, door.address, key, []byte(door.body))
		switch {
		case err != nil:
			return "", err
		case a.status == http.StatusUnauthorized:
		case a.status == door.open && !atOnce:
			return fmt.Sprintf("%s %s to be refused: it is answered %d", door.method, door.address, a.status), nil
		default:
			return "", unexpected(door.method, door.address, a)
		}
	}
	return "", nil
}
