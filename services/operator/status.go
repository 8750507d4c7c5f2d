package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/api/v1alpha1"
	applyv1alpha1 "github.com/theeye-dev/theeye/api/v1alpha1/applyconfiguration/api/v1alpha1"
)

// reporter writes status, and only what is new in it.
type reporter struct {
	client client.Client
	events *announcer
}

// report writes the status that a decision means, when the resource does not have it yet, and tells in events what
// turned bad.
func (r *reporter) report(ctx context.Context, v *View, d *Decision, known *recollection) error {
	known.catchUp(v)
	app := v.Application
	want := statusOf(v, d, known)
	r.warnOfUse(app, v, d, known)
	if equality.Semantic.DeepEqual(app.Status, want) {
		return nil
	}
	configuration := applyv1alpha1.Application(app.Name, app.Namespace).WithUID(app.UID).WithStatus(&applyv1alpha1.ApplicationStatusApplyConfiguration{})
	text, err := json.Marshal(want)
	if err == nil {
		err = json.Unmarshal(text, configuration.Status)
	}
	if err != nil {
		return fmt.Errorf("encode status: %w", err)
	}
	if err := r.client.Status().Apply(ctx, configuration, client.FieldOwner(FieldManager), client.ForceOwnership); err != nil {
		if apierrors.IsNotFound(err) {
			return nil // it went meanwhile
		}
		return fmt.Errorf("apply status: %w", err)
	}
	if configuration.ResourceVersion != nil {
		known.reported, known.reportedAs = &want, *configuration.ResourceVersion
	}
	r.announce(app, want.Conditions)
	return nil
}

// catchUp gives a View that is older than the status written last that status: to the cache's it would be new again.
func (k *recollection) catchUp(v *View) {
	if k.reported == nil {
		return
	}
	if order, err := resourceversion.CompareResourceVersion(v.Application.ResourceVersion, k.reportedAs); err != nil || order >= 0 {
		k.reported = nil
		return
	}
	v.Application = v.Application.DeepCopy()
	k.reported.DeepCopyInto(&v.Application.Status)
}

// announce tells of conditions that have turned false, or false for another reason.
func (r *reporter) announce(app *v1alpha1.Application, now []metav1.Condition) {
	for _, c := range now {
		if c.Status != metav1.ConditionFalse || c.Type == v1alpha1.ConditionReady || c.Type == v1alpha1.ConditionPreviousSecretInUse ||
			c.Reason == v1alpha1.ReasonPending {
			continue
		}
		if before := meta.FindStatusCondition(app.Status.Conditions, c.Type); before == nil || before.Status != c.Status || before.Reason != c.Reason {
			r.events.warn(app, c.Reason, "Reconcile", "%s", c.Message)
		}
	}
}

// warnOfUse tells once, in the last quarter of an overlap, that the secret which is about to end is still used.
func (r *reporter) warnOfUse(app *v1alpha1.Application, v *View, d *Decision, known *recollection) {
	previous := d.credentials.previous
	if previous == nil || known.warned == previous.ID || v.Now.Before(d.warnAt()) || !inUse(d, known) {
		return
	}
	known.warned = previous.ID
	r.events.warn(app, v1alpha1.ConditionPreviousSecretInUse, "Rotate",
		"Credential %s was used at %s and ends at %s: whoever uses it has to read the Secret again", previous.ID,
		rfc3339(usedAt(known.usage, previous.ID)), rfc3339(&metav1.Time{Time: *previous.NotAfter}))
}

