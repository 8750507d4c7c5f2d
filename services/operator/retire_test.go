package operator

import (
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// remove deletes the Application: it stays until its finalizer goes.
func (m *model) remove() {
	m.app.DeletionTimestamp = &metav1.Time{Time: m.now}
}

func erasing(m *model) { m.app.Spec.DeletionPolicy = registry.Erase }

func TestRetire(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		given func(*model)
		steps []string
		next  time.Duration // after the deletion
		then  []string      // at next
	}{
		"retained": {steps: []string{"DeleteApplication", "RemoveFinalizer"}},
		"retained, policy spelt out": {
			given: func(m *model) { m.app.Spec.DeletionPolicy = registry.Retain }, steps: []string{"DeleteApplication", "RemoveFinalizer"},
		},
		"unknown to auth": {given: func(m *model) { m.auth = nil }, steps: []string{"RemoveFinalizer"}},
		"suspended":       {given: func(m *model) { m.app.Spec.Suspended = true }, steps: []string{"DeleteApplication", "RemoveFinalizer"}},
		"before it was registered": {
			given: func(m *model) { m.auth, m.secrets = nil, nil }, steps: []string{"RemoveFinalizer"},
		},
		"erased: revoked at once, erased when no event can follow": {
			given: func(m *model) { erasing(m); m.auth.DeletionPolicy = registry.Erase },
			steps: []string{"DeleteCredential 1"}, next: settleTime,
			then: []string{"Erase", "DeleteApplication", "RemoveFinalizer"},
		},
		"erased, and auth has to hear of it first": {
			given: erasing, steps: []string{"PutApplication", "DeleteCredential 1"}, next: settleTime,
			then: []string{"Erase", "DeleteApplication", "RemoveFinalizer"},
		},
		"erased, during an overlap": {
			given: func(m *model) {
				erasing(m)
				m.rotate("again")
				m.settle()
			},
			steps: []string{"DeleteCredential 1", "DeleteCredential 2"}, next: settleTime,
			then: []string{"Erase", "DeleteApplication", "RemoveFinalizer"},
		},
		"erased, and auth has lost it": {
			given: func(m *model) { erasing(m); m.auth = nil }, next: settleTime, then: []string{"Erase", "RemoveFinalizer"},
		},
		"erased, with a schema that is faulty": {
			given: func(m *model) { erasing(m); m.app.Spec.EventTypes = []v1alpha1.EventType{faultyType()} },
			steps: []string{"PutApplication", "DeleteCredential 1"}, next: settleTime,
			then: []string{"Erase", "DeleteApplication", "RemoveFinalizer"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := issuedModel(t)
			if c.given != nil {
				c.given(m)
			}
			deleted := m.now
			m.remove()
			steps, d := m.settle()
			if !slices.Equal(steps, c.steps) {
				t.Errorf("steps are %q, want %q", steps, c.steps)
			}
			if c.then == nil {
				return
			}
			if !d.Next.Equal(deleted.Add(c.next)) {
				t.Errorf("next is %s after the deletion, want %s", d.Next.Sub(deleted), c.next)
			}
			m.now = d.Next.Add(-time.Second)
			if steps, _ := m.settle(); len(steps) > 0 || m.erased {
				t.Errorf("before that: %q", steps)
			}
			m.now = d.Next
			if steps, _ := m.settle(); !slices.Equal(steps, c.then) || !m.erased {
				t.Errorf("then: %q, want %q", steps, c.then)
			}
		})
	}
}

// What is deleted gets no credentials any more, whatever is missing.
func TestRetireMakesNothing(t *testing.T) {
	t.Parallel()
	m := newModel(t)
	m.reconcile(1)
	m.remove()
	if steps, _ := m.settle(); !slices.Equal(steps, []string{"RemoveFinalizer"}) {
		t.Errorf("steps are %q", steps)
	}
}

// Without the operator's finalizer there is nothing to wait for, also when another's keeps the resource.
func TestRetireOfAnother(t *testing.T) {
	t.Parallel()
	m := issuedModel(t)
	m.app.Finalizers = []string{"example.com/other"}
	m.remove()
	if d := Decide(m.view(true), &m.settings); d.Step != nil || !d.Next.IsZero() {
		t.Errorf("decided %+v", d)
	}
}

// A crash at any step of an erasure ends as without one, and never erases before the credentials have gone for long enough.
func TestRetireAfterCrash(t *testing.T) {
	t.Parallel()
	for crash := range 5 {
		m := issuedModel(t)
		erasing(m)
		m.remove()
		var revoked time.Time
		m.watch = func(_ *View, step Step, done bool) {
			if _, is := step.(DeleteCredential); is && done {
				revoked = m.now
			}
			if _, is := step.(Erase); is && !done && m.now.Before(revoked.Add(settleTime)) {
				t.Errorf("crash after %d: erased %s after the revocation", crash, m.now.Sub(revoked))
			}
		}
		if crash < 2 {
			m.reconcile(crash)
		} else {
			m.settle()
			m.now = m.now.Add(settleTime)
			m.reconcile(crash - 2)
		}
		m.known = recollection{}
		for range 3 {
			if m.app.UID != "" {
				_, d := m.settle()
				m.now = d.Next
			}
		}
		if m.app.UID != "" || m.auth != nil || !m.erased {
			t.Errorf("crash after %d: application %q, auth %+v, erased %t", crash, m.app.UID, m.auth, m.erased)
		}
	}
}

func TestOverdue(t *testing.T) {
	t.Parallel()
	m := issuedModel(t)
	if v := m.view(true); Overdue(v, &m.settings) {
		t.Error("an Application that is not deleted is overdue")
	}
	m.remove()
	for after, want := range map[time.Duration]bool{0: false, m.settings.RevokeTimeout - 1: false, m.settings.RevokeTimeout: true} {
		v := m.view(true)
		v.Now = m.now.Add(after)
		if got := Overdue(v, &m.settings); got != want {
			t.Errorf("after %s: %t, want %t", after, got, want)
		}
	}
}

// While others do not answer, the deadline is when it goes without them.
func TestRetireWaits(t *testing.T) {
	t.Parallel()
	m := issuedModel(t)
	m.remove()
	if d := Decide(m.view(true), &m.settings); !d.Next.Equal(m.now.Add(m.settings.RevokeTimeout)) {
		t.Errorf("next is %s", d.Next)
	}
}
