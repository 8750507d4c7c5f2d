package operator

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// conditionsOf are a status's conditions: type to status and reason.
func conditionsOf(s *v1alpha1.ApplicationStatus) map[string]string {
	all := map[string]string{}
	for _, c := range s.Conditions {
		all[c.Type] = string(c.Status) + " " + c.Reason
	}
	return all
}

// conditions are those of an Application that is well, with differences; "" is not there.
func conditions(differences map[string]string) map[string]string {
	all := map[string]string{
		"Ready": "True Ready", "CredentialsPublished": "True Published", "Registered": "True Registered", "SchemasValid": "True NoSchemas",
	}
	for name, content := range differences {
		if all[name] = content; content == "" {
			delete(all, name)
		}
	}
	return all
}

// brought names an existing Secret, and makes it with a key, if that is not "".
func brought(key string) func(*model) {
	return func(m *model) {
		m.credentials().ExistingSecret = "own"
		if key != "" {
			m.bring("own", key)
		}
	}
}

func TestStatusConditions(t *testing.T) {
	t.Parallel()
	type differences = map[string]string
	refused := &RemoteError{Service: "auth", Status: 422, Code: "policy.invalid", Detail: "no"}
	for name, c := range map[string]struct {
		given  func(*model)
		failed error // of the step to be done next
		want   differences
	}{
		"ready":     {},
		"suspended": {given: func(m *model) { m.app.Spec.Suspended = true; m.settle() }, want: differences{"Ready": "True Suspended"}},
		"suspended, and not ready": {
			given: func(m *model) { m.app.Spec.Suspended = true; m.settle(); brought("")(m) },
			want:  differences{"Ready": "False WaitingForSecret", "CredentialsPublished": "False WaitingForSecret"},
		},
		"auth not told yet": {
			given: func(m *model) { m.app.Spec.Suspended = true }, want: differences{"Ready": "False Pending", "Registered": "False Pending"},
		},
		"the Secret is gone": {
			given: func(m *model) { delete(m.secrets, modelIssued) }, want: differences{"Ready": "False Pending", "CredentialsPublished": "False Pending"},
		},
		"rotating": {given: func(m *model) { m.rotate("one") }, want: differences{"CredentialsPublished": "True Rotating"}},
		"the name is taken": {
			given: func(m *model) { m.foreign(modelIssued, "") },
			want:  differences{"Ready": "False SecretTaken", "CredentialsPublished": "False SecretTaken", "Stalled": "True SecretTaken"},
		},
		"the existing Secret is not there": {
			given: brought(""), want: differences{"Ready": "False WaitingForSecret", "CredentialsPublished": "False WaitingForSecret"},
		},
		"the existing Secret is of no use": {
			given: brought("nothing"), want: differences{
				"Ready": "False ExistingSecretInvalid", "CredentialsPublished": "False ExistingSecretInvalid", "Stalled": "True ExistingSecretInvalid",
			},
		},
		"auth does not answer": {
			given: func(m *model) { m.auth = nil }, failed: &RemoteError{Service: "auth", Status: 503},
			want: differences{"Ready": "False AuthUnavailable", "Registered": "False AuthUnavailable"},
		},
		"auth refuses": {
			given: func(m *model) { m.auth = nil }, failed: refused,
			want: differences{"Ready": "False AuthRefused", "Registered": "False AuthRefused", "Stalled": "True AuthRefused"},
		},
		"the Secret is refused": {
			given: func(m *model) { m.rotate("one") }, failed: refused,
			want: differences{"Ready": "False SecretRefused", "CredentialsPublished": "False SecretRefused"},
		},
		"a good schema": {
			given: func(m *model) { m.app.Spec.EventTypes = []v1alpha1.EventType{eventType(`{}`)}; m.settle() },
			want:  differences{"SchemasValid": "True Valid"},
		},
		"a faulty schema": {
			given: func(m *model) { m.app.Spec.EventTypes = []v1alpha1.EventType{faultyType()}; m.settle() },
			want:  differences{"Ready": "False SchemaInvalid", "SchemasValid": "False SchemaInvalid", "Stalled": "True SchemaInvalid"},
		},
		"a schema mended": {
			given: func(m *model) {
				m.app.Spec.EventTypes = []v1alpha1.EventType{faultyType()}
				m.settle()
				m.app.Spec.EventTypes = nil
				m.settle()
			},
		},
		"several faults: the first to mend is Ready's": {
			given: func(m *model) { m.app.Spec.EventTypes = []v1alpha1.EventType{faultyType()}; m.foreign(modelIssued, "") },
			want: differences{
				"Ready": "False Pending", "Registered": "False Pending", "CredentialsPublished": "False SecretTaken",
				"SchemasValid": "False SchemaInvalid", "Stalled": "True Pending",
			},
		},
		"two faults for a person": {
			given: func(m *model) {
				m.app.Spec.EventTypes = []v1alpha1.EventType{faultyType()}
				m.settle()
				m.foreign(modelIssued, "")
			},
			want: differences{
				"Ready": "False SecretTaken", "CredentialsPublished": "False SecretTaken", "SchemasValid": "False SchemaInvalid", "Stalled": "True SecretTaken",
			},
		},
		"deleting": {given: (*model).remove, want: differences{"Ready": "False Deleting"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := issuedModel(t)
			if c.given != nil {
				c.given(m)
			}
			m.app.Generation = 7
			v := m.view(true)
			d := Decide(v, &m.settings)
			if c.failed != nil {
				d = blame(d, c.failed)
			}
			before := v.Application.DeepCopy()
			status := statusOf(v, &d, &m.known)
			if diff := cmp.Diff(before, v.Application); diff != "" { // a cache's, which others read
				t.Errorf("the resource is changed: %s", diff)
			}
			if diff := cmp.Diff(conditions(c.want), conditionsOf(&status)); diff != "" {
				t.Error(diff)
			}
			checkForm(t, m, &status)
		})
	}
}

