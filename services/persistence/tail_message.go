package persistence

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/event"
)

// tailText is how much of an event's data and attributes, or of a failure's original, travels on the tail: whoever wants
// more reads the event. It is the size of very large pageviews, and bounds what one listener's backlog may hold.
const tailText = 16 << 10

// Told is what a listener is told of one event: its final outcome, with the event as GET /v1/events shows it but for
// stored_at, or the failure as GET /v1/failures does. The same one may be told again; its sequence, or the failure's id,
// says so.
type Told struct {
	Outcome Outcome  `json:"outcome"`
	Event   *Event   `json:"event,omitempty"`
	Failure *Failure `json:"failure,omitempty"`
	// Omitted: the event has data or attributes, or the failure an original, that are too large for the tail.
	Omitted bool `json:"omitted,omitempty"`
}

// traits are what listeners choose by. Of refused events most are not known.
type traits struct {
	Application uuid.UUID `json:"a"`
	SessionID   string    `json:"s,omitempty"`
	Category    string    `json:"c,omitempty"`
	Name        string    `json:"n,omitempty"`
	OccurredAt  int64     `json:"t,omitempty"` // microseconds; 0: not known
	Outcome     Outcome   `json:"o"`
}

// tailed is one message as it travels over Redis.
type tailed struct {
	traits
	told []byte // JSON in one line
}

// tailTab stands between the traits and what is told, for no JSON in one line has one: what is told is not read again, and
// nobody but a listener's client decodes it.
const tailTab = "\t"

// line is how a message is written.
func (t *tailed) line() ([]byte, error) {
	head, err := marshal(t.traits)
	return slices.Concat(head, []byte(tailTab), t.told), err
}

// readTailed reads a line; false: a release wrote it that writes otherwise, or it was erased.
func readTailed(line string) (t tailed, ok bool) {
	head, told, ok := strings.Cut(strings.TrimSuffix(line, "\n"), tailTab)
	if !ok || json.Unmarshal([]byte(head), &t.traits) != nil {
		return tailed{}, false
	}
	t.told = []byte(told) // a copy: the entry that it came in is not kept for it
	return t, true
}

// told makes the message of a settled record; false: there is none, for nothing became of it that is seen.
func told(r *record) (tailed, bool) {
	t := Told{Outcome: r.outcome}
	switch r.outcome {
	case Stored, Duplicate:
		t.Event, t.Omitted = r.shown()
	case Conflict, Failed, Refused:
		t.Failure, t.Omitted = r.failure()
	default:
		return tailed{}, false
	}
	text, err := marshal(t)
	if err != nil {
		return tailed{}, false // nothing that was stored is no JSON
	}
	m := tailed{told: text, traits: traits{
		Application: r.application, SessionID: storable(r.sessionID), Category: storable(r.category), Name: storable(r.name), Outcome: r.outcome,
	}}
	if !r.occurredAt.IsZero() {
		m.OccurredAt = r.occurredAt.UnixMicro()
	}
	return m, true
}

// marshal writes JSON as it was stored, in one line: <, > and & are not escaped.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// shown is a record as reads show it once it is stored.
func (r *record) shown() (e *Event, omitted bool) {
	e = &Event{
		ID: r.id, Application: r.application, SessionID: r.sessionID, Category: r.category, Name: r.name,
		Type: event.Type(r.category, r.name), Timestamp: event.FormatTimestamp(r.occurredAt), ReceivedAt: event.FormatTimestamp(r.receivedAt),
		Sequence: r.sequence, Credential: r.credential, Public: r.credential == "", TraceID: traceText((*uuid.UUID)(optionalID(r.traceID))),
	}
	if r.clientTime != nil {
		e.ClientTimestamp = event.FormatTimestamp(r.clientTime.Truncate(time.Microsecond)) // as the column has it
	}
	if len(r.data)+len(r.attributes) > tailText {
		return e, true
	}
	e.Data, e.Attributes = r.data, r.attributes
	return e, false
}

// failure is a refused record as reads show it; of one that was only counted, before it is added to others.
func (r *record) failure() (f *Failure, omitted bool) {
	f = &Failure{
		ID: r.sequence, Count: r.events(), LeftOut: r.count > 0, Credential: r.credential, Public: r.credential == "" && r.application != uuid.Nil, EventID: storable(r.id),
		Code: storable(string(r.refusal.Code)), Detail: storable(r.refusal.Detail), Pointers: []string{}, Stage: string(r.stage), State: "open",
		ReceivedAt: event.FormatTimestamp(r.receivedAt), Truncated: r.truncated, TraceID: traceText((*uuid.UUID)(optionalID(r.traceID))),
	}
	if r.application != uuid.Nil {
		f.Application = &r.application
	}
	if pointer := storable(r.refusal.Pointer); pointer != "" {
		f.Pointers = append(f.Pointers, pointer)
	}
	if r.refusal.Schema != nil {
		f.SchemaDigest = hex.EncodeToString(r.refusal.Schema[:])
	}
	if r.format != event.Native {
		f.Format = r.format.String()
	}
	if f.LeftOut {
		f.Truncated = false
		return f, false
	}
	if len(r.original) > tailText {
		return f, true
	}
	if utf8.Valid(r.original) {
		text := string(r.original)
		f.Original = &text
	} else {
		f.OriginalBase64 = r.original
	}
	return f, false
}
