package chart_test

import (
	"maps"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/theeye-dev/theeye/hack/chart/manifest"
)

// lasting are the labels that selectors may use: they never change over a release's life.
var lasting = []string{"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"} //nolint:gochecknoglobals // a table

// selectors are those by which the release's objects find its own pods, by who has them.
func selectors(t *testing.T, v variant) map[string]*metav1.LabelSelector {
	t.Helper()
	found := map[string]*metav1.LabelSelector{}
	for _, w := range v.pods {
		if w.Selector != nil {
			found[w.Object.String()] = w.Selector
		}
		for _, spread := range w.Template.Spec.TopologySpreadConstraints {
			found[w.Object.String()+" spread"] = spread.LabelSelector
		}
	}
	for _, s := range typed[corev1.Service](t, v, "Service") {
		found["Service/"+s.Name] = &metav1.LabelSelector{MatchLabels: s.Spec.Selector}
	}
	for _, b := range typed[policyv1.PodDisruptionBudget](t, v, "PodDisruptionBudget") {
		found["PodDisruptionBudget/"+b.Name] = b.Spec.Selector
	}
	for _, p := range typed[networkingv1.NetworkPolicy](t, v, "NetworkPolicy") {
		found["NetworkPolicy/"+p.Name] = &p.Spec.PodSelector
	}
	return found
}

// A selector with a version in it finds nothing after an upgrade; one without the instance finds another release's pods.
func TestSelectorsLast(t *testing.T) {
	t.Parallel()
	eachVariant(t, func(v variant) {
		t := v.t
		for who, selector := range selectors(t, v) {
			for key := range selector.MatchLabels {
				if !slices.Contains(lasting, key) {
					t.Errorf("%s selects by %s", who, key)
				}
			}
			if selector.MatchLabels["app.kubernetes.io/instance"] != releaseName {
				t.Errorf("%s selects pods of other releases: %v", who, selector)
			}
		}
	})
}

func TestSelectorsFindPods(t *testing.T) {
	t.Parallel()
	eachVariant(t, func(v variant) {
		t := v.t
		for who, selector := range selectors(t, v) {
			compiled, err := metav1.LabelSelectorAsSelector(selector)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(v.pods, func(w manifest.Workload) bool { return compiled.Matches(labels.Set(w.Template.Labels)) }) {
				t.Errorf("%s finds no pod: %v", who, selector)
			}
		}
	})
}

// What cannot be changed has nothing in it that changes.
func TestVolumeClaimsHaveNoVersions(t *testing.T) {
	t.Parallel()
	found := false
	eachVariant(t, func(v variant) {
		t := v.t
		for _, set := range typed[appsv1.StatefulSet](t, v, "StatefulSet") {
			for _, claim := range set.Spec.VolumeClaimTemplates {
				for key := range claim.Labels {
					if !slices.Contains(lasting, key) {
						t.Errorf("%s: the claim %s has the label %s", set.Name, claim.Name, key)
					}
				}
			}
		}
	})
	for _, set := range typed[appsv1.StatefulSet](t, with(t, `{}`), "StatefulSet") {
		found = found || len(set.Spec.VolumeClaimTemplates) > 0
	}
	if !found {
		t.Error("no claims at all")
	}
}

// Everything says whose it is.
func TestObjectsHaveLabels(t *testing.T) {
	t.Parallel()
	eachVariant(t, func(v variant) {
		t := v.t
		for _, o := range slices.DeleteFunc(slices.Clone(v.objects), isExtra) {
			for key, want := range map[string]string{
				"app.kubernetes.io/name": "theeye", "app.kubernetes.io/instance": releaseName,
				"app.kubernetes.io/part-of": "theeye", "app.kubernetes.io/managed-by": "Helm",
			} {
				if got := o.GetLabels()[key]; got != want {
					t.Errorf("%s has %s=%q, want %q", o, key, got, want)
				}
			}
		}
	})
}

// isExtra says whether people gave an object, whose labels are their own business.
func isExtra(o manifest.Object) bool { return o.Source == "theeye/templates/extra-objects.yaml" }

// Labels and annotations for all reach all, pods included, in the variant with everything on.
func TestCommonLabelsAreEverywhere(t *testing.T) {
	t.Parallel()
	for name, values := range variants(t) {
		added := maps.Clone(values)
		added["commonLabels"] = map[string]any{"team": "eyes"}
		added["commonAnnotations"] = map[string]any{"note": "seen"}
		v := renderVariant(t, name+" with common labels", added)
		for _, o := range slices.DeleteFunc(slices.Clone(v.objects), isExtra) {
			if o.GetLabels()["team"] != "eyes" || o.GetAnnotations()["note"] != "seen" {
				t.Errorf("%s: %s has labels %v, annotations %v", name, o, o.GetLabels(), o.GetAnnotations())
			}
		}
		for _, w := range v.pods {
			if w.Template.Labels["team"] != "eyes" {
				t.Errorf("%s: pods of %s have no common labels", name, w.Object)
			}
		}
	}
}

// Nobody can take a component's pods away from it, not even by mistake.
func TestCommonLabelsDoNotOverride(t *testing.T) {
	t.Parallel()
	v := with(t, `{commonLabels: {app.kubernetes.io/component: mine, app.kubernetes.io/instance: mine},
		ingest: {podLabels: {app.kubernetes.io/component: mine}}}`)
	for who, selector := range selectors(t, v) {
		if selector.MatchLabels["app.kubernetes.io/component"] == "mine" || selector.MatchLabels["app.kubernetes.io/instance"] == "mine" {
			t.Errorf("%s selects %v", who, selector)
		}
	}
	for _, w := range v.pods {
		if w.Component() == "mine" || w.Template.Labels["app.kubernetes.io/instance"] == "mine" {
			t.Errorf("%s: labels are %v", w.Object, w.Template.Labels)
		}
	}
}
