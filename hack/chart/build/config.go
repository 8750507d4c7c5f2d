package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/theeye-dev/theeye/hack/chart/manifest"
	"github.com/theeye-dev/theeye/hack/chart/render"
)

// What config/default installs is what the chart does with no values, under these names.
const (
	releaseName = "theeye"
	namespace   = "theeye-system"
	component   = "app.kubernetes.io/component"
)

const header = "# Written by make generate from charts/theeye with no values: what is to change here changes there.\n"

// writeConfig writes config/manager from the chart: what it renders but for what config/crd and config/rbac have already,
// in a file for each component.
func writeConfig(root string) error {
	objects, err := installed(filepath.Join(root, "charts/theeye"))
	if err != nil {
		return err
	}
	roles, err := readFolder(filepath.Join(root, "config/rbac"))
	if err != nil {
		return err
	}
	files := map[string]*bytes.Buffer{}
	for _, object := range objects {
		there, err := isThere(object, roles)
		if err != nil {
			return err
		}
		if there || object.GetKind() == "CustomResourceDefinition" {
			continue
		}
		if err := add(files, object); err != nil {
			return err
		}
	}
	return replaceFolder(filepath.Join(root, "config/manager"), files)
}

// installed is what is there after helm install: all but the hooks of other moments, and what only serves them. Helm's own
// marks go: nothing of it is Helm's here, and what keeps a resource from helm uninstall does not keep it from kubectl.
func installed(chart string) ([]manifest.Object, error) {
	rendered, err := render.Chart(render.Request{
		Chart: chart, Release: releaseName, Namespace: namespace,
		APIVersions: []string{"apiregistration.k8s.io/v1"}, // a whole render, with the hooks that only Helm runs: they are known by it
	})
	if err != nil {
		return nil, fmt.Errorf("render the chart: %w", err)
	}
	objects, err := manifest.Parse(rendered.Manifest)
	if err != nil {
		return nil, fmt.Errorf("read the rendered chart: %w", err)
	}
	elsewhere := map[string]bool{} // components that only hooks of other moments have
	for _, hook := range rendered.Hooks {
		parsed, err := manifest.Parse(hook.Manifest)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", hook.Path, err)
		}
		for _, object := range parsed {
			if slices.Contains(hook.Events, "pre-install") {
				objects = append(objects, object)
			} else {
				elsewhere[object.GetLabels()[component]] = true
			}
		}
	}
	objects = slices.DeleteFunc(objects, func(object manifest.Object) bool { return elsewhere[object.GetLabels()[component]] })
	for _, object := range objects {
		unmark(object)
	}
	return objects, nil
}

// unmark removes what only Helm understands.
func unmark(object manifest.Object) {
	labels, annotations := object.GetLabels(), object.GetAnnotations()
	delete(labels, "helm.sh/chart")
	delete(labels, "app.kubernetes.io/managed-by")
	for key := range annotations {
		if strings.HasPrefix(key, "helm.sh/") {
			delete(annotations, key)
		}
	}
	object.SetLabels(labels)
	object.SetAnnotations(annotations)
}

// isThere tells that config/rbac has the object. Its names for what belongs to no namespace are shorter than the chart's,
// which may be installed more than once; all else must be the same, or one of the two installs what the other does not.
func isThere(object manifest.Object, roles []manifest.Object) (bool, error) {
	const prefix = namespace + ":"
	for _, role := range roles {
		if role.GetKind() != object.GetKind() || role.GetName() != strings.TrimPrefix(object.GetName(), prefix) {
			continue
		}
		ours, err := body(role)
		if err != nil {
			return false, err
		}
		charts, err := body(object)
		if err != nil {
			return false, err
		}
		if charts = strings.ReplaceAll(charts, prefix, ""); ours != charts {
			return false, fmt.Errorf("%s of config/rbac is not the chart's:\n%s\n%s", role, ours, charts)
		}
		return true, nil
	}
	return false, nil
}

// body is an object without its metadata.
func body(object manifest.Object) (string, error) {
	content := object.DeepCopy().Object
	delete(content, "metadata")
	text, err := json.Marshal(content)
	if err != nil {
		return "", fmt.Errorf("write %s: %w", object, err)
	}
	return string(text), nil
}

// readFolder reads the manifests of a folder, and not those in folders below it.
func readFolder(dir string) ([]manifest.Object, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(files) == 0 {
		return nil, errors.Join(err, fmt.Errorf("%s has no manifests", dir))
	}
	var all []manifest.Object
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read a manifest: %w", err)
		}
		objects, err := manifest.Parse(string(content))
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		all = append(all, objects...)
	}
	return all, nil
}

func add(files map[string]*bytes.Buffer, object manifest.Object) error {
	name := object.GetLabels()[component] + ".yaml"
	text, err := yaml.Marshal(object.Object)
	if err != nil {
		return fmt.Errorf("write %s: %w", object, err)
	}
	if files[name] == nil {
		files[name] = bytes.NewBufferString(header)
	}
	fmt.Fprintf(files[name], "---\n%s", text)
	return nil
}
