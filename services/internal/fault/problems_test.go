package fault

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/theeye-dev/theeye/api/event"
	"github.com/theeye-dev/theeye/api/event/jsonb"
)

const api = "../../../api"

// declared returns the values of the constants of a type in a package's sources.
func declared(t *testing.T, dir, typeName string) (values []string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			name, isNamed := spec.Type.(*ast.Ident)
			literal, isLiteral := spec.Values[0].(*ast.BasicLit)
			if isNamed && isLiteral && name.Name == typeName {
				value, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Fatal(err)
				}
				values = append(values, value)
			}
			return true
		})
	}
	if len(values) < 5 {
		t.Fatalf("only %q are declared as %s in %s", values, typeName, dir)
	}
	return values
}

func sorted(lists ...[]string) []string {
	all := slices.Concat(lists...)
	slices.Sort(all)
	return slices.Compact(all)
}

// eventCodes are the codes of events. The scanner's fault of size is told as event.too_large.
func eventCodes(t *testing.T) []string {
	t.Helper()
	faults := slices.DeleteFunc(declared(t, api+"/event/jsonb", "FaultCode"), func(code string) bool {
		return code == string(jsonb.FaultSize)
	})
	return sorted(declared(t, api+"/event", "Code"), faults)
}

func TestEveryCodeIsInTheTable(t *testing.T) {
	t.Parallel()
	var rows []string
	for code, r := range table {
		rows = append(rows, string(code))
		if r.status < 400 || r.status > 599 || r.title == "" {
			t.Errorf("%s has status %d and title %q", code, r.status, r.title)
		}
		if (r.kind == Unavailable) != (r.status == 503 || r.status == 429) || (r.kind == Internal) != (r.status == 500) ||
			(r.kind == Denied) != (r.status == 401 || r.status == 403) {
			t.Errorf("%s has kind %d and status %d", code, r.kind, r.status)
		}
	}
	if diff := cmp.Diff(sorted(declared(t, ".", "Code")), sorted(rows)); diff != "" {
		t.Error(diff)
	}
}

// api/problems.md explains every code, and none that does not exist; the type of a problem document leads there.
func TestEveryCodeIsExplained(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(api + "/problems.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| <a id=\"([^\"]+)\"></a>`([^`]+)` \\| (.*) \\|$")
	explained := map[string]string{}
	for _, match := range row.FindAllStringSubmatch(string(page), -1) {
		anchor, code, cells := match[1], match[2], strings.Split(match[3], " | ")
		if anchor != code || explained[code] != "" {
			t.Errorf("anchor %s of %s, explained before: %t", anchor, code, explained[code] != "")
		}
		if slices.Contains(cells, "") || len(cells) < 3 {
			t.Errorf("%s: meaning, cause or remedy is missing", code)
		}
		explained[code] = cells[0]
	}
	if anchors := strings.Count(string(page), "<a id="); anchors != len(explained) {
		t.Errorf("%d anchors and %d well-formed rows", anchors, len(explained))
	}
	var got, requests []string
	for code := range explained {
		got = append(got, code)
	}
	for code, r := range table {
		requests = append(requests, string(code))
		if status := strconv.Itoa(r.status); code != Code(event.CodeTooLarge) && explained[string(code)] != status {
			t.Errorf("%s is explained with status %s, the table has %s", code, explained[string(code)], status)
		}
		problem := ProblemOf(New(code, "d"))
		if !strings.HasSuffix(problem.Type, "/api/problems.md#"+string(code)) {
			t.Errorf("%s has type %s", code, problem.Type)
		}
	}
	if diff := cmp.Diff(sorted(requests, eventCodes(t)), sorted(got)); diff != "" {
		t.Error(diff)
	}
}

// api/openapi.yaml lists the codes, and all its references lead somewhere.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(api + "/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var document map[string]any
	if err := yaml.UnmarshalStrict(text, &document); err != nil {
		t.Fatal(err)
	}
	enum := func(schema string) (codes []string) {
		list, ok := lookUp(document, "#/components/schemas/"+schema+"/enum").([]any)
		if !ok {
			t.Fatalf("%s has no enum", schema)
		}
		for _, code := range list {
			codes = append(codes, code.(string))
		}
		return sorted(codes)
	}
	if diff := cmp.Diff(sorted(declared(t, ".", "Code")), enum("ProblemCode")); diff != "" {
		t.Errorf("codes of requests: %s", diff)
	}
	if diff := cmp.Diff(eventCodes(t), enum("EventCode")); diff != "" {
		t.Errorf("codes of events: %s", diff)
	}
	checkReferences(t, document, document)
	used := strings.Count(string(text), "$ref")
	if used < 20 {
		t.Errorf("only %d references were looked at", used)
	}
}

func checkReferences(t *testing.T, document map[string]any, node any) {
	t.Helper()
	switch node := node.(type) {
	case map[string]any:
		if reference, ok := node["$ref"].(string); ok && lookUp(document, reference) == nil {
			t.Errorf("%s leads nowhere", reference)
		}
		for name, child := range node {
			if child == nil { // an unquoted comma in {description: a, b} makes b a key
				t.Errorf("%q has no value", name)
			}
			checkReferences(t, document, child)
		}
	case []any:
		for _, child := range node {
			checkReferences(t, document, child)
		}
	}
}

// lookUp follows a reference within a document; nil when it leads nowhere.
func lookUp(document map[string]any, reference string) any {
	var at any = document
	for name := range strings.SplitSeq(strings.TrimPrefix(reference, "#/"), "/") {
		members, _ := at.(map[string]any)
		at = members[strings.NewReplacer("~1", "/", "~0", "~").Replace(name)]
	}
	return at
}
