package operator

import (
	"slices"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// situation is one that an Application with credential 1 may come into, and all that follows from it.
type situation struct {
	birth func(*model) // before there was credential 1
	given func(*model)
	told  string // of the first decision: reasons of CredentialsPublished and Registered
	steps []string
	then  string        // told of the last decision
	next  time.Duration // from then on; 0: nothing is due
	check func(*testing.T, *model)
}

// told is what a decision says to the outside.
func told(d *Decision) string {
	text := d.Published.Reason + " " + d.Registered.Reason
	if d.Stalled {
		text += " Stalled"
	}
	return text
}

const well = v1alpha1.ReasonPublished + " " + v1alpha1.ReasonRegistered

func (s *situation) run(t *testing.T) {
	t.Parallel()
	m := newModel(t)
	if s.birth != nil {
		s.birth(m)
	}
	m.settle()
	s.given(m)
	first := Decide(m.seen(), &m.settings)
	if got := told(&first); got != s.told {
		t.Errorf("at first it tells %q, want %q", got, s.told)
	}
	steps, last := m.settle()
	if !slices.Equal(steps, s.steps) {
		t.Errorf("steps are\n%q, want\n%q", steps, s.steps)
	}
	if got := told(&last); got != s.then {
		t.Errorf("then it tells %q, want %q", got, s.then)
	}
	next := time.Duration(0)
	if !last.Next.IsZero() {
		next = last.Next.Sub(m.now)
	}
	if next != s.next {
		t.Errorf("next is after %s, want %s", next, s.next)
	}
	if s.check != nil {
		s.check(t, m)
	}
}

func runAll(t *testing.T, situations map[string]situation) {
	t.Helper()
	for name, s := range situations {
		t.Run(name, s.run)
	}
}

// resting is what follows when nothing is to be done.
func resting(given func(*model)) situation { return situation{given: given, told: well, then: well} }

// registers is what follows from what only the record lacks.
func registers(given func(*model), check func(*registry.Application) bool) situation {
	return situation{
		given: given, told: "Published Pending", steps: []string{"PutApplication"}, then: well,
		check: func(t *testing.T, m *model) {
			t.Helper()
			if !check(m.auth) {
				t.Errorf("the record is %+v", m.auth)
			}
		},
	}
}

func TestDecideRegistration(t *testing.T) {
	t.Parallel()
	runAll(t, map[string]situation{
		"nothing to do": resting(func(*model) {}),
		"the policy differs": registers(
			func(m *model) { m.app.Spec.Limits = &v1alpha1.Limits{EventsPerSecond: 7} },
			func(a *registry.Application) bool { return a.Policy.Limits.EventsPerSecond == 7 },
		),
		"suspended": registers(
			func(m *model) { m.app.Spec.Suspended = true }, func(a *registry.Application) bool { return a.Policy.Suspended },
		),
		"the record was suspended by hand": registers(
			func(m *model) { m.auth.Policy.Suspended = true }, func(a *registry.Application) bool { return !a.Policy.Suspended },
		),
		"the record is another cluster's": registers(
			func(m *model) { m.auth.Cluster = "other" }, func(a *registry.Application) bool { return a.Cluster == "test" },
		),
		"the record has another name": registers(
			func(m *model) { m.auth.Name = "other" }, func(a *registry.Application) bool { return a.Name == modelName },
		),
		"deletionPolicy differs": registers(
			erasing, func(a *registry.Application) bool { return a.DeletionPolicy == registry.Erase },
		),
		"the finalizer is lost": {
			given: func(m *model) { m.app.Finalizers = nil }, told: "Published Pending", steps: []string{"AddFinalizer"}, then: well,
		},
	})
}

// remembered makes a situation's check that auth has been rebuilt from the cluster, and no Secret touched for it.
func remembered(given func(*model), steps []string, next time.Duration) situation {
	var before []registry.Credential
	var serial int
	return situation{
		given: func(m *model) {
			given(m)
			before, serial = m.record().Credentials, m.serial
			m.auth = nil
		},
		told: "Published Pending", steps: steps, then: well, next: next,
		check: func(t *testing.T, m *model) {
			t.Helper()
			if !sameJSON(m.auth.Credentials, before) {
				t.Errorf("auth has %+v, before it had %+v", m.auth.Credentials, before)
			}
			if m.serial != serial {
				t.Error("a Secret was written")
			}
		},
	}
}

// alternate brings one key, another and so on: so many are taken over, and one more is brought.
func alternate(m *model, settled int) {
	m.credentials().ExistingSecret = "own"
	keys := []string{apikey.New("own", m.app.ClientID(), "a"), apikey.New("own", m.app.ClientID(), "b")}
	for i := range settled {
		m.bring("own", keys[i%2])
		m.settle()
	}
	m.bring("own", keys[settled%2])
}

func TestDecideLostAuth(t *testing.T) {
	t.Parallel()
	overlap := func(m *model) { m.rotate("one"); m.settle() }
	runAll(t, map[string]situation{
		"with a Secret": remembered(func(*model) {}, []string{"PutApplication", "PutCredential 1"}, 0),
		"during an overlap, the current one first": remembered(
			overlap, []string{"PutApplication", "PutCredential 2", "PutCredential 1 until 24h0m0s"}, 18*time.Hour,
		),
		"with a candidate, the current one first": {
			given: func(m *model) { m.rotate("one"); m.reconcile(1); m.auth = nil }, told: "Rotating Pending", then: well,
			steps: append([]string{"PutApplication", "PutCredential 1"}, rotated("2", "1 until 24h0m0s")[1:]...), next: 18 * time.Hour,
		},
		"with a candidate that auth knew": {
			given: func(m *model) { m.rotate("one"); m.reconcile(2); m.auth = nil }, told: "Rotating Pending", then: well,
			steps: append([]string{"PutApplication", "PutCredential 1"}, rotated("2", "1 until 24h0m0s")[1:]...), next: 18 * time.Hour,
		},
		"with a candidate that has the previous key again": {
			given: func(m *model) { alternate(m, 2); m.reconcile(1); m.auth = nil }, told: "Rotating Pending", then: well,
			steps: []string{
				"PutApplication", "PutCredential 3", "PutCredential 2 until 24h0m0s", "PutCredential 4", "DeleteCredential 2",
				"Publish " + whyRotated, "PutCredential 3 until 24h0m0s", "DeleteSecret " + modelNext,
			},
			next: 30 * time.Second,
		},
		"and the annotation": {
			given: func(m *model) { m.auth = nil; m.edit(modelIssued, loseBook) }, told: "Pending Pending", then: well,
			steps: []string{"PutApplication", "CreateCandidate 2", "PutCredential 2", "Publish " + whyIssued, "DeleteSecret " + modelNext},
		},
	})
}

func TestDecideAlignment(t *testing.T) {
	t.Parallel()
	surplus := func(ids ...string) func(*model) {
		return func(m *model) {
			for _, id := range ids {
				m.putCredential(registry.Credential{ID: id, SHA256: digest(id)})
			}
		}
	}
	aligns := func(given func(*model), steps ...string) situation {
		return situation{given: given, told: "Published Pending", steps: steps, then: well}
	}
	full := aligns(func(m *model) { m.rotate("one"); m.settle(); surplus("9")(m) }, "DeleteCredential 9")
	full.next = 18 * time.Hour
	runAll(t, map[string]situation{
		"auth has one too many":                 aligns(surplus("9"), "DeleteCredential 9"),
		"auth has one too many, and two live":   full,
		"auth lacks the live one":               aligns(func(m *model) { m.dropCredential("1") }, "PutCredential 1"),
		"auth has an end that nobody set":       aligns(func(m *model) { m.auth.Credentials[0].NotAfter = after(m.now, time.Hour) }, "PutCredential 1"),
		"auth has another hash":                 aligns(func(m *model) { m.auth.Credentials[0].SHA256 = digest("other") }, "PutCredential 1"),
		"one wrong: the right one comes first":  aligns(func(m *model) { m.dropCredential("1"); surplus("9")(m) }, "PutCredential 1", "DeleteCredential 9"),
		"two wrong: one goes to make room":      aligns(func(m *model) { m.dropCredential("1"); surplus("8", "9")(m) }, "DeleteCredential 8", "PutCredential 1", "DeleteCredential 9"),
		"ids that the operator would not give":  aligns(surplus("mine"), "DeleteCredential mine"),
		"a credential of a Secret made by hand": aligns(surplus("0"), "DeleteCredential 0"),
	})
}
