package chart_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v4/pkg/chart/common/util"
)

// free are the values below which people's own words stand, names of labels, resources and the like, or more fields
// than values.yaml has.
var free = []string{ //nolint:gochecknoglobals // a table
	"commonLabels", "commonAnnotations", "annotations", "podAnnotations", "podLabels", "labels", "matchLabels",
	"nodeSelector", "affinity", "requests", "limits", "issuerRef",
}

// defaultValues are those of values.yaml.
func defaultValues(t *testing.T) map[string]any {
	t.Helper()
	return readYAML(t, filepath.Join(chartDir, "values.yaml"))
}

// walk visits every value that the chart itself gives a name, parents first.
func walk(values map[string]any, visit func(path []string, value any), path ...string) {
	for _, key := range slices.Sorted(maps.Keys(values)) {
		at := append(slices.Clone(path), key)
		visit(at, values[key])
		if below, isMap := values[key].(map[string]any); isMap && !slices.Contains(free, key) {
			walk(below, visit, at...)
		}
	}
}

// set returns values with nothing but one in them.
func set(path []string, value any) map[string]any {
	for _, key := range slices.Backward(path) {
		value = map[string]any{key: value}
	}
	return value.(map[string]any)
}

// misspell swaps the last two letters, or appends one where they are the same.
func misspell(key string) string {
	swapped := []byte(key)
	last := len(swapped) - 1
	if last < 1 || swapped[last] == swapped[last-1] {
		return key + "s"
	}
	swapped[last], swapped[last-1] = swapped[last-1], swapped[last]
	return string(swapped)
}

// Every name in values.yaml, misspelt, is refused: a value that is not what it was taken for is worse than none.
func TestTyposAreRefused(t *testing.T) {
	t.Parallel()
	refuse, count := refuser(t), 0
	walk(defaultValues(t), func(path []string, value any) {
		count++
		wrong := append(slices.Clone(path[:len(path)-1]), misspell(path[len(path)-1]))
		refuse(t, set(wrong, value))
	})
	if count < 100 {
		t.Errorf("only %d names were tried", count)
	}
}

// So is every value of another kind than the one in values.yaml.
func TestValuesOfAnotherKindAreRefused(t *testing.T) {
	t.Parallel()
	refuse := refuser(t)
	walk(defaultValues(t), func(path []string, value any) { refuse(t, set(path, otherKind(value))) })
}

func otherKind(value any) any {
	switch value.(type) {
	case string, []any:
		return map[string]any{"a": "b"}
	default:
		return []any{"a"}
	}
}

// Words of which there are only a few, numbers out of reach, and what goes together.
func TestWrongValuesAreRefused(t *testing.T) {
	t.Parallel()
	refuse := refuser(t)
	for _, values := range []string{
		`image: {pullPolicy: Sometimes}`,
		`logLevel: verbose`,
		`ingest: {replicas: -1}`,
		`ingest: {replicas: "2"}`,
		`ingest: {replicas: 1.5}`,
		`ingest: {drainSeconds: -1}`,
		`ingest: {service: {type: ExternalName}}`,
		`ingest: {service: {port: 0}}`,
		`auth: {service: {port: 65536}}`,
		`ingest: {autoscaling: {targetCPUUtilization: 0}}`,
		`ingest: {autoscaling: {minReplicas: 0}}`,
		`ingest: {resources: {request: {cpu: 1}}}`,
		`redis: {existing: {durability: sloppy}}`,
		`redis: {existing: {replicas: -1}}`,
		`gateway: {scheme: ftp}`,
		`tls: {certManager: {issuerRef: {name: a, kind: Issuer, groups: b}}}`,
		`networkPolicy: {scrapers: [{namespaceSelector: {matchLabel: {a: b}}}]}`,
		`networkPolicy: {apiServerPorts: [https]}`,
		`scopedNamespaces: ["Not A Name"]`,
		`scopedNamespaces: [shop, shop]`,
		`keyEnv: two words`,
		`operator: {eventsURL: "events.example.com"}`,
		`otlpEndpoint: "collector:4317"`,
		`auth: {issuerURL: "auth.example.com"}`,
		`auth: {issuerURL: "https://auth.example.com?a=b"}`,
		`auth: {signingKey: {existingSecretName: "Not A Name"}}`,
		`trustedProxies: [proxy.example.com]`,
		`ingest: {requestMemory: 63}`,
		`ingest: {maxBacklog: -1}`,
		`ingest: {publicRate: -1}`,
		`redis: {existing: {replicas: 6}}`,
		`persistence: {tailSeconds: 259201}`,
		`persistence: {tailMemory: 0}`,
		`trustedProxies: [10.0.0.0/8, 10.0.0.0/8]`,
	} {
		refuse(t, parseYAML(t, []byte(values)))
	}
}

