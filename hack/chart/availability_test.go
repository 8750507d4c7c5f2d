package chart_test

import (
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/theeye-dev/theeye/hack/chart/manifest"
)

// scaled are the names of the Deployments whose number of pods somebody else decides.
func scaled(t *testing.T, v variant) []string {
	t.Helper()
	var names []string
	for _, h := range typed[autoscalingv2.HorizontalPodAutoscaler](t, v, "HorizontalPodAutoscaler") {
		names = append(names, h.Spec.ScaleTargetRef.Name)
	}
	for _, s := range manifest.OfKind(v.objects, "ScaledObject") {
		name, _, _ := unstructured.NestedString(s.Object, "spec", "scaleTargetRef", "name")
		names = append(names, name)
	}
	return names
}

// A number beside an autoscaler undoes it at every upgrade; a missing one means a single pod.
func TestReplicasAreLeftToAutoscalers(t *testing.T) {
	t.Parallel()
	eachVariant(t, func(v variant) {
		t := v.t
		autoscaled := scaled(t, v)
		for _, d := range typed[appsv1.Deployment](t, v, "Deployment") {
			if left := d.Spec.Replicas == nil; left != slices.Contains(autoscaled, d.Name) {
				t.Errorf("%s: replicas are left out: %v; autoscaled are %v", d.Name, left, autoscaled)
			}
		}
	})
}

// Both autoscalers come when they are asked for, one Deployment each.
func TestAutoscalersComeWhenAskedFor(t *testing.T) {
	t.Parallel()
	for values, want := range map[string][]string{
		`{}`: nil,
		`{ingest: {autoscaling: {enabled: true}}}`: {fullname + "-ingest"},
		`{persistence: {keda: {enabled: true}}}`:   {fullname + "-persistence"},
	} {
		if got := scaled(t, with(t, values)); !slices.Equal(got, want) {
			t.Errorf("%s: autoscaled are %v, want %v", values, got, want)
		}
	}
}

// A budget for what has one pod would keep its node from ever being drained; without one, what has two may lose both.
func TestDisruptionBudgets(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		values string
		want   []string
	}{
		"two of each":      {`{}`, []string{"auth", "ingest", "operator", "persistence"}},
		"one of two":       {`{auth: {replicas: 1}, operator: {replicas: 1}}`, []string{"ingest", "persistence"}},
		"one at least":     {`{ingest: {autoscaling: {enabled: true, minReplicas: 1}}}`, []string{"auth", "operator", "persistence"}},
		"scaled from one":  {`{ingest: {replicas: 1, autoscaling: {enabled: true, minReplicas: 2}}}`, []string{"auth", "ingest", "operator", "persistence"}},
		"KEDA's own least": {`{persistence: {replicas: 4, keda: {enabled: true, minReplicas: 1}}}`, []string{"auth", "ingest", "operator"}},
		"none":             {`{podDisruptionBudget: {enabled: false}}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, budget := range typed[policyv1.PodDisruptionBudget](t, with(t, c.values), "PodDisruptionBudget") {
				got = append(got, budget.Spec.Selector.MatchLabels["app.kubernetes.io/component"])
				if budget.Spec.MaxUnavailable == nil || budget.Spec.MaxUnavailable.IntValue() != 1 || budget.Spec.MinAvailable != nil {
					t.Errorf("%s does not let one pod go at a time", budget.Name)
				}
				if p := budget.Spec.UnhealthyPodEvictionPolicy; p == nil || *p != policyv1.AlwaysAllow {
					t.Errorf("%s keeps broken pods on a node that is drained", budget.Name)
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, c.want) {
				t.Errorf("budgets for %v, want %v", got, c.want)
			}
		})
	}
}

// New pods come before old ones go, and on different nodes where there are several.
func TestRollingUpdates(t *testing.T) {
	t.Parallel()
	eachVariant(t, func(v variant) {
		t := v.t
		for _, d := range typed[appsv1.Deployment](t, v, "Deployment") {
			r := d.Spec.Strategy.RollingUpdate
			if r == nil || r.MaxUnavailable == nil || r.MaxUnavailable.String() != "0" || r.MaxSurge == nil || r.MaxSurge.String() != "1" {
				t.Errorf("%s rolls by %+v", d.Name, r)
			}
			spread := d.Spec.Template.Spec.TopologySpreadConstraints
			if len(spread) != 1 || spread[0].TopologyKey != "kubernetes.io/hostname" || !slices.Contains(spread[0].MatchLabelKeys, "pod-template-hash") {
				t.Errorf("%s spreads by %+v", d.Name, spread)
			}
		}
	})
}

// What holds data is kept when the release goes.
func TestVolumesAreKept(t *testing.T) {
	t.Parallel()
	sets := typed[appsv1.StatefulSet](t, with(t, `{}`), "StatefulSet")
	if len(sets) != 2 {
		t.Fatalf("%d StatefulSets", len(sets))
	}
	for _, set := range sets {
		kept := set.Spec.PersistentVolumeClaimRetentionPolicy
		if kept != nil && (kept.WhenDeleted != appsv1.RetainPersistentVolumeClaimRetentionPolicyType || kept.WhenScaled != appsv1.RetainPersistentVolumeClaimRetentionPolicyType) {
			t.Errorf("%s: volumes go with it", set.Name)
		}
		if len(set.Spec.VolumeClaimTemplates) != 1 || set.Spec.Replicas == nil || *set.Spec.Replicas != 1 {
			t.Errorf("%s has %d claims, replicas %v", set.Name, len(set.Spec.VolumeClaimTemplates), set.Spec.Replicas)
		}
	}
}

// With stores that are there already none is installed, and no password is made: what auth encrypts with alone, unless that
// is there, too.
func TestExistingStoresReplaceOurs(t *testing.T) {
	t.Parallel()
	both := `{redis: {existing: {secretName: a}}, postgres: {existing: {secretName: b}}}`
	all := `{redis: {existing: {secretName: a}}, postgres: {existing: {secretName: b}}, auth: {signingKey: {existingSecretName: c}}}`
	for values, want := range map[string][]string{
		`{redis: {existing: {secretName: a}}}`:            {fullname + "-postgres"},
		`{postgres: {existing: {secretName: a}}}`:         {fullname + "-redis"},
		`{auth: {signingKey: {existingSecretName: "c"}}}`: {fullname + "-postgres", fullname + "-redis"},
		both: nil, all: nil,
	} {
		v := with(t, values)
		var got []string
		for _, set := range typed[appsv1.StatefulSet](t, v, "StatefulSet") {
			got = append(got, set.Name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", values, got, want)
		}
		at := slices.IndexFunc(v.pods, func(w manifest.Workload) bool { return w.Component() == "passwords" })
		if (at >= 0) != (values != all) {
			t.Errorf("%s: something is made: %v", values, at >= 0)
		}
		if at >= 0 && slices.Contains(v.pods[at].Container().Args, "--keys=signing-key-encryption") != (values == both) {
			t.Errorf("%s: made with %v", values, v.pods[at].Container().Args)
		}
	}
}