func rfc3339(t *metav1.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// inUse tells whether the previous secret was used within the last quarter of its overlap that is known about.
func inUse(d *Decision, known *recollection) bool {
	used := usedAt(known.usage, d.credentials.previous.ID)
	replaced := d.credentials.previous.ReplacedAt
	return used != nil && (replaced == nil || used.After(*replaced)) && used.After(known.usageAt.Add(-d.credentials.window()))
}

// statusOf is the whole status. It is a pure function.
func statusOf(v *View, d *Decision, known *recollection) v1alpha1.ApplicationStatus {
	app := v.Application
	if !app.DeletionTimestamp.IsZero() {
		return retiringStatus(v)
	}
	status := v1alpha1.ApplicationStatus{
		ObservedGeneration: app.Generation, ClientID: app.ClientID(), Credentials: credentialStatus(app, d, known),
		Usage: usageOf(app, known), Conditions: slices.Clone(app.Status.Conditions),
	}
	if c := &d.credentials; c.current != nil && c.key != "" && v.ours(v.Issued) {
		status.Binding = &v1alpha1.Binding{Name: v.Issued.Name}
	}
	if !d.credentials.dueAt.IsZero() {
		status.NextRotation = &metav1.Time{Time: d.credentials.dueAt}
	}
	set := func(condition string, verdict Verdict) { setCondition(v, &status, condition, verdict) }
	ready := summary(app, d.Registered, d.Published, d.Schemas)
	set(v1alpha1.ConditionRegistered, d.Registered)
	set(v1alpha1.ConditionCredentialsPublished, d.Published)
	set(v1alpha1.ConditionSchemasValid, d.Schemas)
	set(v1alpha1.ConditionReady, ready)
	maybe := func(condition string, there bool, verdict Verdict) {
		if !there {
			meta.RemoveStatusCondition(&status.Conditions, condition)
			return
		}
		set(condition, verdict)
	}
	maybe(v1alpha1.ConditionStalled, d.Stalled || len(v.Faults) > 0,
		Verdict{metav1.ConditionTrue, ready.Reason, "nothing goes on until a person acts: see Ready"})
	if known.usage == nil && knownBefore(app, d.credentials.previous) {
		return status // not asked since the start: what was known stays
	}
	maybe(v1alpha1.ConditionPreviousSecretInUse, d.credentials.previous != nil, previousInUse(d, known))
	return status
}

// knownBefore tells whether the status has already spoken of the use of this very credential.
func knownBefore(app *v1alpha1.Application, previous *Entry) bool {
	return previous != nil && meta.FindStatusCondition(app.Status.Conditions, v1alpha1.ConditionPreviousSecretInUse) != nil &&
		slices.ContainsFunc(app.Status.Credentials, func(s v1alpha1.CredentialStatus) bool {
			return s.ID == previous.ID && s.State == v1alpha1.CredentialExpiring
		})
}

// retiringStatus is that of a deleted Application, of whose Secrets nothing is read any more.
func retiringStatus(v *View) v1alpha1.ApplicationStatus {
	status := *v.Application.Status.DeepCopy()
	status.ObservedGeneration = v.Application.Generation
	setCondition(v, &status, v1alpha1.ConditionReady,
		Verdict{metav1.ConditionFalse, v1alpha1.ReasonDeleting, "credentials are being revoked"})
	return status
}

func setCondition(v *View, status *v1alpha1.ApplicationStatus, condition string, verdict Verdict) {
	meta.SetStatusCondition(&status.Conditions, metav1.Condition{
		Type: condition, Status: verdict.Status, Reason: verdict.Reason, Message: cut(verdict.Message, maxMessage),
		ObservedGeneration: v.Application.Generation, LastTransitionTime: metav1.NewTime(v.Now),
	})
}

// summary is Ready: true when all others are.
func summary(app *v1alpha1.Application, others ...Verdict) Verdict {
	for _, other := range others {
		if other.Status != metav1.ConditionTrue {
			return Verdict{metav1.ConditionFalse, other.Reason, other.Message}
		}
	}
	if app.Spec.Suspended {
		return Verdict{metav1.ConditionTrue, v1alpha1.ReasonSuspended, "events are refused with 403, as the spec wants it"}
	}
	return Verdict{metav1.ConditionTrue, v1alpha1.ReasonReady, "the application can send events"}
}

func previousInUse(d *Decision, known *recollection) Verdict {
	switch {
	case d.credentials.previous == nil:
		return Verdict{}
	case known.usage == nil:
		return Verdict{metav1.ConditionUnknown, v1alpha1.ReasonNotReported, "persistence has not told yet"}
	case inUse(d, known):
		return Verdict{metav1.ConditionTrue, v1alpha1.ReasonInUse, "a client still uses credential " + d.credentials.previous.ID +
			", which ends at " + rfc3339(&metav1.Time{Time: *d.credentials.previous.NotAfter})}
	}
	return Verdict{metav1.ConditionFalse, v1alpha1.ReasonNotInUse, "credential " + d.credentials.previous.ID + " was not used lately"}
}

func credentialStatus(app *v1alpha1.Application, d *Decision, known *recollection) []v1alpha1.CredentialStatus {
	var all []v1alpha1.CredentialStatus
	before := map[string]*metav1.Time{}
	for _, s := range app.Status.Credentials {
		before[s.ID] = s.LastUsedAt
	}
	add := func(e *Entry, state v1alpha1.CredentialState) {
		if e == nil {
			return
		}
		s := v1alpha1.CredentialStatus{ID: e.ID, State: state, LastUsedAt: usedAt(known.usage, e.ID)}
		if known.usage == nil { // not asked since the start
			s.LastUsedAt = before[e.ID]
		}
		if !e.IssuedAt.IsZero() {
			s.IssuedAt = &metav1.Time{Time: second(e.IssuedAt)}
		}
		if e.NotAfter != nil {
			s.ExpiresAt = &metav1.Time{Time: second(*e.NotAfter)}
		}
		all = append(all, s)
	}
	add(d.credentials.pending, v1alpha1.CredentialPending)
	add(d.credentials.current, v1alpha1.CredentialActive)
	add(d.credentials.previous, v1alpha1.CredentialExpiring)
	return all
}

// usedAt is when a credential was last used, as far as persistence knows.
func usedAt(usage *registry.Usage, id string) *metav1.Time {
	if usage == nil {
		return nil
	}
	for _, use := range usage.Credentials {
		if use.ID == id {
			return &metav1.Time{Time: second(use.LastUsedAt)}
		}
	}
	return nil
}

// usageOf is what persistence told last; after a restart, what the status has already.
func usageOf(app *v1alpha1.Application, known *recollection) *v1alpha1.Usage {
	if known.usage == nil {
		return app.Status.Usage
	}
	u := &v1alpha1.Usage{Accepted24h: known.usage.Accepted24h, Failed24h: known.usage.Failed24h}
	if at := known.usage.LastEventAt; at != nil {
		u.LastEventAt = &metav1.Time{Time: second(*at)}
	}
	if app.Status.Usage == nil && *u == (v1alpha1.Usage{}) {
		return nil // it never sent anything: that is worth no write for every Application
	}
	return u
}

// apiMessage is the API server's own words, without what changes from try to try.
func apiMessage(err error) string {
	if status := apierrors.APIStatus(nil); errors.As(err, &status) {
		return status.Status().Message
	}
	return "it does not answer"
}
