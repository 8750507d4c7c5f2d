package persistence

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/registry"
)

// historyOf writes what became of an event, one a line; what came of a replay has a star.
func (l *library) historyOf(id string) (lines []string) {
	l.Helper()
	var h History
	l.get(shop, "/v1/events/"+id, &h)
	for n, m := range h.Happenings {
		line := strings.TrimSpace(m.What + " " + m.Code)
		if m.Replay {
			line += " *"
		}
		if n > 0 && m.At < h.Happenings[n-1].At {
			l.Errorf("%s is told before what was earlier: %+v", line, h.Happenings)
		}
		lines = append(lines, line)
	}
	return lines
}

// attemptsOf writes what one failure says was tried with it.
func (l *library) attemptsOf(id event.Sequence) (lines []string) {
	l.Helper()
	var f Failure
	l.get(shop, "/v1/failures/"+id.String(), &f)
	for _, a := range f.Attempts {
		lines = append(lines, strings.TrimSpace(string(a.Outcome)+" "+a.Code))
	}
	if n := len(f.Attempts); n > 0 && (f.Attempt == nil || fmt.Sprint(f.Attempts[n-1]) != fmt.Sprint(*f.Attempt)) {
		l.Errorf("the last attempt is %+v, and the last of all %+v", f.Attempt, f.Attempts[n-1])
	}
	return lines
}

// TestHistoryTellsReplays: each that has changed a Failure of the event or tried to, and no dry run.
func TestHistoryTellsReplays(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	clock := time.Now().Add(-2 * time.Hour)
	l.clocked(clock.Add(-time.Hour))
	id := l.refuse(shop, mismatched("a", "s", numeric))[0]
	r := l.replayer(l.store, book{shop: declared(strict)})
	r.now = func() time.Time { clock = clock.Add(time.Minute); return clock }
	l.same("at first", []string(nil), l.attemptsOf(id))
	l.one(r, id, true)
	l.one(r, id, false)
	r.rules = book{shop: {Suspended: true}}
	l.one(r, id, false)
	l.one(r, id, true)
	l.same("of one that stays open", []string{"refused schema.mismatch", "refused schema.mismatch *", "refused application.suspended *"}, l.historyOf("a"))
	r.rules = book{shop: {}}
	l.begin(r, Query{Application: shop})
	l.steps(r)
	l.same("of one that is stored in the end", []string{"received", "refused schema.mismatch", "refused schema.mismatch *", "refused application.suspended *", "stored *"}, l.historyOf("a"))
	l.same("the failure", []string{"refused schema.mismatch", "refused application.suspended", "stored"}, l.attemptsOf(id))

	l.clocked(clock.Add(-time.Hour))
	again, other := l.refuse(shop, mismatched("a", "s", numeric))[0], l.refuse(shop, mismatched("a", "s", ""))[0]
	l.one(r, other, false)
	l.one(r, again, false)
	_, err := r.Discard(t.Context(), failureQuestion{id: other, scope: Scope{All: true}})
	l.must(err)
	l.same("of one that meets another", []string{"conflict id.conflict", "discarded"}, l.attemptsOf(other))
	got := l.historyOf("a")
	l.same("in all", "conflict id.conflict *,discarded,duplicate *,received,refused application.suspended *,refused schema.mismatch,"+
		"refused schema.mismatch,refused schema.mismatch,refused schema.mismatch *,stored *", strings.Join(sorted(got), ","))
	var page FailurePage
	l.get(shop, "/v1/failures", &page)
	for _, f := range page.Failures {
		if f.Attempts != nil || f.Attempt == nil {
			t.Errorf("a list tells of %+v, %+v", f.Attempt, f.Attempts)
		}
	}
}

// TestAttemptsAreBounded: of a failure that is replayed again and again, the last ten are kept, and no more.
func TestAttemptsAreBounded(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	id := l.refuse(shop, mismatched("a", "s", numeric))[0]
	r := l.replayer(l.store, book{})
	policies := []registry.Policy{declared(strict), {Suspended: true}}
	var want []string
	for n := range attemptsKept + 3 {
		r.rules = book{shop: policies[n%2]}
		a := l.one(r, id, false)
		want = append(want, "refused "+a.Code)
	}
	l.same("kept", want[3:], l.attemptsOf(id))
	l.same("rows", 1, l.count("SELECT jsonb_array_length(attempts) / $1 FROM persistence.failures", attemptsKept))
	l.same("told", 1+attemptsKept, len(l.historyOf("a")))
}

// TestAttemptsOfTheReleaseBefore: what it has tried, before this one or beside it, is told as far as it is known.
func TestAttemptsOfTheReleaseBefore(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	id := l.refuse(shop, mismatched("a", "s", numeric))[0]
	tried := func(code string) {
		_, err := l.pool.Exec(t.Context(), "UPDATE persistence.failures SET attempted_at = now(), attempt_outcome = 'refused', attempt_code = $1", code)
		l.must(err)
	}
	tried("type.unknown")
	l.same("before", []string{"refused type.unknown"}, l.attemptsOf(id))
	l.one(l.replayer(l.store, book{shop: declared(strict)}), id, false)
	tried("type.unknown")
	l.same("beside", []string{"refused schema.mismatch", "refused type.unknown"}, l.attemptsOf(id))
	l.same("history", []string{"refused schema.mismatch", "refused schema.mismatch *", "refused type.unknown *"}, l.historyOf("a"))
}

// TestOutcomesAreRecountedByCode: of what became a failure, as openapi.yaml tells it: by stage and code, a conflict within
// one request among what the door refused.
func TestOutcomesAreRecountedByCode(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	conflicting := refused(`{"id":"a","session_id":"s","category":"c","name":"n","data":{"x":2}}`, "id.conflict")
	first := l.request(shop, item("a", "s", ""), conflicting, item("b", "s", ""), item("b", "s", ""), refused("{}", "field.missing"), event.Item{Original: []byte("{")})
	second := l.request(shop, item("a", "s", numeric), item("b", "s", numeric), event.Item{Refusal: &event.Refusal{Code: "id.conflict"}, Count: 40})
	second.Number = 7
	l.insert(first, second, l.request(shop, mismatched("c", "s", ""), mismatched("d", "s", numeric)))
	r := l.replayer(l.store, book{shop: declared(strict)})
	l.begin(r, Query{Application: shop, Code: "schema.mismatch"})
	l.steps(r)
	stats := map[string]int64{}
	var s Stats
	l.get(shop, "/v1/stats?by=outcome", &s)
	for _, c := range s.Counts {
		stats[string(c.Outcome)] += c.Events
	}
	recount := map[string]int64{"stored": 3, "duplicate": 1}
	codes := map[string]string{"ingest": "refused", "persistence": "failed"}
	for stage, outcome := range codes {
		for _, code := range []string{"id.conflict", "field.missing", "schema.mismatch", "store.undecodable", "store.refused"} {
			of := outcome
			if stage == "persistence" && code == "id.conflict" {
				of = "conflict"
			}
			var page FailurePage
			l.get(shop, "/v1/failures?stage="+stage+"&code="+code, &page)
			for _, f := range page.Failures {
				if f.State != stateReplayed {
					recount[of] += f.Count
				}
			}
		}
	}
	l.same("a recount", recount, stats)
	l.same("by outcome", map[string]int64{"stored": 3, "duplicate": 1, "conflict": 2, "refused": 43, "failed": 1}, stats)
}
