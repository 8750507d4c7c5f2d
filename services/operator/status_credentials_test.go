package operator

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// lines are a status's credentials: id, state, and the times that each has, counted from modelStart.
func lines(status *v1alpha1.ApplicationStatus) string {
	all := make([]string, 0, len(status.Credentials))
	for _, c := range status.Credentials {
		line := c.ID + " " + string(c.State)
		for _, at := range []struct {
			name string
			time *metav1.Time
		}{{"issued", c.IssuedAt}, {"expires", c.ExpiresAt}, {"used", c.LastUsedAt}} {
			if at.time != nil {
				line += " " + at.name + " " + at.time.Sub(modelStart).String()
			}
		}
		all = append(all, line)
	}
	return strings.Join(all, ", ")
}

// used notes what persistence tells of a credential's use, and that it was asked now.
func (m *model) used(id string, at time.Duration) {
	m.known.usage = &registry.Usage{Credentials: []registry.CredentialUse{{ID: id, LastUsedAt: modelStart.Add(at)}}}
	m.known.usageAt = m.now
}

func TestStatusCredentials(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		given   func(*model)
		want    string
		binding string
		next    time.Duration // nextRotation, from modelStart; 0: none
	}{
		"one":          {given: func(*model) {}, want: "1 Active issued 0s", binding: modelIssued},
		"one, used":    {given: func(m *model) { m.used("1", time.Minute+time.Millisecond) }, want: "1 Active issued 0s used 1m0s", binding: modelIssued},
		"another used": {given: func(m *model) { m.used("0", time.Minute) }, want: "1 Active issued 0s", binding: modelIssued},
		"interval":     {given: every(2*day, day, time.Hour), want: "1 Active issued 0s", binding: modelIssued, next: 2 * day},
		"interval over": {
			given: every(2*day, day, 3*day), want: "1 Active issued 0s", binding: modelIssued, next: 2 * day,
		},
		"pending": {
			given: func(m *model) { m.rotate("one"); m.now = m.now.Add(time.Hour); m.reconcile(1) },
			want:  "2 Pending issued 1h0m0s, 1 Active issued 0s", binding: modelIssued,
		},
		"expiring": {
			given: func(m *model) { m.now = m.now.Add(time.Hour); overlapping(0, nil)(m); m.used("1", 2*time.Hour) },
			want:  "2 Active issued 1h0m0s, 1 Expiring issued 0s expires 25h0m0s used 2h0m0s", binding: modelIssued,
		},
		"expired":                      {given: overlapping(day, nil), want: "2 Active issued 0s", binding: modelIssued},
		"waiting for its turn":         {given: overlapping(0, func(m *model) { m.rotate("two") }), want: "2 Active issued 0s, 1 Expiring issued 0s expires 24h0m0s", binding: modelIssued, next: day},
		"the Secret is gone":           {given: func(m *model) { delete(m.secrets, modelIssued) }, want: "1 Active issued 0s"},
		"the name is taken":            {given: func(m *model) { m.foreign(modelIssued, "") }, want: "1 Active issued 0s"},
		"renamed":                      {given: func(m *model) { m.credentials().SecretName = "other" }, want: "1 Active issued 0s"},
		"renamed, and moved":           {given: func(m *model) { m.credentials().SecretName = "other"; m.settle() }, want: "1 Active issued 0s", binding: "other"},
		"renamed to what is another's": {given: func(m *model) { m.credentials().SecretName = "other"; m.foreign("other", "") }, want: "1 Active issued 0s"},
		"newborn":                      {given: func(m *model) { *m = *newModel(m.t) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := issuedModel(t)
			c.given(m)
			v := m.view(true)
			d := Decide(v, &m.settings)
			status := statusOf(v, &d, &m.known)
			if got := lines(&status); got != c.want {
				t.Errorf("credentials are %q, want %q", got, c.want)
			}
			if (status.Binding == nil) != (c.binding == "") || status.Binding != nil && status.Binding.Name != c.binding {
				t.Errorf("binding is %+v, want %q", status.Binding, c.binding)
			}
			if (status.NextRotation == nil) != (c.next == 0) || status.NextRotation != nil && status.NextRotation.Sub(modelStart) != c.next {
				t.Errorf("next rotation is %s, want %s", status.NextRotation, c.next)
			}
		})
	}
}

