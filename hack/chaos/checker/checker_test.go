package checker_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/hack/chaos/checker"
	"github.com/theeye-dev/theeye/hack/chaos/history"
)

var begin = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func at(seconds float64) time.Time { return begin.Add(time.Duration(seconds * float64(time.Second))) }

// world is a history and what is stored, made by small steps. Everything belongs to application a and credential 1.
type world struct {
	history history.History
	store   checker.Store
}

func newWorld() *world {
	return &world{store: checker.Store{
		Usage: map[string]map[string]int64{"a": {}, "b": {}}, Sessions: map[string]int64{}, Duplicates: map[string]int64{},
	}}
}

func body(id string, data string) string {
	return fmt.Sprintf(`{"id":%q,"session_id":"s","category":"c","name":"n","data":%s}`, id, data)
}

// send notes a request, one second after the one before, with an answer after half a second; status 0 is none.
func (w *world) send(status int, codes []string, items ...history.Item) *history.Intent {
	n := int64(len(w.history.Intents) + 1)
	intent := history.Intent{Send: n, At: at(float64(n)), Application: "a", Credential: "1", Reason: history.New, Items: items}
	w.history.Add(history.Line{Intent: &intent})
	o := history.Outcome{Send: n, At: at(float64(n) + 0.5), Status: status}
	if status == 202 || status == 422 {
		for i, item := range items {
			v := history.Verdict{ID: item.ID}
			if i < len(codes) {
				v.Code = codes[i]
			}
			o.Verdicts = append(o.Verdicts, v)
		}
	}
	w.history.Add(history.Line{Outcome: &o})
	return &w.history.Intents[n-1]
}

func event(id, data string) history.Item { return history.NewItem(id, []byte(body(id, data)), true) }

// stored adds a row and counts it.
func (w *world) stored(id, data string) *checker.Event {
	w.store.Events = append(w.store.Events, checker.Event{
		Application: "a", ID: id, Session: "s", Category: "c", Name: "n", Data: data, OccurredAt: at(1),
		Sequence: fmt.Sprintf("%03d", len(w.store.Events)),
	})
	w.store.Shown = append(w.store.Shown, checker.Shown{Application: "a", ID: id, Sequence: w.store.Events[len(w.store.Events)-1].Sequence})
	w.store.Usage["a"]["stored"]++
	w.store.Sessions["s"]++
	return &w.store.Events[len(w.store.Events)-1]
}

func (w *world) duplicated() {
	w.store.Usage["a"]["duplicate"]++
	w.store.Duplicates["a"]++
}

// failed adds a Failure and counts it.
func (w *world) failed(code, stage, outcome, original string) {
	w.store.Failures = append(w.store.Failures, checker.Failure{
		Application: "a", Sequence: fmt.Sprintf("f%03d", len(w.store.Failures)), Code: code, Stage: stage, Original: []byte(original),
	})
	w.store.Usage["a"][outcome]++
}

func (w *world) step(step history.Step, seconds float64) {
	w.history.Add(history.Line{Credential: &history.Credential{At: at(seconds), Application: "a", ID: "1", Step: step}})
}

// limited notes a request that was held for one with a wrong credential, some seconds after its own was issued.
func (w *world) limited(age float64) {
	intent := w.send(429, nil, event("x", `{}`))
	intent.Credential = "2"
	o := w.history.Outcomes[intent.Send]
	o.Code = "credential.too_many_failures"
	w.history.Add(history.Line{Outcome: &o})
	issued := intent.At.Add(-time.Duration(age * float64(time.Second)))
	w.history.Add(history.Line{Credential: &history.Credential{At: issued, Application: "a", ID: "2", Step: history.Issued}})
}

