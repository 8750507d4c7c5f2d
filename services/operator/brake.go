package operator

import (
	"errors"
	"net/http"

	"github.com/google/uuid"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/api/v1alpha1"
)

const (
	// looks is in how many consecutive comparisons an Application has to be gone before its record ends: one look may be
	// at an API server that is just being restored.
	looks = 2
	// Who would end more than manyRecords, and more than half of all, has more likely the wrong cluster before it than a
	// cluster that was emptied: another with the same id, or a copy. patientLooks, half an hour at the default interval,
	// give people the time to see the warning.
	manyRecords  = 10
	patientLooks = 30
	// resource is what the API server calls Applications.
	resource = "applications"
)

// tally counts in how many consecutive comparisons each Application was gone, this one included. What was seen again, or
// has no record any more, starts anew.
func tally(before map[uuid.UUID]int, gone []*registry.Application) map[uuid.UUID]int {
	missed := make(map[uuid.UUID]int, len(gone))
	for _, record := range gone {
		missed[record.UID] = before[record.UID] + 1
	}
	return missed
}

// ripe are the records that may end, of those whose Applications are gone. What is held back because so many would go
// at once is counted.
func ripe(gone []*registry.Application, records int, missed map[uuid.UUID]int) (ending []*registry.Application, held int) {
	need, many := looks, len(gone) > manyRecords && 2*len(gone) > records
	if many {
		need = patientLooks
	}
	for _, record := range gone {
		switch {
		case missed[record.UID] >= need:
			ending = append(ending, record)
		case many:
			held++
		}
	}
	return ending, held
}

// absent tells whether an error is the API server's own word that it has no Application of that name. A 404 that is of
// anything else, such as a resource that is not served, says nothing about the Application; client-go gives those the
// name that was asked for and notes as a cause that the answer was not one of the API's.
func absent(err error, name string) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse) {
		return false
	}
	s := status.Status()
	return s.Code == http.StatusNotFound && s.Reason == metav1.StatusReasonNotFound && s.Details != nil &&
		s.Details.Group == v1alpha1.SchemeGroupVersion.Group && s.Details.Kind == resource && s.Details.Name == name
}
