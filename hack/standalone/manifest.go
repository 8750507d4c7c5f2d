// Package standalone does for an installation without Kubernetes what the operator does in a cluster: it reads
// Application manifests, tells auth the desired state and makes credentials.
package standalone

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/google/uuid"
	"k8s.io/apimachinery/pkg/util/validation"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/theeye-dev/theeye/api/v1alpha1"
)

// uidSpace is the UUIDv5 namespace of standalone UIDs: itself the UUIDv5 of standalone.theeye.dev in the DNS
// namespace. It never changes, for stored events belong to the UIDs made with it.
const uidSpace = "60cd3aec-2bb4-5c9f-9632-e833196a814c"

// UID is the identity of an application outside a cluster, where no API server gives it one: the UUIDv5 of
// "namespace/name".
func UID(namespace, name string) uuid.UUID {
	return uuid.NewSHA1(uuid.MustParse(uidSpace), []byte(namespace+"/"+name))
}

// Read reads Application manifests from YAML or JSON with any number of documents. As a cluster would, it refuses
// unknown and repeated fields by their path; other than a cluster it takes no other kinds. An absent namespace is
// "default".
func Read(r io.Reader) ([]v1alpha1.Application, error) {
	documents := utilyaml.NewYAMLReader(bufio.NewReader(r))
	var applications []v1alpha1.Application
	for n := 1; ; n++ {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return applications, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read document %d: %w", n, err)
		}
		if blank(document) {
			continue
		}
		application, err := parse(document)
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", n, err)
		}
		applications = append(applications, application)
	}
}

// blank says whether a document has nothing but comments.
func blank(document []byte) bool {
	for line := range bytes.Lines(document) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' && !bytes.Equal(line, []byte("---")) {
			return false
		}
	}
	return true
}

func parse(document []byte) (application v1alpha1.Application, err error) {
	content, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		return application, fmt.Errorf("read YAML: %w", err)
	}
	unknown, err := json.UnmarshalStrict(content, &application)
	if err := errors.Join(append(unknown, err)...); err != nil {
		return application, fmt.Errorf("read Application: %w", err)
	}
	if application.Namespace == "" {
		application.Namespace = "default"
	}
	return application, validate(&application)
}

func validate(a *v1alpha1.Application) error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(a.APIVersion == v1alpha1.GroupVersion && a.Kind == v1alpha1.Kind, "apiVersion and kind are %q and %q, want %q and %q",
		a.APIVersion, a.Kind, v1alpha1.GroupVersion, v1alpha1.Kind)
	faults := validation.IsDNS1123Subdomain(a.Name)
	check(len(faults) == 0, "metadata.name %q: %s", a.Name, strings.Join(faults, "; "))
	faults = validation.IsDNS1123Label(a.Namespace)
	check(len(faults) == 0, "metadata.namespace %q: %s", a.Namespace, strings.Join(faults, "; "))
	policy := a.Spec.Policy()
	if err := policy.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("spec: %w", err))
	}
	return errors.Join(errs...)
}
