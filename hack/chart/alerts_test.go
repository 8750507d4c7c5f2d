package chart_test

import (
	"regexp"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
)

// matched is what alerts know a release's claims and pods by, when others than its services tell of them.
var matched = regexp.MustCompile(`(persistentvolumeclaim|pod)=~"([^"]+)"`) //nolint:gochecknoglobals // a constant

// What the kubelet and kube-state-metrics tell has none of the release's labels, only names: the alerts mean all of this
// release's claims and pods by them, and none of another's.
func TestAlertsMeanTheReleasesOwn(t *testing.T) {
	t.Parallel()
	v := with(t, watched)
	own, found := map[string][]string{}, map[string]int{}
	for _, d := range typed[appsv1.Deployment](t, v, "Deployment") {
		own["pod"] = append(own["pod"], d.Name+"-5d8f6c7b9-x2x4k")
	}
	for _, s := range typed[appsv1.StatefulSet](t, v, "StatefulSet") {
		own["pod"] = append(own["pod"], s.Name+"-0")
		for _, claim := range s.Spec.VolumeClaimTemplates {
			own["persistentvolumeclaim"] = append(own["persistentvolumeclaim"], claim.Name+"-"+s.Name+"-0")
		}
	}
	others := map[string]string{"pod": "theeye-redis-0", "persistentvolumeclaim": "data-theeye-redis-0"}
	for _, a := range alerts(t, v) {
		for _, match := range matched.FindAllStringSubmatch(a.Expr, -1) {
			label, names := match[1], regexp.MustCompile("^(?:"+match[2]+")$")
			found[label]++
			for _, name := range own[label] {
				if !names.MatchString(name) {
					t.Errorf("%s does not mean %s %s: %s", a.Alert, label, name, match[0])
				}
			}
			if names.MatchString(others[label]) {
				t.Errorf("%s means %s of another release: %s", a.Alert, others[label], match[0])
			}
		}
	}
	if len(own["pod"]) != 6 || len(own["persistentvolumeclaim"]) != 2 || found["pod"] == 0 || found["persistentvolumeclaim"] == 0 {
		t.Errorf("own %q, asked for %v: the test tests nothing", own, found)
	}
}