// sound is what must not be found fault with.
func sound(w *world) {
	w.send(202, nil, event("one", `{"n":1}`))
	w.stored("one", `{"n": 1.0}`)
	w.send(202, nil, event("one", `{"n":1}`)) // again after the answer
	w.duplicated()
	w.send(0, nil, event("doubt", `{}`)) // came through
	w.stored("doubt", `{}`)
	w.send(503, nil, event("never", `{}`)) // did not
	w.send(202, nil, event("twice", `{"n":1}`))
	w.send(202, nil, event("twice", `{"n":2}`))
	w.stored("twice", `{"n":2}`)
	w.failed("id.conflict", "persistence", "conflict", body("twice", `{"n":1}`))
	w.send(202, []string{"", "json.nul"}, event("beside", `{}`), history.NewItem("bad", []byte("bad\xff"), false))
	w.stored("beside", `{}`)
	w.failed("json.nul", "ingest", "refused", "bad\xff")
	w.send(0, nil, history.NewItem("bad2", []byte("bad2"), false))
	w.failed("json.nul", "ingest", "refused", "bad2") // its answer got lost
	w.send(202, []string{"", "id.conflict"}, event("same", `{"n":1}`), event("same", `{"n":2}`))
	w.stored("same", `{"n":1}`)
	w.failed("id.conflict", "ingest", "refused", body("same", `{"n":2}`))
	w.send(400, nil, history.NewItem("broken", []byte(`{`), false)).Malformed = true
	w.send(401, nil, event("forged", `{}`)).Reason = history.Forged
	w.send(401, nil, event("gone", `{}`))
	w.step(history.Issued, 0)
	w.step(history.Revoking, 11.9)
	w.step(history.Revoked, 12)
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(w *world)
		want  []string // beginnings of what is found, in order
	}{
		"sound":                {func(*world) {}, nil},
		"accepted and lost":    {func(w *world) { w.send(202, nil, event("x", `{}`)) }, []string{"lost: x of a"}},
		"refusal lost":         {func(w *world) { w.send(422, []string{"json.nul"}, history.NewItem("x", []byte("x"), false)) }, []string{"lost: 0 of 1 refusals (json.nul)"}},
		"stored twice":         {func(w *world) { w.stored("one", `{"n":1}`) }, []string{"duplicate: one of a is stored 2 times"}},
		"one sequence":         {func(w *world) { w.stored("never", `{}`).Sequence = "000" }, []string{"duplicate: sequence 000"}},
		"never sent":           {func(w *world) { w.stored("x", `{}`) }, []string{"phantom: x of a was never sent"}},
		"refused and stored":   {func(w *world) { w.stored("forged", `{}`) }, []string{"phantom: forged of a is stored, and every"}},
		"other payload":        {func(w *world) { w.store.Events[0].Data = `{"n":1.0000000000000000001}` }, []string{"payload: one of a"}},
		"unreadable payload":   {func(w *world) { w.store.Events[0].Data = `{"n":` }, []string{"payload: one of a cannot be read back"}},
		"other name":           {func(w *world) { w.store.Events[0].Name = "m" }, []string{"payload: one of a"}},
		"wrong application":    {func(w *world) { w.stored("never", `{}`).Application = "b" }, []string{"application: never of b was sent by a", "conservation: application a: 6", "conservation: application b: 0"}},
		"first of two payload": {func(w *world) { w.store.Events[2].Data = `{"n":3}` }, []string{"conflict: 0 of 1", "payload: twice of a"}},
		"conflict unreported": {func(w *world) { w.store.Failures = w.store.Failures[1:] }, []string{
			"conflict: 0 of 1", "conservation: application a: 1 are counted as conflict, 0 are there",
		}},
		"conflict reported twice": {
			func(w *world) { w.failed("id.conflict", "persistence", "conflict", body("twice", `{"n":1}`)) },
			[]string{"duplicate: 2 Failures (id.conflict, persistence)"},
		},
		"a Failure twice": {func(w *world) {
			w.failed("json.nul", "ingest", "refused", "bad2")
			w.store.Failures[len(w.store.Failures)-1].Sequence = "f002"
		}, []string{"duplicate: Failure f002 is there twice"}},
		"correct event failed": {
			func(w *world) { w.failed("store.refused", "persistence", "failed", body("never", `{}`)) },
			[]string{"harmed: never of a became a Failure (store.refused, persistence)"},
		},
		"correct event refused": {func(w *world) {
			w.send(422, []string{"json.nul"}, event("x", `{}`))
			w.failed("json.nul", "ingest", "refused", body("x", `{}`))
		}, []string{"harmed: request 13: a correct event was refused (json.nul)"}},
		"Failure of nothing": {func(w *world) { w.failed("json.nul", "ingest", "refused", "?") }, []string{"phantom: a Failure (json.nul, ingest)"}},
		"out of order": {func(w *world) {
			for n := range 2 {
				id := fmt.Sprint("in", n)
				item := event(id, `{}`)
				item.Session, item.N = "s", n
				w.send(202, nil, item)
				w.stored(id, `{}`).OccurredAt = at(float64(10 - n))
			}
		}, []string{"order: session s reads 0 after 1"}},
		"counted wrong":      {func(w *world) { w.store.Usage["a"]["duplicate"]++ }, []string{"conservation: application a: 2 are counted as duplicate, 1 are there"}},
		"ended too often":    {func(w *world) { w.store.Usage["a"]["stored"] += 5 }, []string{"conservation: application a: 10 are counted", "conservation: application a: 6 events were accepted, 3 perhaps"}},
		"not shown":          {func(w *world) { w.store.Shown = w.store.Shown[1:] }, []string{"visible: one of a is stored and not shown"}},
		"shown twice":        {func(w *world) { w.store.Shown = append(w.store.Shown, w.store.Shown[0]) }, []string{"visible: one of a is shown twice"}},
		"shown, not stored":  {func(w *world) { w.store.Shown[0].Sequence = "x" }, []string{"visible: one of a is stored and not shown", "visible: one of a is shown and not stored"}},
		"session miscounted": {func(w *world) { w.store.Sessions["s"]-- }, []string{"conservation: session s counts 4"}},
		"valid key refused": {
			func(w *world) { w.history.Outcomes[5] = history.Outcome{Send: 5, At: at(5.5), Status: 401} },
			[]string{"credential: request 5 was answered 401"},
		},
		"revoked key taken": {func(w *world) {
			w.send(503, nil)
			w.send(202, nil, event("x", `{}`)).At = at(13.1)
			w.stored("x", `{}`)
		}, []string{"credential: request 14 was taken with credential 1"}},
		"too many revoked":  {func(w *world) { w.send(429, nil, event("x", `{}`)).Reason = history.Retired }, nil},
		"valid key limited": {func(w *world) { w.send(429, nil, event("x", `{}`)) }, []string{"answer: request 13 (new) was answered 429"}},
		"new key limited":   {func(w *world) { w.limited(0.9) }, nil},
		"known key limited": {
			func(w *world) { w.limited(1.1) }, []string{"answer: request 13 (new) was answered 429 credential.too_many_failures"},
		},
		"forged key taken": {func(w *world) {
			w.send(202, nil, event("x", `{}`)).Reason = history.Forged
			w.stored("x", `{}`)
		}, []string{"answer: request 13 with a wrong credential was answered 202"}},
		"internal error":      {func(w *world) { w.send(500, nil, event("x", `{}`)) }, []string{"answer: request 13 (new) was answered 500"}},
		"broken body taken":   {func(w *world) { w.send(202, nil, history.NewItem("", []byte(`{`), false)).Malformed = true }, []string{"answer: request 13, which cannot"}},
		"hostile event taken": {func(w *world) { w.send(202, nil, history.NewItem("x", []byte("x"), false)) }, []string{"answer: request 13: what is no event was accepted"}},
		"a verdict too few": {func(w *world) {
			w.send(202, nil, event("x", `{}`))
			w.history.Outcomes[13] = history.Outcome{Send: 13, Status: 202}
		}, []string{"answer: request 13 has 1 events and got 0"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			sound(w)
			c.spoil(w)
			found := checker.Check(w.history, w.store)
			for _, want := range c.want {
				if !has(found, want) {
					t.Errorf("%q is not found among %v", want, found)
				}
			}
			if c.want == nil && len(found) > 0 {
				t.Errorf("found %v", found)
			}
		})
	}
}

func has(found []checker.Finding, beginning string) bool {
	for _, f := range found {
		if strings.HasPrefix(f.String(), beginning) {
			return true
		}
	}
	return false
}
