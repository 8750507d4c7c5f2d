// Package v1alpha1 has the Application resource, by which a platform team asks for everything that one client app
// needs: credentials, limits, origins, schemas and retention.
//
// The markers' rules are all the validation there is: no webhook. Of a duration they take hours, minutes, seconds and one
// smaller unit, in this order and each with so few digits that no sum overflows: what is accepted is always readable in
// Go. A rule that compares two durations leaves one of another form to its own field's rule. Every list, map and string
// is bounded, for by its bounds the API server reckons what a rule may cost.
//
// +kubebuilder:object:generate=true
// +kubebuilder:ac:generate=true
// +groupName=theeye.dev
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion and Kind of the resource, as manifests write them.
const (
	GroupVersion = "theeye.dev/v1alpha1"
	Kind         = "Application"
)

// SchemeGroupVersion is GroupVersion in parts.
var SchemeGroupVersion = schema.GroupVersion{Group: "theeye.dev", Version: "v1alpha1"} //nolint:gochecknoglobals // a constant

// AddToScheme makes the types known to a client's scheme.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(SchemeGroupVersion, &Application{}, &ApplicationList{})
	metav1.AddToGroupVersion(scheme, SchemeGroupVersion)
	return nil
}
