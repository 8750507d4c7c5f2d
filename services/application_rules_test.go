package services_test

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/theeye-dev/theeye/api/v1alpha1"
	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// refusal is a spec that the API server refuses, with the field that it names and a part of what it says.
type refusal struct{ spec, field, message string }

// repeated repeats a text with a running number, %d, n times in a YAML list.
func repeated(n int, text string) string {
	items := make([]string, n)
	for i := range items {
		items[i] = strings.ReplaceAll(text, "%d", fmt.Sprint(i))
	}
	return "[" + strings.Join(items, ", ") + "]"
}

// mapping does the same in a YAML mapping.
func mapping(n int, text string) string { return "{" + strings.Trim(repeated(n, text), "[]") + "}" }

// accepted are specs at the edge of what is allowed.
func accepted() []string {
	e128 := strings.Repeat("é", 128) // characters, not bytes
	specs := []string{
		`{displayName: ` + e128 + e128 + `}`,
		`{retention: 1ns}`, `{retention: 876000h}`, `{retention: 168h}`,
		`{timestamps: {maxFuture: 0s, maxAge: 1ns}}`, `{timestamps: {maxFuture: 24h, maxAge: 8760h}}`,
		`{retention: 1h, timestamps: {maxAge: 1h}}`, `{retention: 1h, timestamps: {maxFuture: 24h}}`, `{retention: 60m, timestamps: {maxAge: 3600s}}`,
		`{limits: {}}`, `{limits: {eventsPerSecond: 0, burst: 0, maxEventBytes: 0}}`, `{limits: {burst: 5}}`,
		`{limits: {eventsPerSecond: 2147483647, burst: 2147483647, maxEventBytes: 1048576}}`,
		`{origins: ` + repeated(64, "https://%d.example.com") + `}`,
		`{eventTypes: ` + repeated(128, "{category: c, name: '%d'}") + `}`,
		`{eventTypes: [{category: a b, name: c}, {category: a, name: b c}]}`,
		`{eventTypes: [{category: ` + e128 + `, name: ` + e128 + `}]}`,
		`{eventTypes: [{category: a, name: b, schema: {type: nothing, x-own: [1, null, {a: 1.5}]}}]}`, // its inside is a condition's
		`{deletionPolicy: Erase, unknownEvents: Reject, suspended: true}`,
		`{credentials: {}}`, `{credentials: {secretName: "", existingSecret: ""}}`,
		`{credentials: {secretName: ` + strings.Repeat("a", 248) + `, existingSecret: ` + strings.Repeat("a", 253) + `}}`,
		`{credentials: {secretName: a.b-c.1}}`, `{credentials: {existingSecret: theirs}}`,
		`{credentials: {secretName: x, existingSecret: edge-theeye}}`, `{credentials: {secretName: x, existingSecret: x-theeye}}`,
		`{credentials: {rotation: {}}}`, `{credentials: {rotation: {interval: 1h, overlap: 1h}}}`,
		`{credentials: {rotation: {interval: 1h, overlap: 0s}}}`, `{credentials: {rotation: {overlap: 9999h}}}`, `{credentials: {rotation: {interval: 8760h}}}`,
		`{credentials: {template: {labels: ` + mapping(32, "k%d: v") + `, annotations: ` + mapping(32, "k%d: v") + `, keys: ` + mapping(32, "k%d: v") + `}}}`,
		`{credentials: {template: {labels: {app.kubernetes.io/part-of: shop, A: "", b_c.d: B_c.d-1, ` + strings.Repeat("k", 63) + `: ` + strings.Repeat("v", 63) + `}}}}`,
		`{credentials: {template: {labels: {nottheeye.dev/a: b, theeye.dev: b}}}}`,
		`{credentials: {template: {annotations: {Example.COM/Key_1: "any text, é\n", k: "` + strings.Repeat("é", 1024) + `"}}}}`,
		`{credentials: {template: {keys: {THEEYE_KEY: $(api-key), api-key: "", client-secret: "", client-id: "", uri: "", token-uri: ""}}}}`,
		`{credentials: {template: {keys: {a: $(client-secret), api-key: "", client-secret: ""}}}}`,
		`{credentials: {template: {keys: {api-key: ""}}}}`, `{credentials: {template: {keys: {client-secret: ""}}}}`,
		`{credentials: {template: {keys: {` + strings.Repeat("k", 253) + `: "", .A-b_1: "` + strings.Repeat("é", 4096) + `"}}}}`,
		`{credentials: {template: {keys: {all: "$(client-id)$(client-secret) $(api-key)\n$(uri)$(token-uri)$$(type)$(provider)$"}}}}`,
		`{credentials: {template: {keys: {cost: "$5 (or $ 5), ${HOME} $$"}}}}`,
	}
	for _, duration := range []string{
		"90m", "1h30m", "1.5h", "720h0m0s", "86400s", "3600000ms", "2h0m0.000000001s", "5400.5s", "31536000s", "60m0s1us", "60m1µs", "7200s0.5ns",
	} {
		specs = append(specs, `{retention: `+duration+`, credentials: {rotation: {interval: `+duration+`}}}`)
	}
	return specs
}

