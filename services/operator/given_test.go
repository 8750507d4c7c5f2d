package operator

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// What may happen to a model from outside the operator.

func (m *model) rotate(request string) {
	metav1.SetMetaDataAnnotation(&m.app.ObjectMeta, v1alpha1.RotateAnnotation, request)
}

// credentials is the part of the spec, made when it is not there; whoever asks for it changes it.
func (m *model) credentials() *v1alpha1.Credentials {
	m.app.Generation++
	if m.app.Spec.Credentials == nil {
		m.app.Spec.Credentials = &v1alpha1.Credentials{}
	}
	return m.app.Spec.Credentials
}

// rotation sets interval and overlap; below zero: absent.
func (m *model) rotation(interval, overlap time.Duration) {
	r := &v1alpha1.Rotation{}
	if interval >= 0 {
		r.Interval = &metav1.Duration{Duration: interval}
	}
	if overlap >= 0 {
		r.Overlap = &metav1.Duration{Duration: overlap}
	}
	m.credentials().Rotation = r
}

// edit changes a Secret by hand.
func (m *model) edit(name string, change func(*corev1.Secret)) {
	if there := m.secrets[name]; there != nil {
		edited := there.DeepCopy()
		change(edited)
		m.put(edited)
	}
}

// foreign makes a Secret of somebody else; adopter is what its annotation theeye.dev/adopt says.
func (m *model) foreign(name, adopter string) {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, Type: v1alpha1.SecretType, Data: map[string][]byte{"own": []byte("data")}}
	if adopter != "" {
		secret.Annotations = map[string]string{v1alpha1.AdoptAnnotation: adopter}
	}
	m.put(secret)
}

// bring makes, or changes, the existing Secret that the spec may name.
func (m *model) bring(name, key string) {
	m.put(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string][]byte{v1alpha1.KeyAPIKey: []byte(key)}})
}

// key is what the Secret's readers have.
func (m *model) key() string { return string(m.secrets[m.app.SecretName()].Data[v1alpha1.KeyAPIKey]) }

func eventType(schema string) v1alpha1.EventType {
	t := v1alpha1.EventType{Category: "form", Name: "submit"}
	if schema != "" {
		t.Schema = &runtime.RawExtension{Raw: json.RawMessage(schema)}
	}
	return t
}

func faultyType() v1alpha1.EventType { return eventType(`{"type":"nothing"}`) }

// describe names a step and what it is about.
func describe(step Step) string {
	name := strings.TrimPrefix(fmt.Sprintf("%T", step), "operator.")
	switch s := step.(type) {
	case CreateCandidate:
		return name + " " + s.Entry.ID
	case PutCredential:
		if end := s.Credential.NotAfter; end != nil {
			return fmt.Sprintf("%s %s until %s", name, s.Credential.ID, end.Sub(modelStart))
		}
		return name + " " + s.Credential.ID
	case DeleteCredential:
		return name + " " + s.ID
	case Publish:
		return name + " " + s.Why
	case DeleteSecret:
		return name + " " + s.Name
	}
	return name
}
