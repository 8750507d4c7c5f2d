package operator

import (
	"testing"
	"time"

	"github.com/theeye-dev/theeye/api/v1alpha1"
)

const day = 24 * time.Hour

// rotated are the steps to a new credential; ended is what becomes of the one before, "" if it is revoked otherwise.
func rotated(id, ended string) []string {
	steps := []string{"CreateCandidate " + id, "PutCredential " + id, "Publish " + whyRotated}
	if ended != "" {
		steps = append(steps, "PutCredential "+ended)
	}
	return append(steps, "DeleteSecret "+modelNext)
}

// every has credentials replaced every so often, and lets so much time go by.
func every(interval, overlap, passed time.Duration) func(*model) {
	return func(m *model) {
		m.rotation(interval, overlap)
		m.now = m.now.Add(passed)
	}
}

// overlapping is a day's overlap, begun at modelStart, after so much time; then something is edited.
func overlapping(passed time.Duration, edit func(*model)) func(*model) {
	return func(m *model) {
		m.rotate("one")
		m.settle()
		m.now = m.now.Add(passed)
		if edit != nil {
			edit(m)
		}
	}
}

func TestDecideRotationByAge(t *testing.T) {
	t.Parallel()
	const rotating = "Rotating Registered"
	again := every(day, day, day) // then 2 is current, and 1 ends in a day
	runAll(t, map[string]situation{
		"a second before": {given: every(2*day, day, 2*day-time.Second), told: well, then: well, next: time.Second},
		"at its age":      {given: every(2*day, day, 2*day), told: rotating, steps: rotated("2", "1 until 72h0m0s"), then: well, next: 18 * time.Hour},
		"after it":        {given: every(2*day, day, 2*day+time.Hour), told: rotating, steps: rotated("2", "1 until 73h0m0s"), then: well, next: 18 * time.Hour},
		"the default overlap is no longer than the interval": {
			given: every(time.Hour, -1, time.Hour), told: rotating, steps: rotated("2", "1 until 2h0m0s"), then: "Rotating Registered", next: 45 * time.Minute,
		},
		"interval as long as the overlap: one goes as the next comes": {
			given: func(m *model) { again(m); m.settle(); m.now = m.now.Add(day) }, told: "Rotating Pending",
			steps: append([]string{"DeleteCredential 1"}, rotated("3", "2 until 72h0m0s")...), then: "Rotating Registered", next: 18 * time.Hour,
		},
		"interval removed": resting(func(m *model) {
			m.rotation(2*day, day)
			m.settle()
			m.rotation(-1, day)
			m.now = m.now.Add(9 * day)
		}),
		"interval shortened below its age": {
			given: func(m *model) { every(9*day, day, 2*day)(m); m.settle(); m.rotation(day, day) },
			told:  rotating, steps: rotated("2", "1 until 72h0m0s"), then: "Rotating Registered", next: 18 * time.Hour,
		},
	})
}

func TestDecideRotationOnDemand(t *testing.T) {
	t.Parallel()
	ask := func(request string) func(*model) { return func(m *model) { m.rotate(request) } }
	runAll(t, map[string]situation{
		"asked for":         {given: ask("one"), told: "Rotating Registered", steps: rotated("2", "1 until 24h0m0s"), then: well, next: 18 * time.Hour},
		"the same value":    {given: overlapping(2*time.Hour, ask("one")), told: well, then: well, next: 16 * time.Hour},
		"annotation gone":   {given: overlapping(2*time.Hour, func(m *model) { m.app.Annotations = nil }), told: well, then: well, next: 16 * time.Hour},
		"during an overlap": {given: overlapping(2*time.Hour, ask("two")), told: "Rotating Registered", then: "Rotating Registered", next: 16 * time.Hour},
		"during an overlap, past its warning": {
			given: overlapping(day-time.Second, ask("two")), told: "Rotating Registered", then: "Rotating Registered", next: time.Second,
		},
		"at the overlap's end": {
			given: overlapping(day, ask("two")), told: "Rotating Pending",
			steps: append([]string{"DeleteCredential 1"}, rotated("3", "2 until 48h0m0s")...), then: well, next: 18 * time.Hour,
		},
		"twice before anybody looked": {
			given: func(m *model) { m.rotate("one"); m.rotate("two") }, told: "Rotating Registered",
			steps: rotated("2", "1 until 24h0m0s"), then: well, next: 18 * time.Hour,
		},
		"again while the first is on its way": {
			given: func(m *model) { m.rotate("one"); m.reconcile(1); m.rotate("two") }, told: "Rotating Pending",
			steps: rotated("2", "1 until 24h0m0s")[1:], then: "Rotating Registered", next: 18 * time.Hour,
		},
	})
}

