package persistence

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Outcome is what became of one record. Every accepted event ends in exactly one of Stored, Duplicate, Conflict, Failed
// and Erased, every refused one in Refused or ErasedRefusal; Redelivered ones had ended before.
type Outcome string

// The outcomes.
const (
	Stored      Outcome = "stored"
	Duplicate   Outcome = "duplicate"   // the same id and content was stored before
	Conflict    Outcome = "conflict"    // the id was stored before with other content: now a Failure
	Failed      Outcome = "failed"      // refused by PostgreSQL or unreadable: now a Failure
	Refused     Outcome = "refused"     // refused by ingest, also for an id that one request has twice: now a Failure
	Redelivered Outcome = "redelivered" // settled by an earlier delivery
	// Erased events were received before their application was erased, and dropped when they came.
	Erased Outcome = "erased"
	// ErasedRefusal is the same of what ingest had refused.
	ErasedRefusal Outcome = "erased_refusal"
)

// Outcomes counts what became of the events of a batch.
type Outcomes map[Outcome]int64

// session is what a batch adds to one row of sessions.
type session struct {
	id          string
	application uuid.UUID
	first, last time.Time
	events      int64
}

// sessionsOf sums stored records up by session, in the order in which rows are locked.
func sessionsOf(stored []*record) []*session {
	type key struct {
		id          string
		application uuid.UUID
	}
	sums := map[key]*session{}
	for _, r := range stored {
		k := key{r.sessionID, r.application}
		s := sums[k]
		if s == nil {
			s = &session{id: r.sessionID, application: r.application, first: r.occurredAt, last: r.occurredAt}
			sums[k] = s
		}
		if r.occurredAt.Before(s.first) {
			s.first = r.occurredAt
		}
		if r.occurredAt.After(s.last) {
			s.last = r.occurredAt
		}
		s.events++
	}
	return slices.SortedFunc(maps.Values(sums), func(a, b *session) int {
		return cmp.Or(cmp.Compare(a.id, b.id), bytes.Compare(a.application[:], b.application[:]))
	})
}

// usageKey names one row of usage.
type usageKey struct {
	application uuid.UUID
	hour        time.Time
	outcome     Outcome
}

// credentialKey names one row of credential_usage.
type credentialKey struct {
	application uuid.UUID
	credential  string
}

// tally is what a batch adds to the counters.
type tally struct {
	usage       map[usageKey]int64
	types       map[typeKey]int64
	credentials map[credentialKey]lastUse
}

// lastUse of a credential: when the newest record with it was received, and the newest of those that are stored.
type lastUse struct {
	any    time.Time
	stored *time.Time
}

func newTally() *tally {
	return &tally{map[usageKey]int64{}, map[typeKey]int64{}, map[credentialKey]lastUse{}}
}

// add counts a settled record. Redeliveries were counted before, and of what is erased nothing is kept.
func (t *tally) add(r *record, o Outcome) {
	if o == Redelivered || o == Erased || o == ErasedRefusal || r.application == uuid.Nil {
		return
	}
	t.change(r.application, r.receivedAt, o, r.category, r.name, r.events())
	k := credentialKey{r.application, r.credential}
	last := t.credentials[k]
	if r.receivedAt.After(last.any) {
		last.any = r.receivedAt
	}
	if o == Stored && (last.stored == nil || r.receivedAt.After(*last.stored)) {
		last.stored = &r.receivedAt
	}
	t.credentials[k] = last
}

// change adds to the counters of an outcome, and of a type within it.
func (t *tally) change(application uuid.UUID, received time.Time, o Outcome, category, name string, n int64) {
	k := usageKey{application, received.UTC().Truncate(time.Hour), o}
	t.usage[k] += n
	t.types[typeKey{k, category, name}] += n
}

// keys returns the rows of usage in the order in which they are locked.
func (t *tally) keys() []usageKey {
	return slices.SortedFunc(maps.Keys(t.usage), func(a, b usageKey) int {
		return cmp.Or(bytes.Compare(a.application[:], b.application[:]), a.hour.Compare(b.hour), cmp.Compare(a.outcome, b.outcome))
	})
}

// credentialKeys returns the rows of credential_usage in the order in which they are locked.
func (t *tally) credentialKeys() []credentialKey {
	return slices.SortedFunc(maps.Keys(t.credentials), func(a, b credentialKey) int {
		return cmp.Or(bytes.Compare(a.application[:], b.application[:]), cmp.Compare(a.credential, b.credential))
	})
}
