package persistence

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/keyring"
	"github.com/theeye-dev/theeye/services/internal/kube"
)

// people knows who is who in Kubernetes and what they may do; *kube.People does.
type people interface {
	Identify(ctx context.Context, r *http.Request) (*kube.User, error)
	Allow(ctx context.Context, user *kube.User, permission kube.Permission) error
}

const (
	// maxNamespaces is of how many namespaces it is found out what somebody may read who may not read all: a question to
	// Kubernetes for each, again whenever the answers have been forgotten.
	maxNamespaces = 100
	// maxAmong is of how many applications one answer is put together: a page of each is read, and all but one thrown away.
	maxAmong = 500
	// askedAtOnce is how many questions to Kubernetes wait at the same moment for one request.
	askedAtOnce = 16
	// maxNamespace and maxName are how long these are in Kubernetes: what is longer is nobody's, and nothing to ask about.
	maxNamespace, maxName = 63, 253
)

// person is whoever has a Kubernetes token: RBAC, or whatever the cluster authorizes by, says what they may do.
type person struct {
	user   *kube.User
	people people
	keys   *keyring.Keyring
}

func (p person) who() (string, SenderKind) { return p.user.Name, KindKubernetes }

// one asks about the name first and looks for it afterwards: without the permission a name that is nobody's is answered
// as one that is somebody's.
func (p person) one(ctx context.Context, verb Verb, reference string) (uuid.UUID, error) {
	if uid, err := uuid.Parse(reference); err == nil {
		if uid == uuid.Nil {
			return uuid.Nil, errNilApplication
		}
		if err := p.byUID(ctx, verb, uid); err != nil {
			return uuid.Nil, err
		}
		return uid, nil
	}
	namespace, name, _ := strings.Cut(reference, "/")
	if namespace == "" || name == "" || len(namespace) > maxNamespace || len(name) > maxName || strings.Contains(name, "/") {
		return uuid.Nil, errNoApplication
	}
	if err := p.people.Allow(ctx, p.user, verb.permission(namespace, name)); err != nil {
		return uuid.Nil, err
	}
	return resolve(p.keys, reference)
}

// byUID asks one question in any case. Where a UID is nobody's, or of an application that is deleted, it is about all
// namespaces: with the UID as a name, so that it is as new to Kubernetes as that about an application would be. The answer
// is remembered for the UID: who has asked by a name before would else be told by a question less that the UID is of that.
func (p person) byUID(ctx context.Context, verb Verb, uid uuid.UUID) error {
	asked := verb.permission("", uid.String())
	if a := p.keys.Application(uid.String()); a != nil {
		asked = verb.permission(a.Namespace, a.Name)
	}
	asked.Apart = "application " + uid.String()
	err := p.people.Allow(ctx, p.user, asked)
	if forbidden(err) {
		return fault.New(fault.CodeForbidden, asked.What()+" in the namespace of application "+uid.String()+" is missing")
	}
	return err
}

func (p person) permitted(ctx context.Context, verb Verb) (Scope, error) {
	err := p.everywhere(ctx, verb)
	if err == nil {
		return Scope{All: true}, nil
	}
	if !forbidden(err) {
		return Scope{}, err
	}
	found, err := p.inNamespaces(ctx, verb)
	if err != nil {
		return Scope{}, err
	}
	if len(found) > maxAmong {
		return Scope{}, tooWide(fmt.Sprintf("you may %s the events of more than %d applications, and not of all", verb, maxAmong))
	}
	slices.SortFunc(found, byBytes)
	return Scope{Among: found}, nil
}

// inNamespaces finds the applications of the namespaces in which the person has the permission.
func (p person) inNamespaces(ctx context.Context, verb Verb) (found []uuid.UUID, err error) {
	namespaces := p.keys.Namespaces()
	if len(namespaces) > maxNamespaces {
		return nil, tooWide(fmt.Sprintf("there are applications in more than %d namespaces, and you may not %s the events of all", maxNamespaces, verb))
	}
	var questions errgroup.Group
	questions.SetLimit(askedAtOnce)
	allowed := make(chan []*registry.Application, len(namespaces))
	for namespace, applications := range namespaces {
		questions.Go(func() error {
			err := p.people.Allow(ctx, p.user, verb.permission(namespace, ""))
			if err == nil {
				allowed <- applications
			} else if !forbidden(err) {
				return err
			}
			return nil
		})
	}
	if err := questions.Wait(); err != nil {
		return nil, err
	}
	close(allowed)
	for applications := range allowed {
		for _, a := range applications {
			found = append(found, a.UID)
		}
	}
	return found, nil
}

func (p person) everywhere(ctx context.Context, verb Verb) error {
	return p.people.Allow(ctx, p.user, verb.permission("", ""))
}

func (p person) missing(verb Verb) error {
	return fault.New(fault.CodeForbidden, verb.permission("", "").What()+
		" is missing: in all namespaces, and in each one; what is given for some applications by name is used where one is named")
}

func tooWide(why string) error {
	return fault.New(fault.CodeTooWide, why+": name one by application=")
}

// forbidden tells whether a permission is missing, and not just unknown.
func forbidden(err error) bool {
	known, ok := errors.AsType[*fault.Error](err)
	return ok && known.Code == fault.CodeForbidden
}