// Each ci file and the defaults are what the schema asks for, whichever Helm asks; a typo is refused by both, and not only
// by the one that the other tests ask.
func TestBothHelmsReadTheSchema(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(chartDir, "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range variants(t) {
		if err := ask(t, values); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := chartutil.ValidateAgainstSingleSchema(merge(defaultValues(t), values), text); err != nil {
			t.Errorf("%s, Helm 3: %v", name, err)
		}
	}
	if chartutil.ValidateAgainstSingleSchema(merge(defaultValues(t), set([]string{"ingest", "replica"}, 2)), text) == nil {
		t.Error("Helm 3 accepts a typo")
	}
}

func refuser(t *testing.T) func(*testing.T, map[string]any) {
	t.Helper()
	if err := ask(t, nil); err != nil {
		t.Fatalf("the defaults are refused: %v", err)
	}
	return func(t *testing.T, values map[string]any) {
		t.Helper()
		if err := ask(t, values); err == nil {
			text, _ := json.Marshal(values)
			t.Errorf("accepted: %s", text)
		}
	}
}

// ask asks the schema, as Helm does before it renders.
func ask(t *testing.T, values map[string]any) error {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(chartDir, "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	return util.ValidateAgainstSingleSchema(merge(defaultValues(t), values), text)
}

// merge lays values over others, as Helm does.
func merge(under, over map[string]any) map[string]any {
	for key, value := range over {
		below, isMap := value.(map[string]any)
		if old, wasMap := under[key].(map[string]any); isMap && wasMap {
			value = merge(old, below)
		}
		under[key] = value
	}
	return under
}

// values.yaml and the schema name the same values.
func TestSchemaAndValuesAgree(t *testing.T) {
	t.Parallel()
	var named, inSchema []string
	root := readSchema(t)
	root.walk(root, func(path string) {
		// Helm gives all charts the first, and Kubernetes all resources the other.
		if path != "global" && !strings.HasSuffix(path, ".resources.claims") {
			inSchema = append(inSchema, path)
		}
	})
	walk(defaultValues(t), func(path []string, value any) {
		named = append(named, strings.Join(path, "."))
	})
	slices.Sort(named)
	slices.Sort(inSchema)
	if diff := cmp.Diff(named, inSchema); diff != "" {
		t.Errorf("different names (-values.yaml +schema):\n%s", diff)
	}
}

// What the README's table does not have, or has without a word about it, people don't find. A word about a value is one
// about all below it.
func TestReadmeDescribesEveryValue(t *testing.T) {
	t.Parallel()
	described := readmeTable(t)
	walk(defaultValues(t), func(path []string, value any) {
		if below, isMap := value.(map[string]any); isMap && len(below) > 0 {
			return // these are there, or their parent is
		}
		for up := range path {
			if described[strings.Join(path[:len(path)-up], ".")] != "" {
				return
			}
		}
		t.Errorf("README.md does not say what %s is", strings.Join(path, "."))
	})
}

// readmeTable has what the README says of values: rows of name, kind, default, description.
func readmeTable(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(chartDir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	described := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(strings.TrimSpace(line), "|"); len(cells) > 4 && cells[0] == "" {
			described[strings.Trim(cells[1], " `")] = strings.TrimSpace(cells[len(cells)-2])
		}
	}
	return described
}
