package operator

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// recorder writes events of events.k8s.io; controller-runtime's recorder is one.
type recorder interface {
	Eventf(regarding, related runtime.Object, eventType, reason, action, note string, args ...any)
}

// The reasons of events, beside those of Publish and those of conditions that turn false.
const (
	eventRevoked    = "CredentialRevoked"
	eventErased     = "EventsErased"
	eventUnfinished = "DeletedUnfinished"
)

// announcer says in events what happened to an Application. No event has a secret in it.
type announcer struct{ recorder recorder }

func (a *announcer) normal(app *v1alpha1.Application, reason, action, note string, args ...any) {
	a.recorder.Eventf(app, nil, corev1.EventTypeNormal, reason, action, "%s", cut(fmt.Sprintf(note, args...), maxNote))
}

func (a *announcer) warn(app *v1alpha1.Application, reason, action, note string, args ...any) {
	a.recorder.Eventf(app, nil, corev1.EventTypeWarning, reason, action, "%s", cut(fmt.Sprintf(note, args...), maxNote))
}

func (a *announcer) published(app *v1alpha1.Application, s Publish) {
	switch s.Why {
	case whyEnded:
	case whyUpdated:
		a.normal(app, whyUpdated, "Publish", "Secret %s is written as it should be", s.Rendering.name)
	default:
		a.normal(app, s.Why, "Publish", "Secret %s has new credentials", s.Rendering.name)
	}
}

func (a *announcer) revoked(app *v1alpha1.Application, id string) {
	a.normal(app, eventRevoked, "Revoke", "Credential %s is revoked", id)
}

func (a *announcer) erased(app *v1alpha1.Application) {
	a.normal(app, eventErased, "Erase", "The application's events are being erased, as deletionPolicy Erase wants it")
}

func (a *announcer) unfinished(app *v1alpha1.Application, what string) {
	a.warn(app, eventUnfinished, "Delete", "Deleted before everything was done: %s; it will be, once that service answers", what)
}

// maxNote is below the 1,024 bytes above which the API server refuses an event, and maxMessage below the 32,768 of a
// condition's message: far more than anyone reads.
const (
	maxNote    = 1000
	maxMessage = 8000
)

// cut shortens a text to so many bytes, at a character.
func cut(text string, most int) string {
	const more = "…"
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most-len(more)], "") + more
}
