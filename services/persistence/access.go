package persistence

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/keyring"
	"github.com/theeye-dev/theeye/services/internal/kube"
)

// Verb is what somebody wants to do with the events of an application, in the words of Kubernetes' RBAC.
type Verb string

// The verbs on applications/events.
const (
	VerbGet    Verb = "get"    // one event, session or Failure; policy and usage
	VerbList   Verb = "list"   // pages, counts, exports
	VerbWatch  Verb = "watch"  // the live tail
	VerbUpdate Verb = "update" // replay and discard Failures
	VerbDelete Verb = "delete" // erase
)

// verbs are all of them, in the order in which they are shown.
func verbs() []Verb { return []Verb{VerbGet, VerbList, VerbWatch, VerbUpdate, VerbDelete} }

// permission is what RBAC calls a verb in a namespace, or in all for "", on the application of a name, or on all.
func (v Verb) permission(namespace, name string) kube.Permission {
	return kube.Permission{
		Verb: string(v), Group: "theeye.dev", Resource: "applications", Subresource: "events", Namespace: namespace, Name: name,
	}
}

// Scope says what a question that names no application is about.
type Scope struct {
	// All: every application, those that are deleted, and what belongs to none.
	All bool
	// Application is the only one; uuid.Nil: there is no such.
	Application uuid.UUID
	// Among are those that are permitted, in the order of their bytes, where it is neither of both.
	Among []uuid.UUID
}

// none tells whether nothing is permitted.
func (s Scope) none() bool { return !s.All && s.Application == uuid.Nil && len(s.Among) == 0 }

// has tells whether an application is in it.
func (s Scope) has(uid uuid.UUID) bool {
	return s.All || uid == s.Application && uid != uuid.Nil || among(s.Among, uid)
}

// narrow adds the condition on whose rows are meant, where not all are.
func (s Scope) narrow(c *conditions, column string) {
	switch {
	case s.All:
	case s.Application != uuid.Nil:
		c.add(column+" = %s", s.Application)
	default:
		c.add(column+" = ANY(%s)", arrayOf(s.Among)) // of none: nobody's
	}
}

// sender is who sent a request, and what they may do. Errors are faults: CodeForbidden names what is missing.
type sender interface {
	// who tells how they are called and of which kind they are.
	who() (user string, kind SenderKind)
	// one finds the application of a reference, a UID or namespace/name, if the sender may do something with its events. Of
	// one that they may not, nobody learns whether it is there.
	one(ctx context.Context, verb Verb, reference string) (uuid.UUID, error)
	// permitted finds all that the sender may do something with, which can be nothing.
	permitted(ctx context.Context, verb Verb) (Scope, error)
	// sees finds the scope within which the sender may do something with one thing; none: they may not, or it is not there.
	sees(ctx context.Context, verb Verb, of owned) (Scope, error)
	// everywhere answers nil when the sender may do it with all applications, those that are deleted, too.
	everywhere(ctx context.Context, verb Verb) error
	// missing is the fault of a sender who may do something with no application at all.
	missing(verb Verb) error
}

// SenderKind is by what a sender is known.
type SenderKind string

// The kinds of senders.
const (
	KindAdmin       SenderKind = "admin"       // the admin token
	KindKubernetes  SenderKind = "kubernetes"  // a Kubernetes token
	KindApplication SenderKind = "application" // an application's credential, or an access token
)

// span finds what a question that names no application is about.
func span(ctx context.Context, who sender, verb Verb) (Scope, error) {
	scope, err := who.permitted(ctx, verb)
	if err == nil && scope.none() {
		err = who.missing(verb)
	}
	return scope, err
}

// may answers nil when the sender may do something with what belongs to an application, or, for nil, to none that is known.
func may(ctx context.Context, who sender, verb Verb, application *uuid.UUID) error {
	if application == nil {
		return who.everywhere(ctx, verb)
	}
	_, err := who.one(ctx, verb, application.String())
	return err
}

// administrator has the admin token, or is the operator where that may ask: it may do everything.
type administrator struct{ keys *keyring.Keyring }

func (administrator) who() (string, SenderKind) { return "admin", KindAdmin }

func (a administrator) one(_ context.Context, _ Verb, reference string) (uuid.UUID, error) {
	return resolve(a.keys, reference)
}

func (administrator) permitted(context.Context, Verb) (Scope, error) { return Scope{All: true}, nil }
func (administrator) everywhere(context.Context, Verb) error         { return nil }
func (administrator) missing(Verb) error                             { return nil }

// owner is an application. It reads its own events, and changes none: who has a stolen key could hide what was done with it.
type owner struct {
	application *registry.Application
	keys        *keyring.Keyring
}

func (o owner) who() (string, SenderKind) {
	return o.application.Namespace + "/" + o.application.Name, KindApplication
}

func (o owner) reads(verb Verb) bool { return verb == VerbGet || verb == VerbList || verb == VerbWatch }

func (o owner) one(_ context.Context, verb Verb, reference string) (uuid.UUID, error) {
	if !o.reads(verb) {
		return uuid.Nil, o.missing(verb)
	}
	if uid, err := resolve(o.keys, reference); err != nil || uid != o.application.UID {
		return uuid.Nil, fault.New(fault.CodeForbidden, "an application's credential reads that application's events only; "+
			verb.permission("", "").What()+" of the other is missing")
	}
	return o.application.UID, nil
}

func (o owner) permitted(_ context.Context, verb Verb) (Scope, error) {
	if !o.reads(verb) {
		return Scope{}, nil
	}
	return Scope{Application: o.application.UID}, nil
}

func (o owner) everywhere(_ context.Context, verb Verb) error {
	if !o.reads(verb) {
		return o.missing(verb)
	}
	return fault.New(fault.CodeForbidden, "an application's credential reads that application's events only; "+
		verb.permission("", "").String()+", or the admin token, is missing")
}

func (owner) missing(verb Verb) error {
	return fault.New(fault.CodeForbidden, "an application's credential changes and erases nothing; "+
		verb.permission("", "").What()+", or the admin token, is missing")
}

// resolve finds an application's UID; the data of a deleted one can still be asked for by UID.
func resolve(keys *keyring.Keyring, reference string) (uuid.UUID, error) {
	uid, err := uuid.Parse(reference)
	switch {
	case err == nil && uid == uuid.Nil:
		return uuid.Nil, errNilApplication
	case err == nil:
		return uid, nil
	}
	if a := keys.Application(reference); a != nil {
		return a.UID, nil
	}
	if err := keys.Ready(); err != nil { // it may be known by now
		return uuid.Nil, err
	}
	return uuid.Nil, errNoApplication
}

var (
	errNoApplication  = fault.New(fault.CodeParameter, "application is neither a UID nor the namespace/name of a known application")
	errNilApplication = fault.New(fault.CodeParameter, "application is the nil UUID, which is no application's")
)

// among finds one in a list that is in the order of bytes.
func among(list []uuid.UUID, uid uuid.UUID) bool {
	_, found := slices.BinarySearchFunc(list, uid, byBytes)
	return found
}
