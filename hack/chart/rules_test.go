package chart_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/theeye-dev/theeye/hack/chart/manifest"
)

// written reads a file of config, or of the chart.
func written(t *testing.T, path ...string) []manifest.Object {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{"..", ".."}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	objects, err := manifest.Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// The resource definition is the generated one, to the letter, in the chart and in config/default.
func TestDefinitionIsTheGeneratedOne(t *testing.T) {
	t.Parallel()
	want := written(t, "config", "crd", "theeye.dev_applications.yaml")[0]
	for name, objects := range map[string][]manifest.Object{"chart": with(t, `{}`).objects, "config": build(t, "default")} {
		definitions := manifest.OfKind(objects, "CustomResourceDefinition")
		if len(definitions) != 1 || definitions[0].GetName() != want.GetName() {
			t.Fatalf("%s: definitions are %v", name, definitions)
		}
		if diff := cmp.Diff(want.Object["spec"], definitions[0].Object["spec"]); diff != "" {
			t.Errorf("%s: the definition differs (-generated):\n%s", name, diff)
		}
		for key, value := range want.GetAnnotations() {
			if definitions[0].GetAnnotations()[key] != value {
				t.Errorf("%s: the definition has no annotation %s=%s", name, key, value)
			}
		}
	}
}

// With the definition go all Applications of the cluster: an uninstallation keeps it unless somebody says otherwise.
func TestDefinitionIsKept(t *testing.T) {
	t.Parallel()
	for values, want := range map[string]string{`{}`: "keep", `{crds: {keep: false}}`: ""} {
		definition := manifest.OfKind(with(t, values).objects, "CustomResourceDefinition")[0]
		if got := definition.GetAnnotations()["helm.sh/resource-policy"]; got != want {
			t.Errorf("%s: policy %q, want %q", values, got, want)
		}
	}
	if left := manifest.OfKind(with(t, `{crds: {enabled: false}}`).objects, "CustomResourceDefinition"); len(left) > 0 {
		t.Errorf("rendered although it is not enabled: %v", left)
	}
}

// account is who a program is to the API server.
func account(component string) string {
	return "ServiceAccount/" + releaseNamespace + "/" + fullname + "-" + component
}

// rights are the rules that each service account has, by where: a namespace, or "*".
func rights(t *testing.T, v variant) map[string]map[string][]rbacv1.PolicyRule {
	t.Helper()
	rules := map[string][]rbacv1.PolicyRule{}
	for _, r := range typed[rbacv1.Role](t, v, "Role") {
		rules["Role/"+r.Namespace+"/"+r.Name] = r.Rules
	}
	for _, r := range typed[rbacv1.ClusterRole](t, v, "ClusterRole") {
		rules["ClusterRole/"+r.Name] = r.Rules
	}
	all := map[string]map[string][]rbacv1.PolicyRule{}
	give := func(who []rbacv1.Subject, where, role string) {
		granted, found := rules[role]
		if !found {
			t.Errorf("%s is bound and not rendered", role)
		}
		for _, subject := range who {
			id := subject.Kind + "/" + subject.Namespace + "/" + subject.Name
			if all[id] == nil {
				all[id] = map[string][]rbacv1.PolicyRule{}
			}
			all[id][where] = append(all[id][where], granted...)
		}
	}
	for _, b := range typed[rbacv1.RoleBinding](t, v, "RoleBinding") {
		give(b.Subjects, b.Namespace, strings.Replace(b.RoleRef.Kind+"/"+b.Namespace+"/"+b.RoleRef.Name, "ClusterRole/"+b.Namespace+"/", "ClusterRole/", 1))
	}
	for _, b := range typed[rbacv1.ClusterRoleBinding](t, v, "ClusterRoleBinding") {
		give(b.Subjects, "*", "ClusterRole/"+b.RoleRef.Name)
	}
	return all
}

// ruled reads the rules of a role in config/rbac, or of a list in the chart's files, with a name for NAME: in config/rbac
// it is the operator's.
func ruled(t *testing.T, name string, path ...string) []rbacv1.PolicyRule {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{"..", ".."}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	role := string(text)
	if !strings.Contains(role, "\nrules:\n") {
		role = "kind: ClusterRole\nrules:\n" + role
	}
	objects, err := manifest.Parse(strings.NewReplacer("NAME", name, "- theeye-operator\n", "- "+name+"\n").Replace(role))
	if err != nil {
		t.Fatal(err)
	}
	var read rbacv1.ClusterRole
	if err := objects[0].Into(&read); err != nil || len(read.Rules) == 0 {
		t.Fatalf("%v: %d rules, %v", path, len(read.Rules), err)
	}
	return read.Rules
}

// rules reads several at once.
func rules(t *testing.T, name string, paths ...string) []rbacv1.PolicyRule {
	t.Helper()
	var all []rbacv1.PolicyRule
	for _, path := range paths {
		all = append(all, ruled(t, name, path)...)
	}
	return all
}

// Each program has the rights that its own tests run under, where it needs them, and no others: those of config/rbac, which
// come from the markers in the source, and those of the hooks.
func TestRightsAreTheGeneratedOnes(t *testing.T) {
	t.Parallel()
	const config, files = "config/rbac/", "charts/theeye/files/rbac/"
	review := rules(t, "", config+"token_review_role.yaml")
	asks := rules(t, "", config+"access_review_role.yaml", config+"token_review_role.yaml")
	lease := rules(t, fullname+"-operator", config+"leader_election_role.yaml")
	hooks := map[string]map[string][]rbacv1.PolicyRule{
		account("auth"):        {"*": review},
		account("persistence"): {"*": asks},
		account("passwords"):   {releaseNamespace: rules(t, fullname+"-passwords", files+"passwords.yaml")},
		account("retire"): {
			"*":              rules(t, "", files+"retire-applications.yaml"),
			releaseNamespace: rules(t, fullname+"-operator", files+"retire.yaml"),
		},
	}
	try := rules(t, fullname+"-test", files+"try.yaml")
	cluster, scoped := maps.Clone(hooks), maps.Clone(hooks)
	cluster[account("test")] = map[string][]rbacv1.PolicyRule{releaseNamespace: try}
	cluster[account("operator")] = map[string][]rbacv1.PolicyRule{"*": rules(t, "", config+"role.yaml"), releaseNamespace: lease}
	one := rules(t, "", config+"namespaced/role.yaml")
	scoped[account("test")] = map[string][]rbacv1.PolicyRule{"shop": try}
	scoped[account("operator")] = map[string][]rbacv1.PolicyRule{
		"*": rules(t, "", config+"namespaced/applications_role.yaml"), releaseNamespace: lease, "shop": one, "payments": one,
	}
	for values, want := range map[string]map[string]map[string][]rbacv1.PolicyRule{
		`{}`: cluster, `{scopedNamespaces: [shop, payments]}`: scoped,
	} {
		if diff := cmp.Diff(want, rights(t, with(t, values))); diff != "" {
			t.Errorf("%s: rights differ (-wanted):\n%s", values, diff)
		}
	}
}

// In scoped mode nobody reads Secrets outside the named namespaces and the release's own.
func TestScopedModeReadsNoOtherSecrets(t *testing.T) {
	t.Parallel()
	for who, places := range rights(t, with(t, `{scopedNamespaces: [shop]}`)) {
		for _, rule := range places["*"] {
			if slices.Contains(rule.Resources, "secrets") || slices.Contains(rule.Resources, "*") {
				t.Errorf("%s: %v", who, rule)
			}
		}
	}
}

// Whoever is to read events is bound to a role of the release; the cluster's own roles have its rules only on request.
func TestRolesOfReaders(t *testing.T) {
	t.Parallel()
	const aggregate = "rbac.authorization.k8s.io/aggregate-to-"
	for values, labels := range map[string]map[string]string{
		`{}`:                                 {},
		`{scopedNamespaces: [shop]}`:         {},
		`{rbac: {aggregateEvents: true}}`:    {"viewer": "view", "editor": "edit"},
		`{rbac: {aggregate: false}}`:         {},
		`{rbac: {servicebinding: false}}`:    {},
		`{commonLabels: {team: collectors}}`: {},
	} {
		v := with(t, values)
		found := 0
		for _, role := range typed[rbacv1.ClusterRole](t, v, "ClusterRole") {
			_, kind, is := strings.Cut(role.Name, fullname+"-events-")
			if !is {
				continue
			}
			found++
			if diff := cmp.Diff(rules(t, "", "config/rbac/events_"+kind+"_role.yaml"), role.Rules); diff != "" {
				t.Errorf("%s: %s differs:\n%s", values, role.Name, diff)
			}
			for _, to := range []string{"view", "edit", "admin"} {
				if got := role.Labels[aggregate+to] == "true"; got != (labels[kind] == to) {
					t.Errorf("%s: %s is added to %s: %t", values, role.Name, to, got)
				}
			}
		}
		if found != 2 {
			t.Errorf("%s: %d roles", values, found)
		}
	}
}

// Where Kubernetes tokens read nothing nobody has rights for it.
func TestKubernetesAccessCanBeTurnedOff(t *testing.T) {
	t.Parallel()
	for _, o := range with(t, `{persistence: {kubernetesAccess: false}}`).objects {
		if strings.Contains(o.GetName(), "access-review") || strings.Contains(o.GetName(), "-events-") {
			t.Errorf("%s is rendered", o)
		}
	}
}

// Without rbac.create people make all rights themselves, those of the hooks, too.
func TestRolesCanBeLeftOut(t *testing.T) {
	t.Parallel()
	for _, o := range with(t, `{rbac: {create: false}}`).objects {
		if strings.HasSuffix(o.GetKind(), "Role") || strings.HasSuffix(o.GetKind(), "RoleBinding") {
			t.Errorf("%s is rendered", o)
		}
	}
}