// What the rules allow is accepted, readable, and may be changed into anything else that is allowed.
func TestApplicationAccepted(t *testing.T) {
	t.Parallel()
	k8s, namespace := strictly(t), testenv.Kubernetes(t).Namespace(t)
	live := withSpec(t, namespace, "edge", "{}")
	if err := k8s.Create(t.Context(), live); err != nil {
		t.Fatal(err)
	}
	for i, spec := range accepted() {
		object := withSpec(t, namespace, fmt.Sprintf("edge-%d", i), spec)
		if err := k8s.Create(t.Context(), object); err != nil {
			t.Errorf("%s: %v", spec, err)
			continue
		}
		typed(t, object)
		if err := change(t, k8s, live, spec); err != nil {
			t.Errorf("changed to %s: %v", spec, err)
		}
	}
}

// change writes another spec, without effect.
func change(t *testing.T, k8s client.Client, live *unstructured.Unstructured, spec string) error {
	t.Helper()
	changed := live.DeepCopy()
	changed.Object["spec"] = withSpec(t, "", "", spec).Object["spec"]
	return k8s.Update(t.Context(), changed, client.DryRunAll)
}

// What the rules forbid is refused when it is made and when it is changed to, with one fault that names the field and
// says what would be right.
func TestApplicationRefused(t *testing.T) {
	t.Parallel()
	k8s, namespace := strictly(t), testenv.Kubernetes(t).Namespace(t)
	live := withSpec(t, namespace, "edge", "{displayName: live}")
	if err := k8s.Create(t.Context(), live); err != nil {
		t.Fatal(err)
	}
	for _, tt := range append(refusals(), credentialRefusals()...) {
		tt.check(t, "made", k8s.Create(t.Context(), withSpec(t, namespace, "new", tt.spec), client.DryRunAll))
		if strings.Contains(tt.spec, "new-theeye") { // about the name of the one that is made
			continue
		}
		tt.check(t, "changed", change(t, k8s, live, tt.spec))
	}
}

func (r refusal) check(t *testing.T, how string, err error) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: accepted: %s", how, r.spec)
		return
	}
	if list := causes(t, err); len(list) != 1 || list[0].Field != r.field || !strings.Contains(list[0].Message, r.message) {
		t.Errorf("%s: %s\n is refused as %v\n want %s: %s", how, r.spec, list, r.field, r.message)
	}
}

// The names of an Application's Secrets derive from its own, and must fit.
func TestApplicationName(t *testing.T) {
	t.Parallel()
	k8s, namespace := strictly(t), testenv.Kubernetes(t).Namespace(t)
	longest := withSpec(t, namespace, strings.Repeat("a", 241), "{}")
	if err := k8s.Create(t.Context(), longest); err != nil {
		t.Error(err)
	}
	if n := len(typed(t, longest).CandidateName()); n != 253 {
		t.Errorf("the longest name of a Secret has %d characters", n)
	}
	for _, spec := range []string{"{}", "{credentials: {secretName: short}}"} {
		refusal{spec, "<nil>", "the name may have at most 241 characters"}.check(t, "made",
			k8s.Create(t.Context(), withSpec(t, namespace, strings.Repeat("a", 242), spec)))
	}
	app := new(v1alpha1.Application)
	app.GenerateName, app.Namespace = "generated-", namespace
	if err := k8s.Create(t.Context(), app); err != nil {
		t.Error(err)
	}
}