// checkForm checks what every status has to be: about this generation, and each condition with a reason to show.
func checkForm(t *testing.T, m *model, status *v1alpha1.ApplicationStatus) {
	t.Helper()
	if status.ObservedGeneration != m.app.Generation || status.ClientID != m.app.ClientID() {
		t.Errorf("status of generation %d, client id %q", status.ObservedGeneration, status.ClientID)
	}
	for _, c := range status.Conditions {
		old := !m.app.DeletionTimestamp.IsZero() && c.Type != v1alpha1.ConditionReady // a deletion says no more of them
		if !old && c.ObservedGeneration != m.app.Generation || c.Message == "" || c.LastTransitionTime.IsZero() {
			t.Errorf("condition %+v", c)
		}
	}
}

func TestSummary(t *testing.T) {
	t.Parallel()
	good := Verdict{metav1.ConditionTrue, "Good", "fine"}
	bad := func(reason string) Verdict { return Verdict{metav1.ConditionFalse, reason, "message of " + reason} }
	for name, c := range map[string]struct {
		others    []Verdict
		suspended bool
		want      string
	}{
		"all good":            {others: []Verdict{good, good, good}, want: "True Ready"},
		"suspended":           {others: []Verdict{good, good, good}, suspended: true, want: "True Suspended"},
		"the last":            {others: []Verdict{good, good, bad("Third")}, want: "False Third"},
		"the first of two":    {others: []Verdict{good, bad("Second"), bad("Third")}, want: "False Second"},
		"bad, and suspended":  {others: []Verdict{bad("First"), good}, suspended: true, want: "False First"},
		"unknown is not good": {others: []Verdict{good, {metav1.ConditionUnknown, "Asked", "who knows"}}, want: "False Asked"},
	} {
		app := &v1alpha1.Application{Spec: v1alpha1.ApplicationSpec{Suspended: c.suspended}}
		if got := summary(app, c.others...); string(got.Status)+" "+got.Reason != c.want || got.Message == "" {
			t.Errorf("%s: %+v, want %s", name, got, c.want)
		}
	}
}

// A condition has the time at which its status changed, whatever else of it did.
func TestTransitionTimes(t *testing.T) {
	t.Parallel()
	m := issuedModel(t)
	times := func() (published, ready time.Duration) {
		m.settle()
		since := func(name string) time.Duration {
			return meta.FindStatusCondition(m.app.Status.Conditions, name).LastTransitionTime.Sub(modelStart)
		}
		return since(v1alpha1.ConditionCredentialsPublished), since(v1alpha1.ConditionReady)
	}
	for i, c := range []struct {
		edit             func(*model)
		published, ready time.Duration
	}{
		{edit: func(*model) {}},
		{edit: func(m *model) { m.app.Generation++; m.app.Spec.Suspended = true }}, // another reason, the same status
		{edit: func(m *model) { m.rotate("one") }},                                 // another message
		{edit: brought(""), published: 4 * time.Hour, ready: 4 * time.Hour},
		{edit: brought("nothing"), published: 4 * time.Hour, ready: 4 * time.Hour},
		{edit: brought(apikey.New("own", m.app.ClientID(), "1")), published: 6 * time.Hour, ready: 6 * time.Hour},
		{edit: func(m *model) { m.app.Spec.EventTypes = []v1alpha1.EventType{faultyType()} }, published: 6 * time.Hour, ready: 7 * time.Hour},
	} {
		m.now = m.now.Add(time.Hour)
		c.edit(m)
		if published, ready := times(); published != c.published || ready != c.ready {
			t.Errorf("%d: published since %s, ready since %s; want %s, %s", i, published, ready, c.published, c.ready)
		}
	}
}

// A situation that has not changed has the same status, whatever time it is: nothing is written.
func TestStatusRests(t *testing.T) {
	t.Parallel()
	for name, given := range map[string]func(*model){
		"ready":     func(*model) {},
		"interval":  func(m *model) { m.rotation(9*day, day) },
		"overlap":   func(m *model) { m.rotate("one") },
		"taken":     func(m *model) { m.foreign(modelIssued, "") },
		"waiting":   brought(""),
		"schema":    func(m *model) { m.app.Spec.EventTypes = []v1alpha1.EventType{faultyType()} },
		"suspended": func(m *model) { m.app.Spec.Suspended = true },
		"label":     func(m *model) { m.edit(modelIssued, func(s *corev1.Secret) { s.Labels = nil }) },
		"used":      func(m *model) { m.known.usage = &registry.Usage{Accepted24h: 3, LastEventAt: new(modelStart)} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := issuedModel(t)
			given(m)
			m.settle()
			before := m.app.Status.DeepCopy()
			m.now = m.now.Add(time.Hour)
			if m.settle(); !equality.Semantic.DeepEqual(*before, m.app.Status) {
				t.Errorf("an hour later: %s", cmp.Diff(before, &m.app.Status))
			}
			m.known = recollection{} // another leader knows nothing
			if m.settle(); !equality.Semantic.DeepEqual(*before, m.app.Status) {
				t.Errorf("after a restart: %s", cmp.Diff(before, &m.app.Status))
			}
		})
	}
}
