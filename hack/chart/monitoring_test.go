package chart_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/theeye-dev/theeye/hack/chart/manifest"
)

const watched = `{monitoring: {serviceMonitor: {enabled: true}, prometheusRule: {enabled: true}, dashboard: {enabled: true}}}`

// alert is what the tests read of one.
type alert struct {
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

// alerts are those of the rendered rule. What they fire on, promtool tests: hack/alerts.
func alerts(t *testing.T, v variant) []alert {
	t.Helper()
	rules := manifest.OfKind(v.objects, "PrometheusRule")
	if len(rules) != 1 {
		t.Fatalf("%d rules", len(rules))
	}
	text, err := json.Marshal(rules[0].Object["spec"])
	if err != nil {
		t.Fatal(err)
	}
	var spec struct {
		Groups []struct {
			Rules []alert `json:"rules"`
		} `json:"groups"`
	}
	if err := json.Unmarshal(text, &spec); err != nil {
		t.Fatal(err)
	}
	var all []alert
	for _, group := range spec.Groups {
		for _, rule := range group.Rules {
			if rule.Alert != "" {
				all = append(all, rule)
			}
		}
	}
	if len(all) == 0 {
		t.Fatal("no alerts")
	}
	return all
}

// An alert without a runbook wakes somebody who does not know what to do; a runbook without an alert is never read.
func TestEveryAlertHasARunbook(t *testing.T) {
	t.Parallel()
	const where = "https://github.com/theeye-dev/theeye/blob/main/charts/theeye/runbooks/"
	var want []string
	for _, a := range alerts(t, with(t, watched)) {
		want = append(want, a.Alert+".md")
		if a.Annotations["runbook_url"] != where+a.Alert+".md" {
			t.Errorf("%s: runbook_url is %q", a.Alert, a.Annotations["runbook_url"])
		}
		if a.Annotations["summary"] == "" || a.Annotations["description"] == "" || a.Labels["severity"] == "" {
			t.Errorf("%s lacks a summary, a description or a severity: %+v", a.Alert, a)
		}
	}
	entries, err := os.ReadDir(filepath.Join(chartDir, "runbooks"))
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, entry := range entries {
		if entry.Name() != "README.md" {
			have = append(have, entry.Name())
		}
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("runbooks differ (-alerts +files):\n%s", diff)
	}
}

// Prometheus' and Grafana's own braces are none of Helm's.
func TestAlertsKeepTheirBraces(t *testing.T) {
	t.Parallel()
	values := 0
	for _, a := range alerts(t, with(t, watched)) {
		for _, text := range a.Annotations {
			if strings.Contains(text, "<no value>") || strings.Contains(text, "%!") {
				t.Errorf("%s: %s", a.Alert, text)
			}
			values += strings.Count(text, "{{")
		}
	}
	if values == 0 {
		t.Error("no alert says a number or a name")
	}
}

// The dashboard is JSON, with panels, and in the ConfigMap that Grafana's sidecar looks for.
func TestDashboard(t *testing.T) {
	t.Parallel()
	found := 0
	for _, c := range typed[corev1.ConfigMap](t, with(t, watched), "ConfigMap") {
		if c.Labels["grafana_dashboard"] != "1" {
			continue
		}
		for name, text := range c.Data {
			var dashboard struct {
				Title  string           `json:"title"`
				Panels []map[string]any `json:"panels"`
			}
			if err := json.Unmarshal([]byte(text), &dashboard); err != nil || dashboard.Title == "" || len(dashboard.Panels) == 0 {
				t.Errorf("%s: %q, %d panels, %v", name, dashboard.Title, len(dashboard.Panels), err)
			}
			found++
		}
	}
	if found != 1 {
		t.Errorf("%d dashboards", found)
	}
}

// Each of the four is scraped once, on its operations port.
func TestServiceMonitorsFindEachServiceOnce(t *testing.T) {
	t.Parallel()
	v := with(t, `{monitoring: {serviceMonitor: {enabled: true}}, ingest: {service: {type: LoadBalancer}}}`)
	scrapes := map[string]int{}
	for _, monitor := range manifest.OfKind(v.objects, "ServiceMonitor") {
		for _, service := range monitored(t, v, monitor) {
			scrapes[service.Spec.Selector["app.kubernetes.io/component"]]++
		}
	}
	if diff := cmp.Diff(map[string]int{"ingest": 1, "auth": 1, "persistence": 1, "operator": 1}, scrapes); diff != "" {
		t.Errorf("scraped otherwise (-want +got):\n%s", diff)
	}
}

// monitored are the Services that a ServiceMonitor finds, once for each of its endpoints that they have the port of.
func monitored(t *testing.T, v variant, monitor manifest.Object) []corev1.Service {
	t.Helper()
	var spec struct {
		Selector  metav1.LabelSelector `json:"selector"`
		Endpoints []struct {
			Port string `json:"port"`
		} `json:"endpoints"`
	}
	raw, _, _ := unstructured.NestedMap(monitor.Object, "spec")
	text, err := json.Marshal(raw)
	if err == nil {
		err = json.Unmarshal(text, &spec)
	}
	if err != nil {
		t.Fatal(err)
	}
	selector, err := metav1.LabelSelectorAsSelector(&spec.Selector)
	if err != nil {
		t.Fatal(err)
	}
	var found []corev1.Service
	for _, service := range typed[corev1.Service](t, v, "Service") {
		if !selector.Matches(labels.Set(service.Labels)) {
			continue
		}
		for _, endpoint := range spec.Endpoints {
			if slices.ContainsFunc(service.Spec.Ports, func(p corev1.ServicePort) bool { return p.Name == endpoint.Port && p.Name == "ops" }) {
				found = append(found, service)
			}
		}
	}
	return found
}
