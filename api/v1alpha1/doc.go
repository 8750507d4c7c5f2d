// Package v1alpha1 has the Application resource, by which a platform team asks for everything that one client app
// needs: credentials, limits, origins, schemas and retention.
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
