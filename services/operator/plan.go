package operator

import (
	"bytes"
	"encoding/json"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	corev1 "k8s.io/api/core/v1"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// Decision is what to do about an Application, and what to tell of it.
type Decision struct {
	// Step is the one thing to do first; nil: everything is as it should be, or has to wait. Whoever does it decides anew.
	Step Step
	// Next is when time alone will call for another decision; zero: never.
	Next time.Time
	// Published, Registered and Schemas are the conditions CredentialsPublished, Registered and SchemasValid.
	Published, Registered, Schemas Verdict
	// Stalled says that a person has to act.
	Stalled bool

	credentials credentials
}

// Verdict is a condition's content.
type Verdict struct {
	Status          metav1.ConditionStatus
	Reason, Message string
}

// Step is one effect. Doing it again, after a crash that left its outcome unknown, does no harm.
type Step interface{ isStep() }

// The steps in the order in which a new Application takes them, and then those that end things.
type (
	// AddFinalizer makes sure that a deletion waits for the revocation.
	AddFinalizer struct{}
	// PutApplication brings auth's record to the spec.
	PutApplication struct{ Want registry.DesiredApplication }
	// CreateCandidate keeps a new credential in a Secret of its own: Key, or a generated one when it is "".
	CreateCandidate struct {
		Entry Entry // without the hash when the key is to be generated
		Key   string
	}
	// PutCredential makes a credential's hash, and its end, known to auth.
	PutCredential struct{ Credential registry.Credential }
	// Publish writes the Secret that applications read.
	Publish struct {
		Rendering rendering
		Why       string // an event's reason
	}
	// DeleteSecret removes one of the operator's Secrets, or one that was offered and cannot be taken over as it is.
	DeleteSecret struct {
		Name string
		UID  types.UID
	}
	// DeleteCredential revokes a credential.
	DeleteCredential struct{ ID string }
	// Erase asks persistence to erase the Application's events.
	Erase struct{}
	// DeleteApplication ends auth's record.
	DeleteApplication struct{}
	// RemoveFinalizer lets the resource go. Unfinished says what the collector has to finish.
	RemoveFinalizer struct{ Unfinished string }
)

func (AddFinalizer) isStep()      {}
func (PutApplication) isStep()    {}
func (CreateCandidate) isStep()   {}
func (PutCredential) isStep()     {}
func (Publish) isStep()           {}
func (DeleteSecret) isStep()      {}
func (DeleteCredential) isStep()  {}
func (Erase) isStep()             {}
func (DeleteApplication) isStep() {}
func (RemoveFinalizer) isStep()   {}

// Why a Secret is written, as events say it.
const (
	whyIssued  = "CredentialsIssued"
	whyRotated = "CredentialsRotated"
	whyUpdated = "SecretUpdated"
	whyEnded   = "" // the replaced credential is over: CredentialRevoked has told of it
)

// Decide is the plan. It is a pure function, and repeated until it has no step left; since every step starts from what
// is there, it makes no difference where it was interrupted.
//
//	finalizer → application in auth → live credentials in auth → what else auth has, revoked
//	→ candidate → its hash in auth → published → leftovers removed
func Decide(v *View, settings *Settings) Decision {
	if !v.Application.DeletionTimestamp.IsZero() {
		return retire(v, settings)
	}
	c := credentialsOf(v)
	d := Decision{credentials: c}
	d.Step = first(
		func() Step { return finalizer(v) },
		func() Step { return registration(v, settings) },
		func() Step { return c.alignment(v.Auth) },
		func() Step { return c.outdated(v) },
		func() Step { return c.candidate(v) },
		func() Step { return c.admission(v.Auth) },
		func() Step { return c.publication(v, settings) },
		func() Step { return c.leftover(v) },
	)
	d.Registered = registered(d.Step)
	d.Published = c.published(v)
	d.Schemas = schemasOf(v, v.Auth)
	d.Stalled = c.blocked == v1alpha1.ReasonSecretTaken || c.blocked == v1alpha1.ReasonExistingSecretInvalid
	d.Next = c.next(v, settings)
	return d
}

func first(choices ...func() Step) Step {
	for _, choose := range choices {
		if step := choose(); step != nil {
			return step
		}
	}
	return nil
}

func finalizer(v *View) Step {
	if controllerutil.ContainsFinalizer(v.Application, v1alpha1.Finalizer) {
		return nil
	}
	return AddFinalizer{}
}

// registration compares auth's record with the spec.
func registration(v *View, settings *Settings) Step {
	want := desired(v, settings)
	if a := v.Auth; a != nil && sameJSON(want, registry.DesiredApplication{
		Namespace: a.Namespace, Name: a.Name, Policy: a.Policy, Cluster: a.Cluster, DeletionPolicy: a.DeletionPolicy,
	}) {
		return nil
	}
	return PutApplication{Want: want}
}

// desired is what auth should have of the Application. A faulty schema stops only its own type, which keeps the last
// good one; when auth never had one, events of that type are refused.
func desired(v *View, settings *Settings) registry.DesiredApplication {
	app := v.Application
	policy := app.Spec.Policy()
	for i := range v.Faults {
		declared := &policy.EventTypes[i]
		declared.Schema = lastGood(v.Auth, declared.Category, declared.Name)
		declared.SchemaUnavailable = declared.Schema == nil
	}
	return registry.DesiredApplication{
		Namespace: app.Namespace, Name: app.Name, Policy: policy,
		Cluster: settings.Cluster, DeletionPolicy: app.Spec.DeletionPolicy,
	}
}

func lastGood(known *registry.Application, category, name string) registry.Schema {
	if known == nil {
		return nil
	}
	for _, t := range known.Policy.EventTypes {
		if t.Category == category && t.Name == name {
			return t.Schema
		}
	}
	return nil
}

func sameJSON(a, b any) bool {
	textA, errA := json.Marshal(a)
	textB, errB := json.Marshal(b)
	return errA == nil && errB == nil && bytes.Equal(textA, textB)
}

// outdated finds a candidate that is of no use: published already, broken, or not what the spec asks for any more.
func (c *credentials) outdated(v *View) Step {
	if v.ours(v.Candidate) && c.pending == nil {
		return DeleteSecret{v.Candidate.Name, v.Candidate.UID}
	}
	return nil
}

func (c *credentials) candidate(v *View) Step {
	if !c.due || c.blocked != "" {
		return nil
	}
	if v.Candidate != nil { // it was offered for adoption: nothing in it is of use
		return DeleteSecret{v.Candidate.Name, v.Candidate.UID}
	}
	entry := Entry{ID: c.nextID, IssuedAt: v.Now, Request: c.request, Source: c.source}
	if c.fresh != "" {
		entry.SHA256 = digest(c.fresh)
	}
	return CreateCandidate{Entry: entry, Key: c.fresh}
}

// admission makes the candidate known to auth.
func (c *credentials) admission(known *registry.Application) Step {
	if c.pending == nil || c.blocked != "" {
		return nil
	}
	want := registry.Credential{ID: c.pending.ID, SHA256: c.pending.SHA256}
	if got := find(known, want.ID); got != nil && sameJSON(got, want) {
		return nil
	}
	return PutCredential{want}
}

// publication writes the Secret: with the candidate, or as it was when something of it is missing.
func (c *credentials) publication(v *View, settings *Settings) Step {
	var book Book
	key, why := c.key, whyUpdated
	switch {
	case v.foreign(v.Issued):
		return nil
	case c.pending != nil && c.blocked == "":
		key, book, why = c.pendingKey, c.renewed(v.Now, v.Application.RotationOverlap()), whyRotated
		if c.current == nil {
			why = whyIssued
		}
	case c.key == "":
		return nil
	default:
		book = c.book()
		if v.ours(v.Issued) && len(readBook(v.Issued)) > len(book) {
			why = whyEnded
		}
	}
	r := render(v.Application, settings, key, book)
	there := v.Issued
	if there != nil && metav1.IsControlledBy(there, v.Application) && c.pending == nil && r.matches(there) {
		return nil
	}
	if there != nil && (there.Type != corev1.SecretType(v1alpha1.SecretType) || there.Immutable != nil && *there.Immutable) {
		return DeleteSecret{there.Name, there.UID} // neither can be changed: a new one takes its place
	}
	return Publish{Rendering: r, Why: why}
}

// leftover finds Secrets under a name that the spec had before. What they held is in the Secret by now.
func (c *credentials) leftover(v *View) Step {
	if c.key == "" || !v.ours(v.Issued) {
		return nil
	}
	for _, stray := range v.Strays {
		return DeleteSecret{stray.Name, stray.UID}
	}
	return nil
}
