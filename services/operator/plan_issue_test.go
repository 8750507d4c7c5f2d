package operator

import (
	"testing"
	"time"

	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// Every step of a first issue follows from what is there after the one before, also when that one was the last of an
// operator that crashed.
func TestDecideFirstIssue(t *testing.T) {
	t.Parallel()
	for done, want := range []struct {
		step, told string
		check      func(*View, Step) bool
	}{
		{step: "AddFinalizer", told: "Pending Pending"},
		{step: "PutApplication", told: "Pending Pending", check: func(v *View, s Step) bool {
			want := s.(PutApplication).Want
			return want.Namespace == "shop" && want.Name == modelName && want.Cluster == "test" && sameJSON(want.Policy, v.Application.Spec.Policy())
		}},
		{step: "CreateCandidate 1", told: "Pending Registered", check: func(v *View, s Step) bool {
			c := s.(CreateCandidate)
			return c.Key == "" && c.Entry == Entry{ID: "1", IssuedAt: v.Now, Request: "at birth"}
		}},
		{step: "PutCredential 1", told: "Pending Pending", check: func(v *View, s Step) bool {
			return s.(PutCredential).Credential.SHA256 == digest(keyOf(v.Candidate))
		}},
		{step: "Publish " + whyIssued, told: "Pending Registered", check: func(v *View, s Step) bool {
			r := s.(Publish).Rendering
			return r.name == modelIssued && string(r.data[v1alpha1.KeyAPIKey]) == keyOf(v.Candidate) &&
				r.annotations[v1alpha1.CredentialsAnnotation] == v.Candidate.Annotations[v1alpha1.CredentialsAnnotation]
		}},
		{step: "DeleteSecret " + modelNext, told: well, check: func(v *View, s Step) bool {
			return s.(DeleteSecret).UID == v.Candidate.UID && keyOf(v.Issued) == keyOf(v.Candidate)
		}},
	} {
		m := newModel(t)
		m.rotate("at birth") // there is nothing yet that could be rotated
		m.reconcile(done)
		m.known = recollection{}
		v := m.view(true)
		d := Decide(v, &m.settings)
		if d.Step == nil || describe(d.Step) != want.step || want.check != nil && !want.check(v, d.Step) {
			t.Errorf("after %d steps: %+v, want %s", done, d.Step, want.step)
		}
		if got := told(&d); got != want.told || !d.Next.IsZero() || d.Schemas.Reason != v1alpha1.ReasonNone {
			t.Errorf("after %d steps it tells %q, want %q; next %s, schemas %+v", done, got, want.told, d.Next, d.Schemas)
		}
	}
}

// With an interval, the first credential is replaced by its age, counted from when it was made.
func TestDecideFirstIssueWithInterval(t *testing.T) {
	t.Parallel()
	m := newModel(t)
	m.rotation(48*time.Hour, -1)
	m.reconcile(3)
	m.now = m.now.Add(time.Hour) // a crash, and an hour without an operator
	_, d := m.settle()
	if want := modelStart.Add(48 * time.Hour); !d.Next.Equal(want) || told(&d) != well {
		t.Errorf("next is %s, want %s; it tells %q", d.Next, want, told(&d))
	}
}

func TestDecideSchemas(t *testing.T) {
	t.Parallel()
	good, better := eventType(`{"type":"object"}`), eventType(`{"type":"object","required":["host"]}`)
	for name, c := range map[string]struct {
		before, now v1alpha1.EventType
		step        bool // auth is told
		schema      string
		unavailable bool
		verdict     string
	}{
		"none":                      {before: eventType(""), now: eventType(""), verdict: v1alpha1.ReasonNone},
		"good":                      {before: good, now: good, schema: `{"type":"object"}`, verdict: v1alpha1.ReasonValid},
		"changed":                   {before: good, now: better, step: true, schema: `{"type":"object","required":["host"]}`, verdict: v1alpha1.ReasonValid},
		"faulty: keeps the last":    {before: good, now: faultyType(), schema: `{"type":"object"}`, verdict: v1alpha1.ReasonSchemaInvalid},
		"faulty from the beginning": {before: faultyType(), now: faultyType(), unavailable: true, verdict: v1alpha1.ReasonSchemaInvalid},
		"faulty, and never had one": {before: eventType(""), now: faultyType(), step: true, unavailable: true, verdict: v1alpha1.ReasonSchemaInvalid},
		"mended":                    {before: faultyType(), now: good, step: true, schema: `{"type":"object"}`, verdict: v1alpha1.ReasonValid},
		"taken away":                {before: faultyType(), now: eventType(""), step: true, verdict: v1alpha1.ReasonNone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := issuedModel(t, func(m *model) { m.app.Spec.EventTypes = []v1alpha1.EventType{c.before} })
			m.app.Spec.EventTypes = []v1alpha1.EventType{c.now}
			steps, d := m.settle()
			if (len(steps) == 1 && steps[0] == "PutApplication") != c.step || !c.step && len(steps) > 0 {
				t.Errorf("steps are %q", steps)
			}
			got := m.auth.Policy.EventTypes[0]
			if string(got.Schema) != c.schema || got.SchemaUnavailable != c.unavailable || d.Schemas.Reason != c.verdict {
				t.Errorf("auth has %s (unavailable: %t); schemas: %+v", got.Schema, got.SchemaUnavailable, d.Schemas)
			}
			if told(&d) != well {
				t.Errorf("it harms the rest: %q", told(&d))
			}
		})
	}
}

// A faulty schema holds nothing else up.
func TestDecideFaultySchemaAlone(t *testing.T) {
	t.Parallel()
	m := issuedModel(t, func(m *model) { m.app.Spec.EventTypes = []v1alpha1.EventType{eventType(`{"type":"object"}`)} })
	m.app.Spec.EventTypes = []v1alpha1.EventType{faultyType()}
	m.app.Spec.Suspended = true
	m.settle()
	if p := m.auth.Policy; !p.Suspended || string(p.EventTypes[0].Schema) != `{"type":"object"}` {
		t.Errorf("auth has %+v", p)
	}
}