// What persistence told before a restart stays until it tells more; then that counts alone.
func TestStatusAfterRestart(t *testing.T) {
	t.Parallel()
	m := issuedModel(t)
	at := modelStart.Add(time.Minute)
	m.used("1", time.Minute)
	m.known.usage.LastEventAt, m.known.usage.Accepted24h, m.known.usage.Failed24h = &at, 5, 2
	m.settle()
	check := func(when, credentials string, want *v1alpha1.Usage) {
		t.Helper()
		m.settle()
		if got := lines(&m.app.Status); got != credentials {
			t.Errorf("%s: credentials are %q, want %q", when, got, credentials)
		}
		if !sameJSON(m.app.Status.Usage, want) {
			t.Errorf("%s: usage is %+v", when, m.app.Status.Usage)
		}
	}
	told := &v1alpha1.Usage{LastEventAt: &metav1.Time{Time: at}, Accepted24h: 5, Failed24h: 2}
	check("told", "1 Active issued 0s used 1m0s", told)
	m.known = recollection{}
	check("after a restart", "1 Active issued 0s used 1m0s", told)
	m.known.usage = &registry.Usage{Accepted24h: 1}
	check("told more", "1 Active issued 0s", &v1alpha1.Usage{Accepted24h: 1})
}

// The condition PreviousSecretInUse is there during an overlap, and true when the replaced secret was used since, and within a quarter
// of the overlap of when persistence was asked.
func TestStatusOfPreviousSecret(t *testing.T) {
	t.Parallel()
	begun := modelStart.Add(day) // of an overlap of a day
	for name, c := range map[string]struct {
		given func(*model)
		want  string // status and reason, "" if it is not there
	}{
		"not asked yet":               {given: func(*model) {}, want: "Unknown NotReported"},
		"never used":                  {given: func(m *model) { m.used("9", 25*time.Hour) }, want: "False NotInUse"},
		"the new one is used":         {given: func(m *model) { m.used("2", 25*time.Hour) }, want: "False NotInUse"},
		"used before it was replaced": {given: func(m *model) { m.used("1", day-time.Second) }, want: "False NotInUse"},
		"used as it was replaced":     {given: func(m *model) { m.used("1", day) }, want: "False NotInUse"},
		"used since":                  {given: func(m *model) { m.used("1", day+time.Second) }, want: "True InUse"},
		"used a quarter before the asking": {
			given: func(m *model) { m.now = begun.Add(7 * time.Hour); m.used("1", day+time.Hour+time.Second) }, want: "True InUse",
		},
		"used more than a quarter before it": {
			given: func(m *model) { m.now = begun.Add(7 * time.Hour); m.used("1", day+time.Hour) }, want: "False NotInUse",
		},
		"asked long ago": {
			given: func(m *model) { m.used("1", day+time.Second); m.now = begun.Add(20 * time.Hour) }, want: "True InUse",
		},
		"over":        {given: func(m *model) { m.used("1", day+time.Second); m.now = begun.Add(day) }},
		"used, ended": {given: func(m *model) { m.rotation(-1, 0); m.used("1", day+time.Second) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := issuedModel(t)
			m.now = begun
			m.rotate("one")
			m.settle()
			c.given(m)
			m.settle()
			got := ""
			if found := meta.FindStatusCondition(m.app.Status.Conditions, v1alpha1.ConditionPreviousSecretInUse); found != nil {
				got = string(found.Status) + " " + found.Reason
				if found.Status == metav1.ConditionTrue && !strings.Contains(found.Message, "2026-03-03T12:00:00Z") {
					t.Errorf("it does not say when it ends: %s", found.Message)
				}
			}
			if got != c.want {
				t.Errorf("the condition is %q, want %q", got, c.want)
			}
			if ready := meta.FindStatusCondition(m.app.Status.Conditions, v1alpha1.ConditionReady); ready.Status != metav1.ConditionTrue {
				t.Errorf("it is not ready: %+v", ready)
			}
		})
	}
}
