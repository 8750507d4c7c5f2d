package operator

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"regexp"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// renderedAnnotation has a hash of which keys, labels and annotations the operator wrote: when the template asks for
// fewer, what is left over of the Secret does not show it.
const renderedAnnotation = "theeye.dev/rendered"

// rendering is all that the operator writes into a Secret.
type rendering struct {
	name                string
	labels, annotations map[string]string
	data                map[string][]byte
}

// reference is how a template's key asks for the value of a standard key.
func reference(key string) string { return "$(" + key + ")" }

var references = regexp.MustCompile(`\$\(([a-z-]+)\)`) //nolint:gochecknoglobals // compiled once

// render makes the Secret that applications read.
func render(app *v1alpha1.Application, settings *Settings, key string, book Book) rendering {
	standard := map[string]string{
		v1alpha1.KeyType: v1alpha1.SecretProvider, v1alpha1.KeyProvider: v1alpha1.SecretProvider,
		v1alpha1.KeyClientID: app.ClientID(), v1alpha1.KeyClientSecret: key, v1alpha1.KeyAPIKey: key,
		v1alpha1.KeyURI: settings.EventsURL, v1alpha1.KeyTokenURI: settings.TokenURL,
	}
	r := rendering{
		name: app.SecretName(), labels: map[string]string{}, annotations: map[string]string{}, data: map[string][]byte{},
	}
	for name, value := range standard {
		if value != "" {
			r.data[name] = []byte(value)
		}
	}
	if c := app.Spec.Credentials; c != nil && c.Template != nil {
		maps.Copy(r.labels, c.Template.Labels)
		maps.Copy(r.annotations, c.Template.Annotations)
		for name, text := range c.Template.Keys {
			if _, ok := standard[name]; ok && text == "" {
				delete(r.data, name)
				continue
			}
			r.data[name] = []byte(references.ReplaceAllStringFunc(text, func(found string) string {
				if value, ok := standard[found[2:len(found)-1]]; ok {
					return value
				}
				return found
			}))
		}
	}
	r.labels[v1alpha1.SecretLabel] = v1alpha1.SecretIssued
	r.annotations[renderedAnnotation] = r.shape()
	r.annotations[v1alpha1.CredentialsAnnotation] = book.String()
	return r
}

// renderCandidate makes the Secret that keeps a new credential.
func renderCandidate(app *v1alpha1.Application, key string, entry Entry) rendering {
	return rendering{
		name:        app.CandidateName(),
		labels:      map[string]string{v1alpha1.SecretLabel: v1alpha1.SecretCandidate},
		annotations: map[string]string{v1alpha1.CredentialsAnnotation: Book{entry}.String()},
		data:        map[string][]byte{v1alpha1.KeyAPIKey: []byte(key)},
	}
}

// shape is a hash of the names of everything that is written.
func (r *rendering) shape() string {
	names := map[string]map[string]bool{"labels": {}, "annotations": {}, "data": {}}
	for name := range r.labels {
		names["labels"][name] = true
	}
	for name := range r.annotations {
		names["annotations"][name] = true
	}
	for name := range r.data {
		names["data"][name] = true
	}
	text, _ := json.Marshal(names) // maps of strings, in the order of their keys
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8]) // tells shapes of one Secret apart; nothing depends on more
}

// matches tells whether a Secret is as it was rendered; what others added to it is theirs.
func (r *rendering) matches(secret *corev1.Secret) bool {
	return contains(secret.Labels, r.labels) && contains(secret.Annotations, r.annotations) && holds(secret.Data, r.data)
}

func contains(all, some map[string]string) bool {
	for k, want := range some {
		if got, ok := all[k]; !ok || got != want {
			return false
		}
	}
	return true
}

func holds(all, some map[string][]byte) bool {
	for k, want := range some {
		if got, ok := all[k]; !ok || string(got) != string(want) {
			return false
		}
	}
	return true
}

// object is the rendering as a Secret to create.
func (r *rendering) object(app *v1alpha1.Application) *corev1.Secret {
	owner := *metav1.NewControllerRef(app, v1alpha1.SchemeGroupVersion.WithKind(v1alpha1.Kind))
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: r.name, Namespace: app.Namespace, Labels: r.labels, Annotations: r.annotations,
			OwnerReferences: []metav1.OwnerReference{owner},
		},
		Type: v1alpha1.SecretType, Data: r.data,
	}
}

// configuration is the rendering as what the operator wants of a Secret that is there, and of no other of that name.
func (r *rendering) configuration(app *v1alpha1.Application, there *corev1.Secret) *corev1ac.SecretApplyConfiguration {
	return corev1ac.Secret(r.name, app.Namespace).
		WithUID(there.UID).
		WithLabels(r.labels).WithAnnotations(r.annotations).
		WithOwnerReferences(metav1ac.OwnerReference().
			WithAPIVersion(v1alpha1.GroupVersion).WithKind(v1alpha1.Kind).WithName(app.Name).WithUID(app.UID).
			WithController(true).WithBlockOwnerDeletion(true)).
		WithType(v1alpha1.SecretType).WithData(r.data)
}
