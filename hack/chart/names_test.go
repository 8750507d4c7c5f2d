package chart_test

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	validate "k8s.io/apimachinery/pkg/util/validation"

	"github.com/theeye-dev/theeye/hack/chart/manifest"
	"github.com/theeye-dev/theeye/hack/chart/render"
)

// longest is how long Helm lets the name of a release be.
const longest = 53

// releaseNames are those that Helm takes and people have.
func releaseNames() []string {
	return []string{
		"a", "theeye", "theeye-blue", strings.Repeat("a", 40), strings.Repeat("a", 33) + "-theeye-x", // a cut at a hyphen
		strings.Repeat("a", 39) + "-" + strings.Repeat("b", longest-40), strings.Repeat("a", longest),
	}
}

// Names stay within what Kubernetes takes, however long the release's is.
func TestNamesAreValid(t *testing.T) {
	t.Parallel()
	for _, release := range releaseNames() {
		for _, variantName := range []string{defaults, "everything"} {
			v := renderAs(t, release, variants(t)[variantName])
			seen := map[string]bool{}
			for _, o := range v.objects {
				id := o.GroupVersionKind().GroupKind().String() + " " + o.GetNamespace() + "/" + o.GetName()
				if seen[id] {
					t.Errorf("%s, release %s: %s is there twice", variantName, release, id)
				}
				seen[id] = true
				for _, fault := range nameFaults(o) {
					t.Errorf("%s, release %s: %s: %s", variantName, release, o, fault)
				}
			}
			checkPodNames(t, v)
		}
	}
}

func renderAs(t *testing.T, release string, values map[string]any) variant {
	t.Helper()
	r := request(values)
	r.Release = release
	rendered, err := render.Chart(r)
	if err != nil {
		t.Fatalf("release %s: %v", release, err)
	}
	return read(t, release, values, rendered)
}

// nameFaults are what Kubernetes would find wrong with an object's name and labels.
func nameFaults(o manifest.Object) []string {
	var faults []string
	switch o.GetKind() {
	case "Service":
		faults = validate.IsDNS1035Label(o.GetName())
	case "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding":
		if strings.ContainsAny(o.GetName(), "/%") {
			faults = append(faults, "no path segment")
		}
	case "StatefulSet": // <name>-<ten of the revision's> is a label, and <name>-0 a host name
		faults = validate.IsDNS1123Label(o.GetName() + "-0123456789")
	case "Deployment", "Job", "HorizontalPodAutoscaler":
		faults = validate.IsDNS1123Label(o.GetName())
	default:
		faults = validation.NameIsDNSSubdomain(o.GetName(), false)
	}
	for key, value := range o.GetLabels() {
		for _, fault := range append(validate.IsQualifiedName(key), validate.IsValidLabelValue(value)...) {
			faults = append(faults, key+"="+value+": "+fault)
		}
	}
	if name, found, _ := unstructured.NestedString(o.Object, "spec", "commonName"); found && len(name) > 64 {
		faults = append(faults, "a certificate's common name has at most 64 characters")
	}
	return faults
}

// checkPodNames checks the names inside pods, which only the making of a pod would find wrong.
func checkPodNames(t *testing.T, v variant) {
	t.Helper()
	for _, w := range v.pods {
		for key, value := range w.Template.Labels {
			for _, fault := range validate.IsValidLabelValue(value) {
				t.Errorf("%s: %s: label %s: %s", v.name, w.Object, key, fault)
			}
		}
		for _, volume := range w.Template.Spec.Volumes {
			for _, fault := range validate.IsDNS1123Label(volume.Name) {
				t.Errorf("%s: %s: volume %s: %s", v.name, w.Object, volume.Name, fault)
			}
		}
	}
}

// Names that no Service can have are told so, and the way out with it: not by the API server, after half of it is there.
func TestImpossibleNamesAreRefused(t *testing.T) {
	t.Parallel()
	for _, release := range []string{"1st", "my.release"} {
		r := request(nil)
		r.Release = release
		rendered, err := render.Chart(r)
		if err != nil {
			if !strings.Contains(err.Error(), "fullnameOverride") {
				t.Errorf("%s: the error does not tell the way out: %v", release, err)
			}
			continue
		}
		for _, service := range typed[corev1.Service](t, read(t, release, nil, rendered), "Service") {
			for _, fault := range validate.IsDNS1035Label(service.Name) {
				t.Errorf("release %s: Service %s: %s", release, service.Name, fault)
			}
		}
	}
}

// Two releases, in one namespace or in two, have nothing in common but the resource definition: no object, and no lease,
// which their operators make.
func TestReleasesKeepApart(t *testing.T) {
	t.Parallel()
	owner := map[string]string{}
	long := strings.Repeat("a", longest-1)
	for _, at := range []struct{ release, namespace string }{
		{"blue", "one"}, {"green", "one"}, {"theeye", "one"}, {"blue", "two"}, {long + "a", "one"}, {long + "b", "one"},
	} {
		r := request(parseYAML(t, []byte(watched)))
		r.Release, r.Namespace = at.release, at.namespace
		rendered, err := render.Chart(r)
		if err != nil {
			t.Fatal(err)
		}
		v := read(t, at.release, nil, rendered)
		ids := []string{at.namespace + "/Lease " + lease(t, v)}
		for _, o := range v.objects {
			if o.GetKind() != "CustomResourceDefinition" {
				ids = append(ids, o.GetNamespace()+"/"+o.String())
			}
		}
		for _, id := range ids {
			if other, taken := owner[id]; taken {
				t.Errorf("%s is %s's and %s/%s's", id, other, at.namespace, at.release)
			}
			owner[id] = at.namespace + "/" + at.release
		}
	}
}

// lease is the name of that by which the operator's replicas agree on one. Whoever has to do with it must mean the same:
// those who may read, change and delete leases, retire, which goes by the Deployment's name, and the alert.
func lease(t *testing.T, v variant) string {
	t.Helper()
	var names []string
	for _, d := range typed[appsv1.Deployment](t, v, "Deployment") {
		for _, arg := range d.Spec.Template.Spec.Containers[0].Args {
			if id, is := strings.CutPrefix(arg, "--leader-election-id="); is {
				names = append(names, d.Name, id)
			}
		}
	}
	for _, role := range typed[rbacv1.Role](t, v, "Role") {
		for _, rule := range role.Rules {
			if slices.Contains(rule.Resources, "leases") && !slices.Equal(rule.Verbs, []string{"create"}) { // which has no name
				names = append(names, strings.Join(rule.ResourceNames, ","))
			}
		}
	}
	for _, a := range alerts(t, v) {
		if _, selector, is := strings.Cut(a.Expr, "leader_election_master_status{"); is {
			_, name, _ := strings.Cut(selector, `,name="`)
			name, _, _ = strings.Cut(name, `"`)
			names = append(names, name)
		}
	}
	if len(names) != 5 || len(slices.Compact(slices.Clone(names))) != 1 || names[0] == "" {
		t.Fatalf("%s: the Deployment, its lease, the two roles' and the alert's are %q", v.name, names)
	}
	return names[0]
}
