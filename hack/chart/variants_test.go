package chart_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/theeye-dev/theeye/hack/chart/manifest"
	"github.com/theeye-dev/theeye/hack/chart/render"
)

const (
	chartDir = "../../charts/theeye"
	// Neither is what the documentation uses: a name that a template has of itself shows.
	releaseName, releaseNamespace = "my", "my-system"
	fullname                      = "my-theeye"
	// oldest is the least version that the chart says it runs on.
	oldest = "v1.30.0"
	// anyCluster is an API that every cluster has, and that Helm does not take for granted.
	anyCluster = "apiregistration.k8s.io/v1"
)

// defaults is the variant without any values.
const defaults = "defaults"

// variants are the ways to install TheEye that are tested: without values, and each ci/<name>-values.yaml.
func variants(t *testing.T) map[string]map[string]any {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(chartDir, "ci", "*-values.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no values in ci: %v", err)
	}
	found := map[string]map[string]any{defaults: {}}
	for _, file := range files {
		found[strings.TrimSuffix(filepath.Base(file), "-values.yaml")] = readYAML(t, file)
	}
	return found
}

// eachVariant runs a test on what every variant renders to.
func eachVariant(t *testing.T, test func(v variant)) {
	t.Helper()
	all := variants(t)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(renderVariant(t, name, all[name]))
		})
	}
}

// variant is one way to install, rendered, and the test that looks at it.
type variant struct {
	t       *testing.T
	name    string
	values  map[string]any
	release *render.Release
	objects []manifest.Object // hooks included
	pods    []manifest.Workload
}

// rendered remembers variants: a dozen tests look at each.
var rendered sync.Map //nolint:gochecknoglobals // one per test binary is the point

func renderVariant(t *testing.T, name string, values map[string]any) variant {
	t.Helper()
	once, _ := rendered.LoadOrStore(name, sync.OnceValues(func() (*render.Release, error) { return render.Chart(request(values)) }))
	release, err := once.(func() (*render.Release, error))()
	if err != nil {
		t.Fatalf("render: %v", err)
	}
	return read(t, name, values, release)
}

// with renders the chart with values that are in no file of ci.
func with(t *testing.T, values string) variant {
	t.Helper()
	parsed := parseYAML(t, []byte(values))
	release, err := render.Chart(request(parsed))
	if err != nil {
		t.Fatalf("render with %s: %v", values, err)
	}
	return read(t, values, parsed, release)
}

// request asks as a Helm that has a cluster at hand; see TestWithoutClusterNothingRetires.
func request(values map[string]any) render.Request {
	return render.Request{
		Chart: chartDir, Release: releaseName, Namespace: releaseNamespace, Values: values, KubeVersion: oldest,
		APIVersions: []string{anyCluster},
	}
}

func read(t *testing.T, name string, values map[string]any, release *render.Release) variant {
	t.Helper()
	objects, err := manifest.Parse(all(release))
	if err != nil {
		t.Fatal(err)
	}
	pods, err := manifest.Workloads(objects)
	if err != nil {
		t.Fatal(err)
	}
	return variant{t: t, name: name, values: values, release: release, objects: objects, pods: pods}
}

// all is a release's text, hooks at the end.
func all(release *render.Release) string {
	text := strings.Builder{}
	text.WriteString(release.Manifest)
	for _, hook := range release.Hooks {
		text.WriteString("---\n# Source: " + hook.Path + "\n" + strings.TrimSpace(hook.Manifest) + "\n")
	}
	return text.String()
}

func readYAML(t *testing.T, file string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return parseYAML(t, text)
}

func parseYAML(t *testing.T, text []byte) map[string]any {
	t.Helper()
	parsed := map[string]any{}
	if err := yaml.UnmarshalStrict(text, &parsed); err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	return parsed
}

// typed are the objects of a kind.
func typed[T any](t *testing.T, v variant, kind string) []T {
	t.Helper()
	found, err := manifest.Typed[T](v.objects, kind)
	if err != nil {
		t.Fatal(err)
	}
	return found
}
