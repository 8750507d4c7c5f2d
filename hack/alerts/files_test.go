package alerts

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/rulefmt"
	"go.yaml.in/yaml/v3"
)

const chart = "../../charts/theeye"

// glob finds files, of which there must be some.
func glob(t *testing.T, elements ...string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(append([]string{chart}, elements...)...))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files %q, %v", elements, err)
	}
	return files
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// rules are all alerts.
func rules(t *testing.T) (all []rulefmt.Rule) {
	t.Helper()
	for _, file := range glob(t, "files", "alerts", "*.yaml") {
		var parsed rulefmt.RuleGroups
		if err := yaml.Unmarshal(read(t, file), &parsed); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, group := range parsed.Groups {
			all = append(all, group.Rules...)
		}
	}
	if len(all) == 0 {
		t.Fatal("there are no alerts")
	}
	return all
}

// panel is what is of interest in a panel of the dashboard.
type panel struct {
	Title   string
	Targets []struct{ Expr string }
}

// panels are the dashboard's, with Grafana's own words replaced as Grafana does.
func panels(t *testing.T) []panel {
	t.Helper()
	text := strings.NewReplacer("$__rate_interval", "5m", "$namespace", "theeye-system").
		Replace(string(read(t, filepath.Join(chart, "files", "dashboard.json"))))
	var dashboard struct{ Panels []panel }
	if err := json.Unmarshal([]byte(text), &dashboard); err != nil || len(dashboard.Panels) == 0 {
		t.Fatalf("%d panels, %v", len(dashboard.Panels), err)
	}
	return dashboard.Panels
}

// expressions are all of alerts and dashboard, by who has them.
func expressions(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, rule := range rules(t) {
		all[rule.Alert] = append(all[rule.Alert], rule.Expr)
	}
	for _, panel := range panels(t) {
		for _, target := range panel.Targets {
			all["panel "+panel.Title] = append(all["panel "+panel.Title], target.Expr)
		}
	}
	return all
}
