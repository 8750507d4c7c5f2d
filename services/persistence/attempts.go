package persistence

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/theeye-dev/theeye/api/event"
)

// attemptsKept is how many attempts a Failure keeps, the last ones: whoever replays the same by a timer for weeks must not make its
// row grow.
const attemptsKept = 10

// Attempted is what became of a Failure when it was replayed or discarded.
type Attempted struct {
	At       string   `json:"at"`
	Outcome  Outcome  `json:"outcome"` // as an Attempt's, or discarded
	Code     string   `json:"code,omitempty"`
	Detail   string   `json:"detail,omitempty"`
	Pointers []string `json:"pointers,omitempty"`
}

// attemptsSQL is the attempts of a Failure's row with one more, which text is the JSON of.
func attemptsSQL(text string) string {
	return fmt.Sprintf("CASE WHEN jsonb_array_length(attempts) >= %d THEN attempts - 0 ELSE coalesce(attempts, '[]') END || %s::text::jsonb", attemptsKept, text)
}

// attemptedAt is an attempt as a row keeps it.
func (a *Attempt) attemptedAt(now time.Time) string {
	text, _ := json.Marshal(Attempted{event.FormatTimestamp(now), a.Outcome, a.Code, a.Detail, a.Pointers}) // texts alone
	return string(text)
}

// tried shows what was tried with a Failure, the earliest first. The last of it may have been tried by a release that kept
// no more.
func (f *Failure) tried(attempts []Attempted) {
	if n := len(attempts); f.Attempt != nil && (n == 0 || attempts[n-1].At != f.Attempt.At) {
		attempts = append(attempts, *f.Attempt)
	}
	f.Attempts = attempts
}

// tellAttempts tells what was tried with a Failure. What it stored, or found stored, is told already, and is marked.
func (h *History) tellAttempts(f *Failure) {
	for _, a := range f.Attempts {
		at, err := event.ParseTimestamp(a.At)
		if err != nil {
			continue // no release writes such
		}
		m := h.told(a.Outcome, f.ID)
		if m == nil || a.Outcome != Stored && a.Outcome != Duplicate {
			h.tell(at, string(a.Outcome), f.ID, a.Code, f.TraceID)
			m = &h.Happenings[len(h.Happenings)-1]
		}
		if m.Replay = a.Outcome != discarded; a.Outcome == Duplicate { // it was received long before
			m.At, m.at = a.At, at
		}
	}
}

// told finds what is told of a sequence; nil where it is not.
func (h *History) told(o Outcome, sequence event.Sequence) *Happening {
	for i := range h.Happenings {
		if m := &h.Happenings[i]; m.What == string(o) && m.Sequence == sequence {
			return m
		}
	}
	return nil
}
