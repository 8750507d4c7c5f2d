package operator

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// registered is the condition Registered while a step is still to be done.
func registered(step Step) Verdict {
	switch step.(type) {
	case AddFinalizer, PutApplication, PutCredential, DeleteCredential:
		return Verdict{metav1.ConditionFalse, v1alpha1.ReasonPending, "auth has not been told everything yet"}
	}
	return Verdict{metav1.ConditionTrue, v1alpha1.ReasonRegistered, "auth knows the application as the spec describes it"}
}

// published is the condition CredentialsPublished.
func (c *credentials) published(v *View) Verdict {
	there := c.current != nil && c.key != "" && v.ours(v.Issued)
	switch {
	case c.blocked != "":
		return Verdict{metav1.ConditionFalse, c.blocked, c.message}
	case !there:
		return Verdict{metav1.ConditionFalse, v1alpha1.ReasonPending, "the Secret has no credential yet"}
	case c.pending != nil || c.due:
		return Verdict{metav1.ConditionTrue, v1alpha1.ReasonRotating, "a new credential is on its way"}
	case c.previous != nil && c.dueAt.Equal(*c.previous.NotAfter):
		return Verdict{
			metav1.ConditionTrue, v1alpha1.ReasonRotating,
			"the next credential waits until the one before the last has ended, at " + c.dueAt.UTC().Format(time.RFC3339),
		}
	}
	return Verdict{metav1.ConditionTrue, v1alpha1.ReasonPublished, "the Secret has credential " + c.current.ID}
}

// tooOften is a decision that waits before another credential is made.
func tooOften(v *View, d Decision) Decision {
	d.Step = nil
	d.Next = v.Now.Add(issueEvery)
	d.Published = Verdict{
		metav1.ConditionFalse, v1alpha1.ReasonReplacedTooOften,
		"the Secret loses its credential again and again; the next one is made within " + issueEvery.String(),
	}
	return d
}

// next is when time alone changes the decision.
func (c *credentials) next(v *View, settings *Settings) time.Time {
	var next time.Time
	sooner := func(t time.Time) {
		if !t.IsZero() && t.After(v.Now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	sooner(c.dueAt)
	if c.previous != nil {
		sooner(*c.previous.NotAfter)
		sooner(c.warnAt())
	}
	if c.current != nil && c.current.NotAfter != nil {
		sooner(*c.current.NotAfter)
	}
	if c.blocked == v1alpha1.ReasonSecretTaken || c.source != "" && !watched(v.Existing) { // Secrets that are out of sight
		sooner(v.Now.Add(settings.PollInterval))
	}
	return next
}

// watched tells whether the operator sees a Secret of somebody else change.
func watched(secret *corev1.Secret) bool {
	return secret != nil && secret.Labels[v1alpha1.SecretLabel] != ""
}

// warnAt is when a quarter of the overlap is left: the last good moment to say that the previous secret is still used.
// An overlap whose beginning is not known counts as begun.
func (c *credentials) warnAt() time.Time {
	if c.previous.ReplacedAt == nil {
		return time.Time{}
	}
	return c.previous.NotAfter.Add(-c.window())
}

// window is a quarter of the overlap: a secret that was used within the last one is in use.
func (c *credentials) window() time.Duration {
	if c.previous.ReplacedAt == nil {
		return v1alpha1.DefaultOverlap / 4
	}
	return c.previous.NotAfter.Sub(*c.previous.ReplacedAt) / 4
}

// shownFaults bounds how many schemas a message names.
const shownFaults = 5

// schemasOf is the condition SchemasValid, with what becomes of events meanwhile when auth's record is known.
func schemasOf(v *View, known *registry.Application) Verdict {
	types := v.Application.Spec.EventTypes
	if len(v.Faults) == 0 {
		if !slices.ContainsFunc(types, func(t v1alpha1.EventType) bool { return t.Schema != nil }) {
			return Verdict{metav1.ConditionTrue, v1alpha1.ReasonNone, "no event type has a schema"}
		}
		return Verdict{metav1.ConditionTrue, v1alpha1.ReasonValid, "all schemas compile"}
	}
	var lines []string
	for i, t := range types {
		fault, ok := v.Faults[i]
		if !ok {
			continue
		}
		if len(lines) == shownFaults {
			lines = append(lines, fmt.Sprintf("and %d more", len(v.Faults)-shownFaults))
			break
		}
		line := fmt.Sprintf("eventTypes[%d].schema%s: %s", i, fault.Pointer, fault.Detail)
		switch {
		case known == nil:
		case lastGood(known, t.Category, t.Name) == nil:
			line += "; its events are refused until it is mended"
		default:
			line += "; its events are checked by the last good one"
		}
		lines = append(lines, line)
	}
	return Verdict{metav1.ConditionFalse, v1alpha1.ReasonSchemaInvalid, strings.Join(lines, "; ")}
}
