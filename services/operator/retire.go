package operator

import (
	"time"

	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// settleTime is how long after its revocation an application may still have an event accepted: a revoked credential
// stops working everywhere within a second, and clocks differ. What is erased before that could come back.
const settleTime = 2 * time.Second

// retire is the plan for a deleted Application: credentials first, then its events if so asked, then the record.
// The record goes last, for with it goes the knowledge that something is left to erase.
func retire(v *View, settings *Settings) Decision {
	d := Decision{Next: v.Application.DeletionTimestamp.Add(settings.RevokeTimeout)}
	if !controllerutil.ContainsFinalizer(v.Application, v1alpha1.Finalizer) {
		return Decision{}
	}
	erase := v.Application.Spec.DeletionPolicy == registry.Erase && !v.Erased
	switch a := v.Auth; {
	case !erase && a != nil:
		d.Step = DeleteApplication{}
	case !erase:
		d.Step = RemoveFinalizer{}
	case a != nil && a.DeletionPolicy != registry.Erase:
		d.Step = PutApplication{Want: desired(v, settings)} // for the collector, should this not come to its end
	case a != nil && len(a.Credentials) > 0:
		d.Step = DeleteCredential{a.Credentials[0].ID}
	case v.Now.Before(v.RevokedAt.Add(settleTime)):
		d.Next = v.RevokedAt.Add(settleTime)
	default:
		d.Step = Erase{}
	}
	return d
}

// noteRevoked notes since when a deleted Application has no credentials in auth.
func (v *View) noteRevoked() {
	if !v.Application.DeletionTimestamp.IsZero() && v.RevokedAt.IsZero() && (v.Auth == nil || len(v.Auth.Credentials) == 0) {
		v.RevokedAt = v.Now
	}
}

// Overdue tells whether a deleted Application has waited long enough for those who do not answer.
func Overdue(v *View, settings *Settings) bool {
	return !v.Application.DeletionTimestamp.IsZero() &&
		!v.Now.Before(v.Application.DeletionTimestamp.Add(settings.RevokeTimeout))
}
