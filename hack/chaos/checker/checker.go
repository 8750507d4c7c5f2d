package checker

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/theeye-dev/theeye/hack/chaos/history"
)

// Invariant names what was violated.
type Invariant string

// The invariants; doc.go says what they mean.
const (
	Lost         Invariant = "lost"
	Duplicate    Invariant = "duplicate"
	Phantom      Invariant = "phantom"
	Payload      Invariant = "payload"
	Application  Invariant = "application"
	Harmed       Invariant = "harmed"
	Conflict     Invariant = "conflict"
	Order        Invariant = "order"
	Conservation Invariant = "conservation"
	Credential   Invariant = "credential"
	Answer       Invariant = "answer"
	Visible      Invariant = "visible"
)

// Finding is one violation.
type Finding struct {
	Invariant Invariant `json:"invariant"`
	Detail    string    `json:"detail"`
}

// String is the finding in one line.
func (f Finding) String() string { return string(f.Invariant) + ": " + f.Detail }

// Event is a row of events.
type Event struct {
	Application string    `json:"application"`
	ID          string    `json:"id"`
	Session     string    `json:"session"`
	Category    string    `json:"category"`
	Name        string    `json:"name"`
	Data        string    `json:"data"` // JSON; "": none
	OccurredAt  time.Time `json:"occurred_at"`
	Sequence    string    `json:"sequence"`
}

// Shown is an event that a read showed.
type Shown struct {
	Application string `json:"application"`
	ID          string `json:"id"`
	Sequence    string `json:"sequence"`
}

// Failure is a row of failures.
type Failure struct {
	Application string `json:"application"`
	Sequence    string `json:"sequence"`
	Code        string `json:"code"`
	Stage       string `json:"stage"`
	Original    []byte `json:"original"`
}

// Store is all that is stored, once the installation has come to rest.
type Store struct {
	Events   []Event   `json:"events"`
	Failures []Failure `json:"failures"`
	// Shown is every event as reads show it, page by page.
	Shown []Shown `json:"shown"`
	// Usage is the sum of the counters by application and outcome.
	Usage map[string]map[string]int64 `json:"usage"`
	// Sessions is the number of events by session, as the sessions' own counters have it.
	Sessions map[string]int64 `json:"sessions"`
	// Duplicates is how many events were sent again with the same content, by application.
	Duplicates map[string]int64 `json:"duplicates"`
}

// Check returns everything that is wrong, in a stable order.
func Check(h history.History, s Store) []Finding {
	c := &check{history: h, store: s, sent: index(h)}
	for _, part := range []func(){
		c.answers, c.credentials, c.events, c.missing, c.visible, c.failures, c.order, c.conservation,
	} {
		part()
	}
	slices.SortStableFunc(c.found, func(a, b Finding) int { return cmp.Compare(a.Invariant, b.Invariant) })
	return c.found
}

type check struct {
	history history.History
	store   Store
	sent    map[key]*attempts
	rows    map[key][]Event
	found   []Finding
}

func (c *check) find(i Invariant, format string, args ...any) {
	c.found = append(c.found, Finding{i, fmt.Sprintf(format, args...)})
}

// key names an event: ids belong to their application.
type key struct{ application, id string }

func (k key) String() string { return k.id + " of " + k.application }
