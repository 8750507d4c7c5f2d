// Package manifest reads rendered manifests: as objects of any kind, and as the pods that come of them.
package manifest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	strict "sigs.k8s.io/yaml"
)

// Object is one resource as it was rendered.
type Object struct {
	unstructured.Unstructured
	Source string // the template, where Helm's comment names it
}

// String names an object as people do: Deployment/theeye-ingest.
func (o Object) String() string { return o.GetKind() + "/" + o.GetName() }

// Into decodes an object into its own type, and refuses fields that the type has not.
func (o Object) Into(typed any) error {
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, typed, true); err != nil {
		return fmt.Errorf("read %s: %w", o, err)
	}
	return nil
}

// Parse reads YAML documents; empty ones are none. A key that stands twice is an error.
func Parse(rendered string) ([]Object, error) {
	var objects []Object
	reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewBufferString(rendered)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("split documents: %w", err)
		}
		encoded, err := strict.YAMLToJSONStrict(document)
		if err != nil {
			return nil, fmt.Errorf("read document %d: %w\n%s", len(objects)+1, err, document)
		}
		if string(encoded) == "null" {
			continue
		}
		object := Object{Source: source(document)}
		if err := object.UnmarshalJSON(encoded); err != nil {
			return nil, fmt.Errorf("read document %d: %w\n%s", len(objects)+1, err, document)
		}
		objects = append(objects, object)
	}
}

// source reads Helm's comment at the head of a document.
func source(document []byte) string {
	_, after, _ := bytes.Cut(document, []byte("# Source: "))
	line, _, _ := bytes.Cut(after, []byte("\n"))
	return string(bytes.TrimSpace(line))
}

// OfKind are the objects of a kind.
func OfKind(objects []Object, kind string) []Object {
	var found []Object
	for _, o := range objects {
		if o.GetKind() == kind {
			found = append(found, o)
		}
	}
	return found
}

// Typed are the objects of a kind, in its type.
func Typed[T any](objects []Object, kind string) ([]T, error) {
	var found []T
	for _, o := range OfKind(objects, kind) {
		var typed T
		if err := o.Into(&typed); err != nil {
			return nil, err
		}
		found = append(found, typed)
	}
	return found, nil
}