// A request that was there before the first credential is answered by it.
func TestDecideFirstIssueAnswersRequest(t *testing.T) {
	t.Parallel()
	m := issuedModel(t, func(m *model) { m.rotate("at birth") })
	if steps, d := m.settle(); len(steps) > 0 || told(&d) != well {
		t.Errorf("steps are %q, it tells %q", steps, told(&d))
	}
	m.rotate("later")
	if steps, _ := m.settle(); len(steps) == 0 {
		t.Error("a new request is not heard")
	}
}

func TestDecideOverlap(t *testing.T) {
	t.Parallel()
	lasting := func(overlap time.Duration) func(*model) { return func(m *model) { m.rotation(-1, overlap) } }
	const told = "Published Pending"
	runAll(t, map[string]situation{
		"none: the old one ends at once": {
			given: func(m *model) { m.rotation(-1, 0); m.rotate("one") }, told: "Rotating Registered", then: well,
			steps: []string{"CreateCandidate 2", "PutCredential 2", "Publish " + whyRotated, "DeleteCredential 1", "DeleteSecret " + modelNext},
		},
		"goes on, until a quarter is left": {given: overlapping(time.Hour, nil), told: well, then: well, next: 17 * time.Hour},
		"in its last quarter":              {given: overlapping(18*time.Hour, nil), told: well, then: well, next: 6 * time.Hour},
		"a second before its end":          {given: overlapping(day-time.Second, nil), told: well, then: well, next: time.Second},
		"at its end":                       {given: overlapping(day, nil), told: told, steps: []string{"DeleteCredential 1", "Publish " + whyEnded}, then: well},
		"long past its end":                {given: overlapping(9*day, nil), told: told, steps: []string{"DeleteCredential 1", "Publish " + whyEnded}, then: well},
		"shortened": {
			given: overlapping(time.Hour, lasting(2*time.Hour)), told: told, then: well, next: 30 * time.Minute,
			steps: []string{"PutCredential 1 until 2h0m0s", "Publish " + whyUpdated},
		},
		"shortened to what is over": {
			given: overlapping(2*time.Hour, lasting(time.Hour)), told: told, then: well,
			steps: []string{"DeleteCredential 1", "Publish " + whyEnded},
		},
		"lengthened": {
			given: overlapping(time.Hour, lasting(2*day)), told: told, then: well, next: 35 * time.Hour,
			steps: []string{"PutCredential 1 until 48h0m0s", "Publish " + whyUpdated},
		},
		"lengthened after its end": resting(overlapping(day, func(m *model) { m.settle(); lasting(2 * day)(m) })),
	})
}

// Nobody hears of a new key before it is written down, nor a reader before auth.
func TestDecideRotationFields(t *testing.T) {
	t.Parallel()
	m := issuedModel(t)
	m.rotate("one")
	old := m.key()
	m.watch = func(v *View, step Step, done bool) {
		switch s := step.(type) {
		case CreateCandidate:
			if s.Entry.Request != "one" || !s.Entry.IssuedAt.Equal(m.now) || s.Key != "" {
				t.Errorf("candidate %+v", s)
			}
		case Publish:
			book := readBook(s.Rendering.object(m.app))
			key := string(s.Rendering.data[v1alpha1.KeyAPIKey])
			if done || len(book) != 2 || key == old || key != keyOf(v.Candidate) {
				break
			}
			if book[0].SHA256 != digest(key) || book[1].SHA256 != digest(old) || !book[1].ReplacedAt.Equal(m.now) || !book[1].NotAfter.Equal(m.now.Add(day)) {
				t.Errorf("the book is %s", book)
			}
		}
	}
	if m.settle(); m.key() == old {
		t.Error("the key is the old one")
	}
}
